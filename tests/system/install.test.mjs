// The contract of POST /api/v1/repos/{owner}/{repo}/install, byte for byte, with the hook as GitHub received it and
// the record as PostgreSQL holds it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { House, jwt, until } from './harness.mjs';

let h;
before(async () => { h = await House.start({ programs: ['edge'] }); });
after(() => h?.stop());
beforeEach(async () => {
  await h.control('DELETE', '/faults');
  await h.control('DELETE', '/requests');
});

async function forget() {
  // A clean slate without restarting anything: what the tests of this file made.
  await h.rows("delete from runs; delete from outbox; delete from installations");
  for (const hook of await h.hooks()) {
    await fetch(`${h.githubUrl}/repos/acme/shop/hooks/${hook.id}`, { method: 'DELETE', headers: { authorization: 'Bearer token-alice', 'user-agent': 'test' } });
  }
  await h.control('DELETE', '/requests');
}

const unauthorized = '{"detail":"Unauthorized"}';
const now = () => Math.floor(Date.now() / 1000);

test('200: connected, the hook as GitHub received it, the record, the event', async () => {
  await forget();
  const answer = await h.install();
  const [row] = await h.rows('select * from installations');
  assert.equal(answer.status, 200);
  assert.equal(answer.text, `{"status":"connected","installation_id":${row.id},"repo":"acme/shop"}`);
  assert.match(answer.headers.get('content-type'), /^application\/json/);

  const made = (await h.control('GET', '/requests')).filter((r) => r.method === 'POST' && r.path.endsWith('/hooks'));
  assert.equal(made.length, 1);
  const body = typeof made[0].body === 'string' ? JSON.parse(made[0].body) : made[0].body;
  assert.deepEqual({ ...body, config: { ...body.config, secret: null } }, {
    name: 'web', active: true, events: ['pull_request', 'issues'],
    config: { url: 'https://repobus.example.com/api/v1/webhooks/github', content_type: 'json', insecure_ssl: '0', secret: null },
  });
  assert.match(body.config.secret, /^[0-9a-f]{64}$/);

  const [hook] = await h.hooks();
  assert.equal(Number(row.webhook_id), hook.id);
  assert.equal(row.repo_full_name, 'acme/shop');
  assert.equal(row.is_active, true);
  assert.equal(row.state, 'active');
  assert.ok(!row.webhook_secret.includes(Buffer.from(body.config.secret)), 'the secret is sealed at rest');

  const [event] = await h.rows('select * from outbox');
  assert.equal(event.subject, 'repo.connected');
  const data = JSON.parse(event.body).data;
  assert.equal(data.installation_id, Number(row.id));
  assert.equal(data.generation, Number(row.generation));
  assert.equal(data.repo, 'acme/shop');
  assert.equal(data.owner, 'acme');
  assert.equal(data.name, 'shop');
  assert.equal(data.repo_id, Number(row.repo_id));
  assert.equal(data.user_id, Number(row.user_id));
  assert.equal(data.webhook_id, hook.id);
  assert.equal(data.default_branch, 'main');
  assert.ok(!event.body.includes(body.config.secret) && !event.body.includes('token-alice'), 'no secret in the event');
});

test('400: already connected, whatever the case of the name, and GitHub is not asked', async () => {
  await forget();
  assert.equal((await h.install()).status, 200);
  await h.control('DELETE', '/requests');
  for (const name of ['acme/shop', 'ACME/Shop']) {
    const answer = await h.install(name);
    assert.equal(answer.status, 400);
    assert.equal(answer.text, '{"detail":"Repo already connected"}');
  }
  assert.deepEqual((await h.control('GET', '/requests')).filter((r) => r.path.startsWith('/repos')), []);
});

