// The contract of POST /api/v1/repos/{owner}/{repo}/install, byte for byte, with the hook as GitHub received it and
// the record as PostgreSQL holds it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
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
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.equal(answer.headers.get('content-length'), String(answer.text.length));

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

test('what no installation can be the database refuses', async () => {
  await forget();
  await h.install();
  for (const change of ["repo_full_name = 'shop'", "repo_full_name = 'acme/' || repeat('x', 160)", "state = 'other'", 'webhook_id = null', 'repo_id = null', 'connected_at = null',
    'reserved_until = now()', "state = 'reserved'", "state = 'disconnected', leaving_until = now()", "health = 'other'"]) {
    await assert.rejects(h.rows(`update installations set ${change}`), /installations_sound/, change);
  }
  assert.equal((await h.rows('update installations set leaving_until = now() returning 1')).length, 1);
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
    'signature cut off': jwt({ sub, exp }, key).slice(0, -2),
    'signature empty': jwt({ sub, exp }, key).replace(/[^.]*$/, ''),
    'a part too many': `${jwt({ sub, exp }, key)}.x`,
    'payload no object': jwt([sub, exp], key),
    'not base64': `${jwt({ sub, exp }, key).split('.')[0]}.!!!.###`,
    'a space within': jwt({ sub, exp }, key).replace('.', '. '),
    'sub zero': jwt({ sub: '0', exp }, key),
    'sub negative': jwt({ sub: `-${sub}`, exp }, key),
    'sub with a tail': jwt({ sub: `${sub}x`, exp }, key),
    huge: jwt({ sub, exp, pad: 'x'.repeat(6000) }, key),
  };
  for (const [name, token] of Object.entries(bad)) {
    // Before anything else is said: a name that breaks the rules does not change the answer.
    for (const repo of ['acme/shop', '-acme/shop']) {
      const answer = await h.install(repo, { token });
      if (name === 'unknown user' && repo !== 'acme/shop') continue; // told by the database, after the name
      assert.equal(answer.status, 401, name);
      assert.equal(answer.text, unauthorized, name);
      assert.equal(answer.headers.get('content-type'), 'application/json');
    }
    for (const path of ['/api/v1/repos', '/api/v1/repos?connected=true', '/api/v1/repos/acme/shop', '/api/v1/repos/acme/shop/profile', '/api/v1/repos/acme/shop/events']) {
      assert.equal((await h.request('GET', path, { token })).text, unauthorized, `${name} ${path}`);
    }
    assert.equal((await h.request('DELETE', '/api/v1/repos/acme/shop/install', { token })).text, unauthorized, `${name} disconnect`);
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

// Each row: who asks for what, what GitHub does, and the whole answer.
const refusals = {
  'no admin rights': {
    login: 'wanda', permission: 'write', detail: 'you need admin rights on acme/shop to install webhooks',
  },
  'not found, or no permission': {
    repo: 'acme/nothing', detail: 'acme/nothing was not found, or you have no permission to manage its webhooks (admin rights are needed)',
  },
  'the repo scope is missing, as seen at the hook': {
    login: 'carol', scopes: 'read:user', permission: 'admin', detail: 'your token lacks the repo scope: sign in again and grant it',
  },
  'the repo scope is missing, as seen at the repository': {
    login: 'carol', scopes: 'read:user', permission: 'admin', repo: 'acme/hidden',
    detail: 'your token lacks the repo scope: sign in again and grant it',
  },
  'hooks are refused': {
    fault: { method: 'POST', kind: 'status', status: 403, body: { message: 'Must have admin rights to Repository.' } }, detail: 'you need admin rights on acme/shop',
  },
  'archived': {
    fault: { method: 'POST', kind: 'status', status: 403, body: { message: 'Repository was archived so is read-only.' } },
    detail: 'acme/shop is archived: make it writable on GitHub first',
  },
  'as many hooks as there may be': {
    fault: { method: 'POST', kind: 'status', status: 422, body: { message: 'Validation Failed', errors: [{ message: 'The "push" event cannot have more than 20 hooks' }] } },
    detail: 'acme/shop has as many webhooks as GitHub allows: remove one first',
  },
  'the token is no longer accepted': {
    fault: { kind: 'status', status: 401, body: { message: 'Bad credentials' } }, detail: 'GitHub no longer accepts your token: log out and sign in again',
  },
  'GitHub is down': {
    fault: { method: 'GET', kind: 'status', status: 503 }, detail: 'GitHub is unavailable (HTTP 503): try again in a moment',
  },
  'a hook of ours that is hidden from us': {
    fault: { method: 'POST', kind: 'status', status: 422, body: { message: 'Validation Failed', errors: [{ message: 'Hook already exists on this repository' }] } },
    detail: "a webhook with our address exists on acme/shop but is hidden from us, since it was made through another application: remove it in the repository's settings and try again",
  },
};
for (const [name, { login, scopes = 'repo', permission, fault, repo = 'acme/shop', detail }] of Object.entries(refusals)) {
  test(`502: ${name}`, async () => {
    await forget();
    let token = h.alice;
    if (login) {
      await h.control('POST', '/repos', { owner: 'acme', name: 'hidden', path: h.repository, private: true });
      await h.control('POST', '/users', { login, token: `token-${login}`, scopes });
      for (const name of ['shop', 'hidden']) await h.control('POST', '/permissions', { owner: 'acme', repo: name, login, permission });
      token = await h.token(login);
    }
    if (fault) await h.fault({ path: '/repos/acme/shop', ...fault });
    const answer = await h.install(repo, { token });
    assert.equal(answer.status, 502);
    assert.equal(answer.text, JSON.stringify({ detail: `Failed to install webhook: ${detail}` }));
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.deepEqual(await h.rows('select state from installations'), []);
    assert.deepEqual(await h.hooks(), []);
  });
}

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
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'hang' });
  const first = h.install();
  await until('reserved', async () => (await h.rows("select 1 from installations where state = 'reserved'")).length === 1);
  const second = await h.install();
  await h.control('DELETE', '/faults');
  assert.equal(second.status, 409);
  assert.equal(second.text, '{"detail":"Repo is being connected"}');
  assert.equal((await first).status, 200);
});

