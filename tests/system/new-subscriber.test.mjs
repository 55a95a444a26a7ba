// `repobus new-subscriber` in each language: what it writes builds, runs and passes its own test on a real nats-server,
// with the tools of that language. Go is tried where it is installed; it is not among the packages of the tests. Each of
// the three filters (all, one subject, what begins alike) is that of one language.

import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { bin, house, Program, until } from './harness.mjs';
import { connected, Nats } from './nats.mjs';

const run = promisify(execFile);
let dir, root, env, nats;
before(async () => {
  nats = await Nats.start(['typed', 'greeter', 'snake', 'gopher']); // nats.js takes no user from a URL
  await makeStreams(nats, nats.userUrl('admin')); // who may make them
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-new-'));
  root = path.join(dir, 'root/usr/local');
  await run('make', ['-s', 'install', `DESTDIR=${path.join(dir, 'root')}`], { cwd: house, maxBuffer: 1 << 24, env: { ...process.env, MAKEFLAGS: '' } });
  env = {
    ...process.env, MAKEFLAGS: '', PATH: `${path.join(root, 'bin')}:${process.env.PATH}`, LD_LIBRARY_PATH: path.join(root, 'lib'),
    CPATH: path.join(root, 'include'), LIBRARY_PATH: path.join(root, 'lib'), PKG_CONFIG_PATH: path.join(root, 'lib/pkgconfig'),
  };
});
after(async () => {
  await nats?.stop();
  fs.rmSync(dir, { recursive: true, force: true });
});

async function makeStreams(nats, url = nats.url) {
  const hello = new Program('hello', spawn(path.join(bin, 'hello-subscriber'), { env: { ...process.env, NATS_URL: url, HEALTH_PORT: '0' }, stdio: ['ignore', 'pipe', 'pipe'] }), path.join(nats.dir, 'hello.log'));
  await nats.untilStreams();
  await hello.stop();
}

/** Exit code, output and errors of a command in `dir`. */
async function result(command, args, options = {}) {
  try {
    return { code: 0, ...(await run(command, args, { cwd: dir, env, maxBuffer: 1 << 24, ...options })) };
  } catch (error) {
    if (typeof error.code !== 'number') throw error;
    return { code: error.code, stdout: error.stdout, stderr: error.stderr };
  }
}
const create = (...args) => result(path.join(bin, 'repobus'), ['new-subscriber', ...args]);

/** Writes one and runs its own test. */
async function proves(name, language, subjects, { before = () => {}, args = [] } = {}) {
  const written = await create(name, '--on', subjects.join(','), '--lang', language);
  assert.equal(written.code, 0, written.stderr);
  const folder = path.join(dir, name);
  for (const file of fs.readdirSync(folder)) assert.doesNotMatch(fs.readFileSync(path.join(folder, file), 'utf8'), /@[A-Z_]+@/, file);
  await before(folder);
  const tested = await result('make', ['-s', 'test', ...args], { cwd: folder });
  assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  const expected = [...subjects, 'an event without a repository'].map((name, i) => `ok ${i + 1} - ${name}`);
  assert.deepEqual(tested.stdout.split('\n').filter((line) => /^(not )?ok /.test(line)), expected);
  return folder;
}

/** Changes one so that it asks GitHub, and runs its test again: the kit answers in the place of a scanner. */
async function asksGitHub(folder, file, from, to, args = []) {
  const main = path.join(folder, file);
  const before = fs.readFileSync(main, 'utf8');
  assert.ok(before.includes(from), `${file} has ${from}`);
  fs.writeFileSync(main, before.replace(from, to));
  const question = { method: 'GET', path: 'labels' };
  const answers = [{ subject: 'installation.github', question, answer: { status: 200, has_next: false, rate_remaining: 1, body: [{ name: 'a' }, { name: 'b' }] } }];
  const cases = JSON.parse(fs.readFileSync(path.join(folder, 'cases.json'), 'utf8'));
  const [connected] = cases;
  const shared = cases.find((each) => each.event.data.installation_ids) ?? { ...connected, event: { ...connected.event, data: { ...connected.event.data, installation_ids: [42, 43] } } };
  const asked = (installation_ids) => [{ subject: 'installation.github', question: { ...question, installation_ids } }];
  fs.writeFileSync(path.join(folder, 'cases.json'), JSON.stringify([
    { ...connected, answers, expect: { verdict: 'done', run: { state: 'done', note: '2 labels' }, asked: asked([connected.event.data.installation_id]) } },
    { ...shared, name: 'one that several share', answers, expect: { verdict: 'done', asked: asked(shared.event.data.installation_ids) } },
    { ...connected, name: 'no answer', expect: { verdict: 'retry' } },
  ]));
  const tested = await result('make', ['-s', 'test', ...args], { cwd: folder });
  assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  assert.match(tested.stdout, /^1\.\.3$/m);
}