test('401 Unauthorized: every token that is not ours, valid and alive', async () => {
  await forget();
  const sub = String((await h.rows("select id from users where login = 'alice'"))[0].id);
  const exp = now() + 3600;
  const key = h.secretKey;
  const bad = {
    missing: null,
    empty: '',
    garbage: 'abc',
    'three dots': 'a.b.c',
    expired: jwt({ sub, exp: now() - 1 }, key),
    'without exp': jwt({ sub }, key),
    'exp as text': jwt({ sub, exp: String(exp) }, key),
    'not yet valid': jwt({ sub, exp, nbf: now() + 1000 }, key),
    'wrong key': jwt({ sub, exp }, randomBytes(32).toString('hex')),
    'HS512 named': jwt({ sub, exp }, key, { alg: 'HS512', typ: 'JWT' }),
    'alg none': `${jwt({ sub, exp }, key, { alg: 'none', typ: 'JWT' }).split('.').slice(0, 2).join('.')}.`,
    'alg NoNe': `${jwt({ sub, exp }, key, { alg: 'NoNe', typ: 'JWT' }).split('.').slice(0, 2).join('.')}.`,
    'unknown user': jwt({ sub: '999999', exp }, key),
    'sub not a number': jwt({ sub: 'alice', exp }, key),
    'sub beyond 64 bits': jwt({ sub: '99999999999999999999', exp }, key),
    'without sub': jwt({ exp }, key),
    huge: jwt({ sub, exp, pad: 'x'.repeat(6000) }, key),
  };
  for (const [name, token] of Object.entries(bad)) {
    const answer = await h.install('acme/shop', { token });
    assert.equal(answer.status, 401, name);
    assert.equal(answer.text, unauthorized, name);
  }
  assert.equal((await h.install('acme/shop', { token: null, headers: { authorization: 'Basic YTpi' } })).text, unauthorized);
  assert.deepEqual(await h.rows('select * from installations'), []);
});

test('a token made by any other service that shares the key works', async () => {
  await forget();
  const sub = String((await h.rows("select id from users where login = 'alice'"))[0].id);
  const answer = await h.install('acme/shop', { token: jwt({ sub, exp: now() + 60 }, h.secretKey) });
  assert.equal(answer.status, 200, answer.text);
});

test('401 Session expired: the stored token does not open', async () => {
  await forget();
  const eve = await h.token('eve', { oauth: 'x', args: ['--offline'] });
  await h.rows("update users set token_sealed = set_byte(token_sealed, 40, get_byte(token_sealed, 40) # 1) where login = 'eve'");
  const answer = await h.install('acme/shop', { token: eve });
  assert.equal(answer.status, 401);
  assert.equal(answer.text, '{"detail":"Session expired — please log out and sign in again."}');
  await h.rows("update users set token_sealed = null where login = 'eve'");
  assert.equal((await h.install('acme/shop', { token: eve })).text, '{"detail":"Session expired — please log out and sign in again."}');
  assert.deepEqual(await h.rows('select * from installations'), []);
});

test('a sealed token that was moved to another row does not open', async () => {
  await forget();
  const mallory = await h.token('mallory', { oauth: 'y', args: ['--offline'] });
  await h.rows("update users set token_sealed = (select token_sealed from users where login = 'alice') where login = 'mallory'");
  const answer = await h.install('acme/shop', { token: mallory });
  assert.equal(answer.text, '{"detail":"Session expired — please log out and sign in again."}');
});

test('502: no admin rights', async () => {
  await forget();
  const bob = await h.token('bob');
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login: 'bob', permission: 'write' });
  const answer = await h.install('acme/shop', { token: bob });
  assert.equal(answer.status, 502);
  assert.match(answer.json.detail, /^Failed to install webhook: .*admin/);
  assert.deepEqual(await h.rows('select * from installations'), []);
});

test('502: not found or no permission', async () => {
  await forget();
  const answer = await h.install('acme/nothing');
  assert.equal(answer.status, 502);
  assert.match(answer.json.detail, /^Failed to install webhook: .*not found/);
  assert.match(answer.json.detail, /permission/);
  assert.deepEqual(await h.rows('select * from installations'), []);
});

test('502: the repo scope is missing', async () => {
  await forget();
  await h.control('POST', '/users', { login: 'carol', token: 'token-carol', scopes: 'read:user' });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login: 'carol', permission: 'admin' });
  const carol = await h.token('carol');
  const answer = await h.install('acme/shop', { token: carol });
  assert.equal(answer.status, 502);
  assert.match(answer.json.detail, /^Failed to install webhook: .*`?repo`? scope/);
  assert.deepEqual(await h.rows('select * from installations'), []);
});

test('502: GitHub no longer accepts the token', async () => {
  await forget();
  await h.fault({ path: '/repos/acme/shop', kind: 'status', status: 401, body: { message: 'Bad credentials', documentation_url: 'https://docs.github.com/rest' } });
  const answer = await h.install();
  assert.equal(answer.status, 502);
  assert.match(answer.json.detail, /^Failed to install webhook: /);
  assert.match(answer.json.detail, /sign in/);
});

