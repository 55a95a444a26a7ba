// make run, as a stranger sees it: from an empty .run/ to a repository that is scanned and graphed, and again with
// the data of before.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { freePort, house, makeRepository, shop } from './harness.mjs';

let dir, port;
before(async () => {
  port = await freePort();
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-run-'));
  fs.chmodSync(dir, 0o755);
  await makeRepository(path.join(dir, 'my shop'), shop);
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

function makeRun(env, args = []) {
  const clean = { ...process.env, RUN_DIR: path.join(dir, 'state'), REPO: path.join(dir, 'my shop'), PORT: String(port), ...env };
  for (const name of ['DATABASE_URL', 'NATS_URL', 'NEO4J_URI', 'SECRET_KEY', 'MAKEFLAGS', 'MAKELEVEL']) delete clean[name];
  const child = spawn(path.join(house, 'deploy/run'), args, { env: clean, stdio: ['ignore', 'pipe', 'pipe'] });
  const result = { child, text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { result.text += data; });
  result.exited = once(child, 'close'); // when all of its text has been read, too
  return result;
}

test('from nothing to scanned and graphed', async () => {
  // Programs say where they listen however little they log otherwise.
  const run = makeRun({ ONCE: '1', LOG_LEVEL: 'error' });
  const [code] = await run.exited;
  assert.equal(code, 0, run.text);
  assert.match(run.text, /demo\/my-shop/);
  assert.match(run.text, /JavaScript/);
  assert.match(run.text, /\b7 files\b/);
  assert.match(run.text, /http:\/\/127\.0\.0\.1:\d+\/readyz/);
  for (const name of ['edge', 'scanner', 'grapher', 'github']) assert.ok(!fs.existsSync(path.join(dir, 'state', `${name}.pid`)), `${name} is stopped`);
});

test('again, with the data of before, until Ctrl-C', async () => {
  const run = makeRun({});
  await new Promise((resolve, reject) => {
    run.child.stdout.on('data', () => /Ctrl-C stops/.test(run.text) && resolve());
    run.exited.then(() => reject(new Error(run.text)));
  });
  const env = fs.readFileSync(path.join(dir, 'state/client.env'), 'utf8');
  const [, url, token] = /REPOBUS_URL=(\S+)\nexport REPOBUS_TOKEN=(\S+)/.exec(env);
  const answer = await (await fetch(`${url}/api/v1/repos`, { headers: { authorization: `Bearer ${token}` } })).json();
  assert.deepEqual(answer.repos.map((repo) => repo.state), ['active'], 'the installation of before');
  // The README's own subscriber, started as it says.
  const hello = spawn('bash', ['-c', '. "$0" && exec build/bin/hello-subscriber', path.join(dir, 'state/client.env')], { cwd: house, stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(hello.stdout, 'data');
  assert.equal(String(line), 'hello, demo/my-shop\n');
  // What operates the bus finds all it needs there too.
  const replayed = spawnSync('bash', ['-c', '. "$0" && build/bin/repobus replay --subscriber=hello', path.join(dir, 'state/client.env')], { cwd: house, encoding: 'utf8' });
  assert.equal(replayed.stdout, '1 installation told to hello\n', replayed.stderr);
  hello.kill('SIGTERM');
  await once(hello, 'exit');
  run.child.kill('SIGINT');
  const [code] = await run.exited;
  assert.equal(code, 0, run.text);
  await assert.rejects(fetch(`${url}/healthz`), 'everything is stopped');
});

test('a folder that is no repository is told so', async () => {
  const run = makeRun({ REPO: os.tmpdir() });
  const [code] = await run.exited;
  assert.notEqual(code, 0);
  assert.match(run.text, /is not a git repository/);
});

test('GitHub without BACKEND_URL is told what is missing', async () => {
  const run = makeRun({ REPO: 'acme/shop', GITHUB_TOKEN: 'x', BACKEND_URL: '' });
  const [code] = await run.exited;
  assert.notEqual(code, 0);
  assert.match(run.text, /BACKEND_URL/);
});