/** It handles an event, and asks the server for nothing that the user of its name may not. */
async function getsAlong(name, folder, command, args = [], url = nats.userUrl(name)) {
  const child = spawn(command, args, { cwd: folder, env: { ...env, NATS_URL: url, HEALTH_PORT: '0' }, stdio: ['ignore', 'pipe', 'pipe'] });
  const program = new Program(name, child, path.join(dir, `${name}.log`));
  try {
    await nats.publish(connected({ installation_id: 5 }));
    await until(`${name} is done`, async () => nats.refused(name).length || (await nats.last('RUNS', `run.5.${name}`))?.state === 'done');
    assert.deepEqual(nats.refused(name), []);
    assert.equal((await nats.jsm.consumers.info('REPOBUS', name)).config.ack_wait, 30e9, 'the same in every language');
    await program.stop();
  } finally {
    await program.kill();
  }
  assert.deepEqual(nats.refused(name), []);
}

test('in C, on the installed library; and its test can fail', async () => {
  const folder = await proves('greeter', 'c', ['repo.connected', 'github.pull_request']);
  await getsAlong('greeter', folder, './greeter');
  const cases = JSON.parse(fs.readFileSync(path.join(folder, 'cases.json'), 'utf8'));
  for (const [change, reason] of [
    [(c) => { c.expect.run.note = 'not seen'; }, /run: expected .*not seen/],
    [(c) => { c.expect.verdict = 'reject'; }, /the verdict is done, expected reject/],
    [(c) => { c.expect.published = [{ subject: 'repo.scanned' }]; }, /published: 0 events, expected 1/],
  ]) {
    const changed = structuredClone(cases.slice(0, 1));
    change(changed[0]);
    fs.writeFileSync(path.join(folder, 'cases.json'), JSON.stringify(changed));
    const failed = await result('make', ['-s', 'test'], { cwd: folder });
    assert.notEqual(failed.code, 0);
    assert.match(failed.stdout, /^not ok 1 - repo\.connected$/m);
    assert.match(failed.stdout, reason);
  }
  fs.writeFileSync(path.join(folder, 'cases.json'), JSON.stringify(cases));
  await asksGitHub(folder, 'main.c', '    rb_work_progress(work, 1, 1, "seen");', `    const struct rb_github_answer *answer = NULL;
    rb_err err = rb_work_github(&answer, work, "GET", "labels", NULL);
    if (err)
        return rb_retry("%s", rb_error_text());
    rb_work_progress(work, 1, 1, json_array_size(answer->body) == 2 ? "2 labels" : "others");`);
});

