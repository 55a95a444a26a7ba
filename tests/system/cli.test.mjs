// The command line, as a person and as a script use it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { House } from './harness.mjs';

let h;
before(async () => { h = await House.start(); });
after(() => h?.stop());

test('--help says all there is', async () => {
  const { code, stdout } = await h.cli(['--help']);
  assert.equal(code, 0);
  for (const word of ['connect', 'status', 'list', 'watch', 'token', 'REPOBUS_URL', 'REPOBUS_TOKEN', 'exit']) assert.match(stdout.toLowerCase(), new RegExp(word.toLowerCase()));
});

test('connect shows progress in plain lines and what the repository is', async () => {
  const { code, stdout, stderr } = await h.cli(['connect', 'acme/shop']);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /scanner/);
  assert.match(stdout, /grapher/);
  assert.match(stdout, /JavaScript/);
  assert.match(stdout, /\b7 files\b/);
  assert.ok(!stdout.includes('\x1b'), 'no terminal sequences where there is no terminal');
});

test('connect again: exit code 4; --if-needed goes on', async () => {
  const again = await h.cli(['connect', 'acme/shop']);
  assert.equal(again.code, 4);
  assert.match(again.stderr, /already connected/i);
  assert.equal((await h.cli(['connect', '--if-needed', 'acme/shop'])).code, 0);
});

test('status and list, for people and as JSON', async () => {
  assert.match((await h.cli(['status', 'acme/shop'])).stdout, /acme\/shop/);
  assert.match((await h.cli(['list'])).stdout, /acme\/shop/);
  const list = JSON.parse((await h.cli(['list', '--json'])).stdout);
  assert.equal((list.repos ?? list)[0].repo, 'acme/shop');
  const status = JSON.parse((await h.cli(['status', '--json', 'acme/shop'])).stdout);
  assert.equal(status.repo, 'acme/shop');
  assert.equal(status.runs.length, 2);
  const lines = (await h.cli(['watch', '--json', 'acme/shop'])).stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(lines.length >= 1);
});

test('exit codes tell failures apart', async () => {
  assert.equal((await h.cli(['nonsense'])).code, 2);
  assert.equal((await h.cli(['connect', 'no-slash'])).code, 2);
  assert.equal((await h.cli(['list'], { REPOBUS_TOKEN: 'abc' })).code, 3);
  assert.equal((await h.cli(['connect', 'acme/nothing'])).code, 5);
  assert.equal((await h.cli(['list'], { REPOBUS_URL: 'http://127.0.0.1:1' })).code, 6);
});

test('token prints the JWT alone, and never takes the OAuth token as an argument', async () => {
  const { stdout } = await h.cli(['token', '--login', 'bob'], { GITHUB_TOKEN: 'token-bob' });
  assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  await assert.rejects(h.cli(['token', '--login', 'alice'], { GITHUB_TOKEN: 'token-bob' }), /bob/, 'the login must be the token\'s');
  await assert.rejects(h.cli(['token', '--login', 'bob'], { GITHUB_TOKEN: 'wrong-token' }), (error) => !error.message.includes('wrong-token'));
  const [row] = await h.rows("select * from users where login = 'bob'");
  assert.ok(row.github_id > 0);
  assert.ok(!row.token_sealed.includes(Buffer.from('token-bob')));
  assert.match((await h.cli(['token', '--login', 'offline-person', '--offline'], { GITHUB_TOKEN: 'x' })).stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
});
