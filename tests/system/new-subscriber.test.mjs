// `repobus new-subscriber` in each language: what it writes builds, runs and passes its own test on a real nats-server,
// with the tools of that language. Go is tried where it is installed; it is not among the packages of the tests.

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
  const hello = new Program('hello', spawn(path.join(bin, 'hello-subscriber'), { env: { ...process.env, NATS_URL: nats.userUrl('admin'), HEALTH_PORT: '0' }, stdio: ['ignore', 'pipe', 'pipe'] }), path.join(nats.dir, 'hello.log'));
  await nats.untilStreams(); // who may make them
  await hello.stop();
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
async function proves(name, language, { before = () => {}, args = [] } = {}) {
  const written = await create(name, '--on', 'repo.connected,github.pull_request', '--lang', language);
  assert.equal(written.code, 0, written.stderr);
  const folder = path.join(dir, name);
  for (const file of fs.readdirSync(folder)) assert.doesNotMatch(fs.readFileSync(path.join(folder, file), 'utf8'), /@[A-Z_]+@/, file);
  await before(folder);
  const tested = await result('make', ['-s', 'test', ...args], { cwd: folder });
  assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  assert.match(tested.stdout, /^ok 1 - repo\.connected$/m);
  assert.match(tested.stdout, /^ok 2 - github\.pull_request$/m);
  assert.match(tested.stdout, /^ok 3 - an event without a repository$/m);
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
  const [connected, pull] = JSON.parse(fs.readFileSync(path.join(folder, 'cases.json'), 'utf8'));
  const asked = (installation_ids) => [{ subject: 'installation.github', question: { ...question, installation_ids } }];
  fs.writeFileSync(path.join(folder, 'cases.json'), JSON.stringify([
    { ...connected, answers, expect: { verdict: 'done', run: { state: 'done', note: '2 labels' }, asked: asked([connected.event.data.installation_id]) } },
    { ...pull, answers, expect: { verdict: 'done', asked: asked(pull.event.data.installation_ids) } },
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
    await program.stop();
  } finally {
    await program.kill();
  }
  assert.deepEqual(nats.refused(name), []);
}

test('in C, on the installed library; and its test can fail', async () => {
  const folder = await proves('greeter', 'c');
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

test('in Python, on nats-py', async () => {
  const venv = (await run(path.join(house, 'tests/venv'), [])).stdout.trim();
  const folder = await proves('snake', 'python', { args: [`PYTHON=${venv}/bin/python3`] });
  await getsAlong('snake', folder, `${venv}/bin/python3`, ['main.py']);
  await asksGitHub(folder, 'main.py', 'await work.progress(1, 1, "seen")', `answer = await work.github("GET", "labels")
    await work.progress(1, 1, f"{len(answer['body'])} labels")`, [`PYTHON=${venv}/bin/python3`]);
  const pinned = fs.readFileSync(path.join(folder, 'requirements.txt'), 'utf8').trim();
  assert.ok(fs.readFileSync(path.join(house, 'tests/requirements.txt'), 'utf8').split('\n').includes(pinned), `${pinned} is what was tried`);
});

test('in TypeScript, on nats.js', async () => {
  const folder = await proves('typed', 'typescript', {
    before: (folder) => fs.symlinkSync(path.join(house, 'tests/node_modules'), path.join(folder, 'node_modules')),
    args: ['-o', 'node_modules'],
  });
  await getsAlong('typed', folder, process.execPath, ['dist/main.js'], nats.url);
  await asksGitHub(folder, 'main.ts', "await work.progress(1, 1, 'seen');", `const { body } = await work.github('GET', 'labels');
  await work.progress(1, 1, \`\${body.length} labels\`);`, ['-o', 'node_modules']);
  const wanted = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const have = JSON.parse(fs.readFileSync(path.join(house, 'tests/package.json'), 'utf8')).devDependencies;
  for (const [name, version] of Object.entries({ ...wanted.dependencies, ...wanted.devDependencies })) assert.equal(have[name], version, `${name} is what was tried`);
});

let go;
try {
  go = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim();
} catch { /* said below */ }
if (/go1\.(2[3-9]|[3-9]\d)/.test(go ?? '')) {
  test('in Go, on nats.go', async () => {
    const folder = await proves('gopher', 'go');
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
  });
} else {
  console.log(`# Go 1.23 or later is not installed (${go ?? 'no go'}): the template in Go is not tried here`);
}

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