test('the kit says how it is used, and how a command ended that should wait', async () => {
  const kit = path.join(bin, 'repobus-test-subscriber');
  assert.match((await result(kit, ['--help'])).stdout, /^usage: repobus-test-subscriber NAME CASES\.json/);
  const cases = path.join(dir, 'greeter/cases.json');
  const ended = await result(kit, ['greeter', cases, '--', 'sh', '-c', 'exit 3']);
  assert.equal(ended.code, 1);
  assert.match(ended.stdout, /^# the command ended by itself, with status 3/m);
  assert.match((await result(kit, ['greeter', `${cases}x`, '--', 'true'])).stderr, /unable to open .*cases\.jsonx/);
});

test('in Python, on nats-py', async (t) => {
  const venv = (await run(path.join(house, 'tests/venv'), [])).stdout.trim();
  const folder = await proves('snake', 'python', ['repo.connected'], { args: [`PYTHON=${venv}/bin/python3`] });
  await getsAlong('snake', folder, `${venv}/bin/python3`, ['main.py']);
  await asksGitHub(folder, 'main.py', 'await work.progress(1, 1, "seen")', `answer = await work.github("GET", "labels")
    await work.progress(1, 1, f"{len(answer['body'])} labels")`, [`PYTHON=${venv}/bin/python3`]);
  const pinned = fs.readFileSync(path.join(folder, 'requirements.txt'), 'utf8').trim();
  assert.ok(fs.readFileSync(path.join(house, 'tests/requirements.txt'), 'utf8').split('\n').includes(pinned), `${pinned} is what was tried`);
  await excludes(t, 'snake', 'repo.connected', 'python', 'main.py', 'true', [`${venv}/bin/python3`, 'main.py']);
});

test('in TypeScript, on nats.js', async (t) => {
  const folder = await proves('typed', 'typescript', ['repo.connected', 'repo.rescan'], {
    before: (folder) => fs.symlinkSync(path.join(house, 'tests/node_modules'), path.join(folder, 'node_modules')),
    args: ['-o', 'node_modules'],
  });
  await getsAlong('typed', folder, process.execPath, ['dist/main.js'], nats.url);
  await asksGitHub(folder, 'main.ts', "await work.progress(1, 1, 'seen');", `const { body } = await work.github('GET', 'labels');
  await work.progress(1, 1, \`\${body.length} labels\`);`, ['-o', 'node_modules']);
  const wanted = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const have = JSON.parse(fs.readFileSync(path.join(house, 'tests/package.json'), 'utf8')).devDependencies;
  for (const [name, version] of Object.entries({ ...wanted.dependencies, ...wanted.devDependencies })) assert.equal(have[name], version, `${name} is what was tried`);
  await excludes(t, 'typed', 'repo.*', 'typescript', 'main.ts', 'npm run --silent build', ['node', 'dist/main.js']);
});

let go;
try {
  go = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim();
} catch { /* said below */ }
if (/go1\.(2[3-9]|[3-9]\d)/.test(go ?? '')) {
  test('in Go, on nats.go', async (t) => {
    const folder = await proves('gopher', 'go', ['repo.connected', 'github.pull_request']);
    await getsAlong('gopher', folder, './gopher');
    const main = path.join(folder, 'main.go');
    fs.writeFileSync(main, fs.readFileSync(main, 'utf8').replace('"context"', '"context"\n\t"encoding/json"'));
    await asksGitHub(folder, 'main.go', 'return work.Progress(ctx, 1, 1, "seen")', `answer, err := work.GitHub("GET", "labels", nil)
	if err != nil {
		return err
	}
	var labels []struct{ Name string }
	if err = json.Unmarshal(answer.Body, &labels); err != nil {
		return err
	}
	return work.Progress(ctx, 1, 1, fmt.Sprint(len(labels), " labels"))`);
    await excludes(t, 'gopher', '>', 'go', 'main.go', 'go build -o gopher .', ['./gopher']);
  });
} else {
  console.log(`# Go 1.23 or later is not installed (${go ?? 'no go'}): the template in Go is not tried here`);
}

// A handler that says in `log` that it has begun, waits for a file of the event's name, and says that it ends.
const held = {
  c: String.raw`#include <repobus/bus.h>
#include <stdio.h>
#include <unistd.h>
static void tell(const char *what, const char *name)
{
    FILE *log = fopen("log", "a");
    fprintf(log, "%s c %s\n", what, name);
    fclose(log);
}
static struct rb_result handle(struct rb_work *work, void *app, void *local)
{
    (void)app;
    (void)local;
    tell("begin", rb_work_string(work, "name"));
    while (access(rb_work_string(work, "name"), F_OK) != 0)
        usleep(20000);
    tell("end", rb_work_string(work, "name"));
    return rb_done();
}
int main(int argc, char **argv)
{
    static const struct rb_route routes[] = {{RB_REPO_CONNECTED, handle}, {NULL, NULL}};
    const struct rb_subscriber subscriber = {.name = argv[1], .filter = argv[argc - 1], .routes = routes, .workers = 1, .one_per_repository = true};
    return rb_subscriber_run(&subscriber);
}
`,
  python: `import asyncio, os
from repobus import run
def tell(what, name):
    with open("log", "a") as log: log.write(f"{what} other {name}\\n")
async def handle(event, work):
    name = event["data"]["name"]
    assert name != "fail"
    tell("begin", name)
    while not os.path.exists(name): await asyncio.sleep(0.02)
    tell("end", name)
run("snake", ["repo.connected"], handle, one_per_repository=True, in_order="IN_ORDER" in os.environ, **({"ack_wait": 3} if "SHORT" in os.environ else {}))
`,
  typescript: `import fs from 'node:fs';
import { type Event, run } from './repobus.js';
const tell = (what: string, name: string) => fs.appendFileSync('log', what + ' other ' + name + '\\n');
async function handle({ data: { name } }: Event) {
  if (name === 'fail') throw new Error(name);
  tell('begin', name);
  while (!fs.existsSync(name)) await new Promise((resolve) => setTimeout(resolve, 20));
  tell('end', name);
}
await run('typed', ['repo.connected'], handle, { onePerRepository: true, inOrder: 'IN_ORDER' in process.env, ...('SHORT' in process.env && { ackWait: 3000 }) });
`,
  go: `package main
import ("context"; "errors"; "fmt"; "log"; "os"; "time")
func tell(what string, name any) {
	f, _ := os.OpenFile("log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	fmt.Fprintln(f, what, "other", name)
	f.Close()
}
func handle(ctx context.Context, event Event, work *Work) error {
	name := event.Data["name"].(string)
	if name == "fail" { return errors.New(name) }
	tell("begin", name)
	for _, err := os.Stat(name); err != nil; _, err = os.Stat(name) { time.Sleep(20 * time.Millisecond) }
	tell("end", name)
	return nil
}
func main() {
	options := []Option{OnePerRepository}
	if os.Getenv("IN_ORDER") != "" { options = append(options, InOrder) }
	if os.Getenv("SHORT") != "" { options = append(options, AckWait(3 * time.Second)) }
	if err := Run("gopher", []string{"repo.connected"}, handle, options...); err != nil { log.Fatal(err) }
}
`,
};

/** A subscriber in C and in another language, in one folder: start(argv, environment), what they have said, and a wait for a line of it. */
function sideBySide(t, nats, name) {
  const folder = path.join(dir, name), log = path.join(folder, 'log');
  fs.rmSync(log, { force: true });
  const said = () => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trim().split('\n') : []);
  const says = (line) => until(`${name}: ${line}`, () => said().find((each) => each.startsWith(line)));
  const start = (argv, more = {}) => {
    const child = spawn(argv[0], argv.slice(1), { cwd: folder, env: { ...env, NATS_URL: nats.url, HEALTH_PORT: '0', ...more }, stdio: ['ignore', 'pipe', 'pipe'] });
    const program = new Program(argv[0], child, path.join(folder, 'out'));
    t.after(() => program.isRunning && program.kill());
    return program;
  };
  return { start, said, says };
}

