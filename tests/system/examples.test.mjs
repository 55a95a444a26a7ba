// The worked examples do what their README says, on a real nats-server: people start from them.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';
import { bin, house, Program, until } from './harness.mjs';
import { connected, event, Nats } from './nats.mjs';

let nats;
const programs = [];
before(async () => { nats = await Nats.start(); });
afterEach(async () => {
  for (const program of programs.splice(0)) if (program.isRunning) await program.kill();
});
after(() => nats?.stop());

function start(name, command, args, env) {
  const { PATH, ASAN_OPTIONS = '', UBSAN_OPTIONS = '', LSAN_OPTIONS = '' } = process.env;
  const child = spawn(command, args, { env: { PATH, ASAN_OPTIONS, UBSAN_OPTIONS, LSAN_OPTIONS, NATS_URL: nats.url, HEALTH_PORT: '0', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const program = new Program(name, child, path.join(nats.dir, `${name}.log`));
  programs.push(program);
  return program;
}

test('notifier: each event is posted once, what fails is tried again, what is refused is given up', async () => {
  const posts = [];
  const answers = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    posts.push({ path: request.url, type: request.headers['content-type'], ...JSON.parse(body) });
    response.writeHead(answers.shift() ?? 200).end('ok');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const notifier = start('notifier', path.join(bin, 'notifier'), [], { WEBHOOK_URL: `http://127.0.0.1:${server.address().port}/services/secret-path` });
  try {
    await notifier.line(/subscriber started/);
    await nats.untilStreams();
    const told = async (count) => (await until(`${count} posts`, () => posts.length >= count && posts)).slice(count - 1);
    const first = connected({ repo: 'acme/shop' });
    await nats.publish(first);
    assert.deepEqual(await told(1), [{ path: '/services/secret-path', type: 'application/json', text: 'acme/shop is connected' }]);

    answers.push(503); // tried again
    await nats.publish(event('repo.scanned', { installation_id: 1, generation: 1, repo_id: 11, repo: 'acme/shop', commit: 'abc', profile: { summary: 'Python "and" more' } }));
    assert.deepEqual((await told(3)).map((post) => post.text), ['acme/shop is scanned: Python "and" more']);

    await nats.js.publish('repo.connected', JSON.stringify(first)); // the same event again, which the stream did not recognise
    answers.push(404);
    await nats.publish(event('repo.unhealthy', { installation_id: 1, generation: 1, repo_id: 11, repo: 'acme/shop', user_id: 7, health: 'hook_missing', reason: 'its webhook was removed' }));
    assert.deepEqual((await told(4)).map((post) => post.text), ['acme/shop has a problem: its webhook was removed']);
    const letter = await until('the dead letter', () => nats.last('DEAD', 'dead.notifier.repo.unhealthy'));
    assert.match(letter.reason, /refuses the message with 404/);
    await until('all is answered', async () => {
      const info = await nats.jsm.consumers.info('REPOBUS', 'notifier');
      return info.num_pending === 0 && info.num_ack_pending === 0;
    });
    const failed = { installation_id: 1, generation: 1, repo_id: 11, repo: 'acme/shop', event: first.id, attempts: 8, error: 'GitHub answers 502' };
    await nats.publish(event('repo.failed', { ...failed, subscriber: 'notifier' }));
    await nats.publish(event('repo.failed', { ...failed, subscriber: 'scanner' }));
    assert.deepEqual((await told(5)).map((post) => post.text), ['acme/shop has failed: the scanner gave up after 8 attempts: GitHub answers 502'], 'of its own failures it says nothing');
    assert.equal(posts.length, 5, 'the event that came twice was posted once');
    await notifier.stop();
    assert.ok(!notifier.lines.some((line) => line.includes('secret-path')), 'the address is a secret');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('notifier: says what is missing', async () => {
  const notifier = start('notifier-without', path.join(bin, 'notifier'), [], {});
  const [code] = await notifier.exited;
  assert.equal(code, 1);
  assert.match(notifier.tail(), /WEBHOOK_URL is missing/);
});

test('metrics exporter: counts what happens and shows who is behind', async () => {
  const venv = (await promisify(execFile)(path.join(house, 'tests/venv'), [])).stdout.trim();
  const folder = path.join(house, 'examples/metrics-exporter');
  const tried = fs.readFileSync(path.join(house, 'tests/requirements.txt'), 'utf8').split('\n');
  for (const line of fs.readFileSync(path.join(folder, 'requirements.txt'), 'utf8').trim().split('\n')) assert.ok(tried.includes(line), `${line} is what was tried`);
  const exporter = start('exporter', path.join(venv, 'bin/python3'), [path.join(folder, 'exporter.py')], { PORT: '0', EVERY_SECONDS: '0.1' });
  const url = /listening=(\S+)/.exec(await exporter.line(/listening=/))[1];
  // A subscriber that takes nothing is behind by what there is.
  await nats.jsm.consumers.add('REPOBUS', { durable_name: 'lazy', ack_policy: 'explicit', filter_subject: 'github.>' });
  await nats.publish(connected({ repo: 'acme/metrics' }));
  await nats.publish(event('github.issues', { installation_ids: [1], repo_id: 11, repo: 'acme/shop' }));
  await nats.js.publish('repo.invented', '{}');
  await nats.js.publish('run.1.tester', JSON.stringify({ state: 'done' }));
  await nats.js.publish('dead.tester.repo.connected', '{}');
  for (const line of ['repobus_bus_events_total{subject="repo.connected"} 1.0', 'repobus_bus_events_total{subject="other"} 1.0', 'repobus_bus_runs_total{state="done",subscriber="tester"} 1.0',
    'repobus_bus_dead_letters_total{subscriber="tester"} 1.0', 'repobus_bus_waiting{subscriber="lazy"} 1.0', 'repobus_bus_up 1.0']) {
    await until(line, async () => (await (await fetch(url)).text()).split('\n').includes(line));
  }
  await exporter.stop();
});