test('a client that hangs up half way changes nothing about what is written', async () => {
  await forget();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'hang' });
  const controller = new AbortController();
  const gone = fetch(`${h.url}/api/v1/repos/acme/shop/install`, { method: 'POST', headers: { authorization: `Bearer ${h.alice}` }, signal: controller.signal }).catch((error) => error.name);
  await until('reserved', async () => (await h.rows("select 1 from installations where state = 'reserved'")).length === 1);
  controller.abort();
  assert.equal(await gone, 'AbortError');
  await h.control('DELETE', '/faults');
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

/** The first `count` people who may connect acme/shop, by their tokens. */
async function people(count) {
  return Promise.all(Array.from({ length: count }, async (_, i) => {
    await h.control('POST', '/users', { login: `peer${i}`, token: `token-peer${i}`, scopes: 'repo' });
    await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login: `peer${i}`, permission: 'admin' });
    return h.token(`peer${i}`);
  }));
}

async function assertShared(count) {
  const hooks = await h.hooks();
  const rows = await h.rows('select state, webhook_id from installations');
  assert.equal(hooks.length, 1);
  assert.equal(rows.length, count);
  for (const row of rows) assert.deepEqual(row, { state: 'active', webhook_id: String(hooks[0].id) });
  assert.equal((await h.rows('select 1 from outbox')).length, count);
}

test('eight people connect one repository at once, over two edges: one hook, shared', async () => {
  await forget();
  const second = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  const tokens = await people(8);
  const answers = await Promise.all(tokens.map((token, i) => h.inTurn(() => h.install('acme/shop', { token, url: i % 2 ? second.url : h.url }))));
  assert.deepEqual(answers.map((a) => a.status), answers.map(() => 200), JSON.stringify(answers.map((a) => a.text)));
  await assertShared(8);
  await second.stop();
});

test('50 simultaneous installs by one person over two edges: one connects', async () => {
  await forget();
  const second = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => h.install(i % 3 ? 'acme/shop' : 'ACME/Shop', { url: i % 2 ? second.url : h.url })));
  assert.equal(answers.filter((a) => a.status === 200).length, 1, JSON.stringify(answers.map((a) => a.text)));
  for (const { status, text } of answers.filter((a) => a.status !== 200)) {
    assert.ok(text === '{"detail":"Repo already connected"}' ? status === 400 : text === '{"detail":"Repo is being connected"}' && status === 409, text);
  }
  await assertShared(1);
  await second.stop();
});

test('two people at once find a hook that nobody owns: one adopts it, the other shares it', async () => {
  await forget();
  await h.control('POST', '/hooks/acme/shop', { url: 'https://repobus.example.com/api/v1/webhooks/github', secret: 'forgotten' });
  const tokens = await people(2);
  const answers = await Promise.all(tokens.map((token) => h.inTurn(() => h.install('acme/shop', { token }))));
  assert.deepEqual(answers.map((a) => a.status), [200, 200], JSON.stringify(answers.map((a) => a.text)));
  await assertShared(2);
  const patches = (await h.control('GET', '/requests')).filter((r) => r.method === 'PATCH');
  assert.equal(patches.length, 1, 'a second new secret would make the first person deaf');
});