const sides = []; // what excludes() has built

/** The same subscriber in C and in another language, side by side: one event of a repository is worked on at a time. */
async function excludes(t, name, filter, language, file, build, command) {
  const folder = path.join(dir, name);
  fs.writeFileSync(path.join(folder, file), held[language]);
  fs.writeFileSync(path.join(dir, 'held.c'), held.c);
  const built = await result('sh', ['-ec', `cc -std=gnu17 -Wall -Werror ../held.c -o held -lrepobus -ljansson; ${build}`], { cwd: folder });
  assert.equal(built.code, 0, built.stdout + built.stderr);
  const nats = await Nats.start();
  t.after(() => nats.stop());
  const { start, said, says } = sideBySide(t, nats, name);
  sides.push({ name, filter, command });
  const publish = (...names) => Promise.all(names.map((each) => nats.publish(connected({ name: each }))));
  let asked = 0; // who wants a lease reads its entry first
  nats.nc.subscribe(`$JS.API.DIRECT.GET.KV_repobus_lease_${name}.>`, { callback: () => { asked++; } });

  const c = start(['./held', name, filter]);
  await nats.untilStreams();
  await publish('first');
  await says('begin c first');
  const other = start(command);
  asked = 0;
  await publish('second');
  await until('the other one wants it', () => asked >= 2);
  assert.deepEqual(said(), ['begin c first']);
  fs.writeFileSync(path.join(folder, 'first'), '');
  await says('begin other second');
  asked = 0;
  await publish('third', 'fourth', 'fifth'); // the other one may have one of them in hand; C has the next
  await until('C wants it', () => asked >= 2);
  assert.deepEqual(said(), ['begin c first', 'end c first', 'begin other second']);
  for (const each of ['second', 'third', 'fourth', 'fifth']) fs.writeFileSync(path.join(folder, each), '');
  await until('all are done', () => said().length === 10);
  said().forEach((line, i, all) => i % 2 && assert.equal(line, all[i - 1].replace('begin', 'end'), all.join(', ')));
  await c.stop();
  // What is no event is given up as it came, and ends nobody.
  for (const [body, expected] of [['{"data":null}', { event: { data: null } }], ['no json', { body_base64: Buffer.from('no json').toString('base64'), body_size: 7 }]]) {
    await nats.jsm.streams.purge('DEAD');
    await nats.js.publish('repo.connected', body);
    const letter = await until(`a letter about ${body}`, () => nats.last('DEAD', `dead.${name}.repo.connected`));
    for (const key of Object.keys(expected)) assert.deepEqual(letter[key], expected[key], key);
  }
  // And what fails comes again after a pause that the server understands: half a second to a whole one.
  const nak = new Promise((resolve) => {
    nats.nc.subscribe(`$JS.ACK.REPOBUS.${name}.>`, { callback: (error, msg) => msg.string().startsWith('-NAK') && resolve(msg.string()) });
  });
  await publish('fail');
  assert.match(await nak, /^-NAK \{"delay": ?(1000000000|[5-9]\d{8})\}$/);
  await other.stop();
  // Where the order of all is asked for, on the consumer that is there: one unfinished event, and the next one waits for it.
  const pending = async () => (await nats.jsm.consumers.info('REPOBUS', name)).config.max_ack_pending;
  assert.equal(await pending(), 10_000);
  const ordered = start(command, { IN_ORDER: '1' });
  await until('the consumer keeps order', async () => (await pending()) === 1);
  await ordered.stop();
}

