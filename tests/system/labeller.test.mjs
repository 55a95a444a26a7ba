// The labeller, an example that writes on GitHub without a secret of its own: labels follow what a pull request changes,
// people's own stay, and it does nothing twice.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { sign } from '@octokit/webhooks-methods';
import { bin, house, House, Program, until } from './harness.mjs';

const run = promisify(execFile);
const rules = path.join(house, 'examples/labeller/rules.json');
let h;
let hook;

function start(name, env) {
  const { PATH, ASAN_OPTIONS = '', UBSAN_OPTIONS = '', LSAN_OPTIONS = '' } = process.env;
  const settings = { PATH, ASAN_OPTIONS, UBSAN_OPTIONS, LSAN_OPTIONS, NATS_URL: h.natsUrl, HEALTH_PORT: '0', RULES: rules, ...env };
  const child = spawn(path.join(bin, 'labeller'), [], { env: settings, stdio: ['ignore', 'pipe', 'pipe'] });
  const program = new Program(name, child, path.join(h.dir, `${name}.log`));
  h.programs.set(name, program);
  return program;
}

before(async () => {
  h = await House.start({ programs: ['edge', 'scanner'] });
  const { json, status, text } = await h.install('acme/shop');
  assert.equal(status, 200, text);
  const [row] = await h.rows('select repo_id, webhook_id from installations where id = $1', [json.installation_id]);
  const { secret } = (await h.hooks()).find(({ id }) => id === Number(row.webhook_id));
  hook = { id: row.webhook_id, repoId: Number(row.repo_id), secret };
  await start('labeller', {}).line(/subscriber started/);
});
after(() => h?.stop());

/** Makes refs/pull/N/head of main with these files changed. */
async function head(number, files) {
  const git = (...args) => run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: h.repository });
  await git('checkout', '-q', '--detach', 'main');
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(h.repository, name)), { recursive: true });
    fs.writeFileSync(path.join(h.repository, name), content);
  }
  await git('add', '-A');
  await git('commit', '-q', '-m', `pull ${number}`);
  await git('update-ref', `refs/pull/${number}/head`, 'HEAD');
  await git('checkout', '-q', 'main');
}

async function deliver(number, { action = 'opened', body = '' } = {}) {
  const payload = JSON.stringify({ action, number, pull_request: { number, body }, repository: { id: hook.repoId, full_name: 'acme/shop' } });
  const { status, text } = await h.request('POST', '/api/v1/webhooks/github', {
    token: null, body: payload,
    headers: {
      'content-type': 'application/json', 'x-github-event': 'pull_request', 'x-github-delivery': randomUUID(), 'x-github-hook-id': String(hook.id),
      'x-github-hook-installation-target-id': String(hook.repoId), 'x-hub-signature-256': await sign(hook.secret, payload),
    },
  });
  assert.equal(status, 200, text);
}

async function github(method, number, rest = '', body = undefined) {
  const response = await fetch(`${h.githubUrl}/repos/acme/shop/issues/${number}/labels${rest}`, {
    method, body: body && JSON.stringify(body), headers: { authorization: 'Bearer token-alice', 'user-agent': 'a-person' },
  });
  assert.equal(response.status, 200);
  return (await response.json()).map(({ name }) => name).sort();
}
const labels = (number) => github('GET', number);
const untilLabels = (number, wanted) => until(`labels ${wanted}`, async () => JSON.stringify(await labels(number)) === JSON.stringify(wanted));

/** What the labeller has written on GitHub. */
const writes = async () => (await h.control('GET', '/requests')).filter(({ method, path: at }) => method !== 'GET' && at.includes('/labels')).map(({ method, path: at }) => `${method} ${at}`);

async function settled() {
  await until('the outbox is drained', async () => (await h.rows('select 1 from outbox where published_at is null limit 1')).length === 0);
  const nats = await connect({ servers: h.natsUrl });
  try {
    const { consumers } = await jetstreamManager(nats);
    await until('the labeller is done', async () => {
      const info = await consumers.info('REPOBUS', 'labeller');
      return info.num_pending === 0 && info.num_ack_pending === 0;
    });
  } finally {
    await nats.close();
  }
}

test('size and areas come and go with the changes, and what people put there stays', async () => {
  await head(1, { 'docs/use.txt': 'one\n' });
  await deliver(1);
  await untilLabels(1, ['area/docs', 'size/S']);
  await github('POST', 1, '', { labels: ['bug', 'area/billing', 'size/huge'] });
  await head(1, { 'tests/cart.js': 'x\n'.repeat(150), 'README.md': 'better\n' });
  await deliver(1, { action: 'synchronize' });
  const now = ['area/billing', 'area/docs', 'area/tests', 'bug', 'size/L', 'size/huge'];
  await untilLabels(1, now);
  // Once more: there is nothing to write. One without an interest of ours: nothing either.
  await settled();
  await deliver(1, { action: 'edited' });
  await settled();
  await h.control('DELETE', '/requests');
  await deliver(1, { action: 'reopened' });
  await settled();
  const read = (await h.control('GET', '/requests')).filter(({ method }) => method === 'GET');
  assert.deepEqual(read.map(({ status }) => status), [304, 304], 'what was read before costs nothing');
  await head(1, { 'LICENSE': 'x\n' });
  await deliver(1, { action: 'assigned' });
  await settled();
  assert.deepEqual(await labels(1), now);
  assert.deepEqual(await writes(), []);
  await deliver(1, { action: 'edited' });
  await untilLabels(1, ['area/billing', 'bug', 'size/S', 'size/huge']);
});

test('a payload that is too large for an event is read all the same, and GitHub in trouble is asked again', async () => {
  await head(2, { 'src/big.js': 'y\n'.repeat(600) });
  await h.fault({ path: '/repos/acme/shop/issues/2/labels', method: 'POST', kind: 'status', status: 502, count: 1 });
  await deliver(2, { body: 'long '.repeat(20_000) });
  await untilLabels(2, ['size/XL']);
  await settled();
  const [row] = await h.rows("select count(*)::int as dead from runs where state = 'failed'");
  assert.equal(row.dead, 0);
});

test('a pull request that is gone ends well', async () => {
  await deliver(77);
  await settled();
  assert.ok(!h.get('labeller').lines.some((line) => /given up|panic/.test(line)), h.get('labeller').tail());
});

test('rules that are wrong are refused with their reason at the start', async () => {
  for (const [content, reason] of [['{', /line 1/], ['{"sizes": {"S": 5, "M": 5, "L": 6}, "areas": {}}', /sizes\.M/], ['{"sizes": {"S": 1, "M": 2, "L": 3}, "areas": {"a": []}}', /areas\.a/]]) {
    const file = path.join(h.dir, 'rules.json');
    fs.writeFileSync(file, content);
    const program = start('labeller-wrong', { RULES: file });
    const [code] = await program.exited;
    assert.equal(code, 1);
    assert.match(program.tail(), reason);
  }
});