test('a renamed repository is the same repository', async () => {
  await forget();
  await h.control('POST', '/repos', { owner: 'acme', name: 'before', path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'before', login: 'alice', permission: 'admin' });
  assert.equal((await h.install('acme/before')).status, 200);
  await h.control('POST', '/repos/acme/before/rename', { owner: 'acme', name: 'after' });
  assert.equal((await h.install('acme/after')).text, '{"detail":"Repo already connected"}');
  assert.equal((await h.rows('select 1 from installations')).length, 1);
  await h.control('DELETE', '/repos/acme/after');
});

// An edge that stands still for longer than its reservation lasts, and others that go on meanwhile.
test('a flow that wakes up late does not touch the hook that somebody else has taken over', async () => {
  await forget();
  const slow = await h.launch('edge', { AS: 'slow', PORT: '0', RECONCILE_SECONDS: '3600' });
  await h.get('edge').stop();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'hang' });
  const late = h.install('acme/shop', { url: slow.url });
  await until('the hook is asked for', async () => (await h.control('GET', '/requests')).some((r) => r.method === 'POST' && r.path.endsWith('/hooks')));
  slow.child.kill('SIGSTOP');
  await h.control('DELETE', '/faults');
  await until('the hook exists', async () => (await h.hooks()).length === 1);
  await h.runOut('acme/shop');
  await h.launch('edge', { RECONCILE_SECONDS: '3600' });
  const [token] = await people(1);
  const answer = await h.install('acme/shop', { token });
  assert.equal(answer.status, 200, answer.text);
  await assertShared(1);
  slow.child.kill('SIGCONT');
  assert.equal((await late).text, '{"detail":"Failed to install webhook: it took too long: try again"}');
  await assertShared(1);
  await slow.stop();
  await h.get('edge').stop();
  await h.launch('edge');
});

test('a retry that fails still finds the hook that a crash left', async () => {
  await forget();
  await h.get('edge').stop();
  const edge = await h.launch('edge', { RECONCILE_SECONDS: '3600' });
  // The hook is made and the answer lost; the edge dies while it waits to look for it.
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'answer-lost' });
  await h.fault({ method: 'GET', path: '/repos/acme/shop/hooks', kind: 'hang', count: 0 });
  const cut = h.install().catch((error) => error);
  await until('the hook exists', async () => (await h.hooks()).length === 1);
  await edge.kill();
  await cut;
  await h.control('DELETE', '/faults');
  await h.runOut('acme/shop');
  await h.launch('edge', { RECONCILE_SECONDS: '3600' });
  // One that ends before the reservation leaves the crash's to the next; one that has taken its place cleans up.
  await h.fault({ method: 'GET', path: '/repos/acme/shop', kind: 'status', status: 503 });
  assert.equal((await h.install()).status, 502);
  assert.equal((await h.rows('select * from installations')).length, 1);
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'status', status: 403 });
  assert.equal((await h.install()).status, 502);
  assert.deepEqual(await h.hooks(), []);
  assert.deepEqual(await h.rows('select * from installations'), []);
  assert.equal((await h.install()).status, 200);
  await assertShared(1);
  await h.get('edge').stop();
  await h.launch('edge');
});

test('a client that hangs up at any step changes nothing about what is written', async () => {
  const steps = [{ method: 'GET', path: '/repos/acme/shop' }, { method: 'POST', path: '/repos/acme/shop/hooks' }];
  for (const step of steps) {
    for (const after of ['close', 'reset']) {
      await forget();
      await h.fault({ ...step, kind: 'hang' });
      const socket = net.connect(new URL(h.url).port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(`POST /api/v1/repos/acme/shop/install HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${h.alice}\r\n\r\n`);
      await until('asked', async () => (await h.control('GET', '/requests')).some((r) => r.method === step.method));
      if (after === 'close') socket.destroy();
      else socket.resetAndDestroy();
      await h.control('DELETE', '/faults');
      await until('active', async () => (await h.rows("select 1 from installations where state = 'active'")).length === 1);
      await assertShared(1);
    }
  }
  assert.ok(h.get('edge').isRunning);
});

test('the relay is woken by the commit, not by its clock', async () => {
  const { connect } = await import('@nats-io/transport-node');
  const nats = await connect({ servers: h.natsUrl });
  const waits = [];
  for (let i = 0; i < 5; i++) {
    await forget();
    const events = nats.subscribe('repo.connected', { max: 1 });
    await nats.flush();
    const answer = await h.install();
    const told = Date.now();
    for await (const message of events) assert.equal(message.json().data.installation_id, answer.json.installation_id);
    waits.push(Date.now() - told);
  }
  // All but the first begin when it has just looked: by its clock alone each would wait for five seconds.
  assert.ok(Math.min(...waits.slice(1)) < 2500, waits.join(' '));
  await nats.close();
});

test('no secret in the log of the edge', () => {
  const log = h.get('edge').lines.join('\n');
  for (const secret of [h.secretKey, h.alice, 'token-', 'Bearer']) assert.ok(!log.includes(secret), secret);
  assert.match(log, /connected repo=acme\/shop/);
});