/** Holds a lease for longer than it is long, and is killed; the subscriber in C wants it all the time. */
async function outlives(t, { name, filter, command }) {
  const length = 3000; // a loaded machine renews it in time, as in tests/unit/bus_lease_test.c
  const nats = await Nats.start();
  t.after(() => nats.stop());
  await makeStreams(nats);
  const { start, said, says } = sideBySide(t, nats, name);
  // The server's clock says what is in time.
  const written = () => nats.jsm.streams.getMessage(`KV_repobus_lease_${name}`, { last_by_subj: `$KV.repobus_lease_${name}.11` });
  const since = (earlier, later) => later.time - earlier.time;
  const refused = new Promise((resolve) => {
    nats.nc.subscribe(`$JS.ACK.REPOBUS.${name}.>`, { callback: (error, msg) => msg.string().startsWith('-NAK') && resolve() });
  });
  await nats.publish(connected({ name: 'long' }));
  const holder = start(command, { SHORT: '1' });
  await says('begin other long');
  const taken = await written();
  start(['./held', name, filter], { RB_ACK_WAIT_MS: String(length) });
  await until(`${name} has renewed it beyond its time`, async () => since(taken, await written()) >= length);
  for (const each of ['next', 'another']) await nats.publish(connected({ name: each })); // the holder may have one of them in hand
  await refused;
  const renewed = await written();
  assert.equal(renewed.string(), taken.string());
  assert.deepEqual(said(), ['begin other long']);
  await holder.kill();
  await says('begin c');
  const after = await written();
  assert.notEqual(after.string(), taken.string());
  assert.ok(since(renewed, after) >= length, `after ${since(renewed, after)} ms`);
}

test('in each of them a lease is renewed while it is held, and is free when its holder is dead for its time', async (t) => {
  assert.ok(sides.length >= 2);
  await Promise.all(sides.map((each) => outlives(t, each)));
});

test('what cannot be written is said, and nothing is left behind', async () => {
  fs.mkdirSync(path.join(dir, 'taken'));
  const there = fs.readdirSync(dir);
  for (const [args, code, reason] of [
    [['Bad Name', '--on', 'repo.connected'], 2, /"Bad Name" is no name/],
    [['../up', '--on', 'repo.connected'], 2, /is no name/],
    [[], 2, /is no name/],
    [['fine'], 2, /--on is missing/],
    [['fine', '--on', 'repo.connected,repo.exploded'], 2, /there is no subject "repo\.exploded"[^]*repo\.connected\n[^]*github\.issues/],
    [['fine', '--on', 'repo.connected', '--lang', 'cobol'], 2, /there is no --lang cobol/],
    [['taken', '--on', 'repo.connected'], 2, /taken is there already/],
  ]) {
    const refused = await create(...args);
    assert.equal(refused.code, code, JSON.stringify(args));
    assert.match(refused.stderr, reason);
  }
  assert.deepEqual(fs.readdirSync(dir), there);
});