test('502: rate limited until when', async () => {
  await forget();
  // A person of her own: a token that was limited is left alone until then.
  await h.control('POST', '/users', { login: 'rita', token: 'token-rita', scopes: 'repo' });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login: 'rita', permission: 'admin' });
  const rita = await h.token('rita');
  await h.fault({ path: '/repos/acme/shop', kind: 'rate-limit', seconds: 1800 });
  const answer = await h.install('acme/shop', { token: rita });
  assert.equal(answer.status, 502);
  const until = /^Failed to install webhook: .*rate limit.* (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/.exec(answer.json.detail)?.[1];
  assert.ok(until, answer.text);
  assert.ok(Math.abs(Date.parse(until) - Date.now() - 1_800_000) < 60_000, until);
});

test('409: the same connect is still under way', async () => {
  await forget();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'latency', ms: 1500 });
  const first = h.install();
  await until('reserved', async () => (await h.rows("select 1 from installations where state = 'reserved'")).length === 1);
  const second = await h.install();
  assert.equal(second.status, 409);
  assert.equal(second.text, '{"detail":"Repo is being connected"}');
  assert.equal((await first).status, 200);
});

test('a client that hangs up half way changes nothing about what is written', async () => {
  await forget();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'latency', ms: 500 });
  const controller = new AbortController();
  const gone = fetch(`${h.url}/api/v1/repos/acme/shop/install`, { method: 'POST', headers: { authorization: `Bearer ${h.alice}` }, signal: controller.signal }).catch((error) => error.name);
  await until('reserved', async () => (await h.rows("select 1 from installations where state = 'reserved'")).length === 1);
  controller.abort();
  assert.equal(await gone, 'AbortError');
  await until('active', async () => (await h.rows("select 1 from installations where state = 'active'")).length === 1);
  assert.equal((await h.hooks()).length, 1);
  assert.equal((await h.rows('select 1 from outbox')).length, 1);
});

test('50 simultaneous installs of one repository leave one hook, one installation, one event', async () => {
  await forget();
  const answers = await Promise.all(Array.from({ length: 50 }, () => h.install()));
  const count = (status) => answers.filter((a) => a.status === status).length;
  assert.equal(count(200), 1);
  assert.equal(count(200) + count(400) + count(409), 50, JSON.stringify(answers.map((a) => a.status)));
  assert.equal((await h.hooks()).length, 1);
  assert.equal((await h.rows('select 1 from installations')).length, 1);
  assert.equal((await h.rows('select 1 from outbox')).length, 1);
});

test('a second person shares the hook, with the same secret sealed anew', async () => {
  await forget();
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login: 'bob', permission: 'admin' });
  const bob = await h.token('bob');
  assert.equal((await h.install()).status, 200);
  const answer = await h.install('acme/shop', { token: bob });
  assert.equal(answer.status, 200, answer.text);
  const rows = await h.rows('select * from installations order by id');
  assert.equal(rows.length, 2);
  assert.equal(rows[0].webhook_id, rows[1].webhook_id);
  assert.notDeepEqual(rows[0].webhook_secret, rows[1].webhook_secret);
  assert.ok(Number(rows[1].generation) > Number(rows[0].generation), 'generations can be compared across installations');
  assert.equal((await h.hooks()).length, 1);
});

test('a hook of ours whose secret nobody holds is adopted with a new secret', async () => {
  await forget();
  await h.control('POST', '/hooks/acme/shop', { url: 'https://repobus.example.com/api/v1/webhooks/github', secret: 'forgotten' });
  const [old] = await h.hooks();
  const answer = await h.install();
  assert.equal(answer.status, 200, answer.text);
  const hooks = await h.hooks();
  assert.equal(hooks.length, 1);
  assert.equal(hooks[0].id, old.id);
  assert.match(hooks[0].secret ?? hooks[0].config.secret, /^[0-9a-f]{64}$/);
});

test('SIGTERM in the middle of an install lets it finish', async () => {
  await forget();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'latency', ms: 800 });
  const answer = h.install();
  await until('reserved', async () => (await h.rows("select 1 from installations where state = 'reserved'")).length === 1);
  const stopped = h.get('edge').stop();
  assert.equal((await answer).status, 200);
  await stopped;
  await h.launch('edge');
});
