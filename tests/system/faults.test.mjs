// Every fault of the stand-in at every step of the install flow: afterwards there is no orphan hook and no stuck
// reservation, and connecting again works.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { House, until } from './harness.mjs';

let h;
let impatient;
before(async () => {
  h = await House.start({ programs: ['edge'] });
  // Gives GitHub up soon: for what hangs, and for nothing else, since everything is slow on a busy machine.
  impatient = (await h.launch('edge', { AS: 'impatient', PORT: '0', GITHUB_TIMEOUT_MS: '1500' })).url;
});
after(() => h?.stop());

const ours = 'https://repobus.example.com/api/v1/webhooks/github';
const exists = (repo) => h.control('POST', `/hooks/acme/${repo}`, { url: ours, secret: 'forgotten' });
const lost = (repo) => h.fault({ method: 'POST', path: `/repos/acme/${repo}/hooks`, kind: 'answer-lost' });

// Each step of the flow that asks GitHub, and what has to be so that the flow comes there. A failure is certain where
// `refuses` says so; else a request that is sent again may get through.
const steps = {
  'reading the repository': { method: 'GET', path: '' },
  'making the hook': { method: 'POST', path: '/hooks' },
  'looking for the hook that exists': { method: 'GET', path: '/hooks', first: exists },
  'adopting it': { method: 'PATCH', path: '/hooks/', first: exists },
  'looking for a hook that may have been made': { method: 'GET', path: '/hooks', first: lost, refuses: true },
  'taking the hook back': { method: 'DELETE', path: '/hooks/', first: lost, refuses: true },
};
const unavailable = /GitHub is unavailable(?: \(HTTP 50[03]\))?: try again in a moment/;
const faults = {
  'a server error': { kind: 'status', status: 500, says: unavailable },
  'unavailable': { kind: 'status', status: 503, says: unavailable },
  'cut before the answer': { kind: 'cut-before', says: unavailable },
  'cut within the head': { kind: 'cut-headers', says: unavailable },
  'cut within the body': { kind: 'cut-body', says: unavailable },
  'a hang': { kind: 'hang', says: /GitHub did not answer in time: try again in a moment/ },
  'garbage': { kind: 'garbage', says: /GitHub's answer is not what its documentation describes/ },
  'no such thing': { kind: 'status', status: 404, says: /was not found, or you have no permission/ },
  'the token refused': { kind: 'status', status: 401, says: /GitHub no longer accepts your token: log out and sign in again/ },
  'the primary rate limit': { kind: 'rate-limit', seconds: 60, limited: true, says: /rate limit is reached: try again after 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ/ },
  'the secondary rate limit': { kind: 'secondary-limit', seconds: 3, limited: true, says: /rate limit is reached: try again after 20\d\d-/ },
  'the answer lost': { kind: 'answer-lost', says: unavailable },
};

let cases = 0;
/** A repository and a person of its own for each case: the faults of one do not reach another, and a token that GitHub
 * limited is left alone until its time. */
async function somewhere() {
  const name = `case${String(++cases).padStart(3, '0')}`;
  await h.control('POST', '/repos', { owner: 'acme', name, path: h.repository });
  await h.control('POST', '/users', { login: name, token: `token-${name}`, scopes: 'repo' });
  await h.control('POST', '/permissions', { owner: 'acme', repo: name, login: name, permission: 'admin' });
  return { name, repo: `acme/${name}`, token: await h.token(name) };
}

const hooksOf = (repo) => h.hooks(repo);
const rowsOf = (repo) => h.rows('select id, state, webhook_id from installations where lower(repo_full_name) = lower($1)', [repo]);
const eventsOf = (repo) => h.rows("select 1 from outbox where body::jsonb -> 'data' ->> 'repo' = $1", [repo]);

/** The flow has answered: what it left is the reconciler's. */
async function untilNothingIsLeft(repo) {
  await h.runOut(repo);
  await until(`no reservation and no hook of ${repo}`, async () => (await rowsOf(repo)).length === 0 && (await hooksOf(repo)).length === 0);
  assert.deepEqual(await eventsOf(repo), []);
}

async function assertConnected(repo) {
  const [rows, hooks] = [await rowsOf(repo), await hooksOf(repo)];
  assert.deepEqual(rows.map((r) => r.state), ['active']);
  assert.deepEqual(hooks.map((hook) => hook.id), [Number(rows[0].webhook_id)]);
  assert.match(hooks[0].secret, /^[0-9a-f]{64}$/);
  assert.equal((await eventsOf(repo)).length, 1);
}

async function strike(where, { limited, says, ...fault }) {
  const { name, repo, token } = await somewhere();
  await where.first?.(name);
  await h.fault({ method: where.method, path: `/repos/${repo}${where.path}`, ...fault });
  const answer = await h.install(repo, { token, url: fault.kind === 'hang' ? impatient : h.url });
  if (answer.status === 200) {
    // A cut on a reused connection is sent again where that is safe; then all must be whole.
    assert.ok(!where.refuses, answer.text);
    await assertConnected(repo);
    return;
  }
  assert.equal(answer.status, 502, answer.text);
  assert.match(answer.json.detail, /^Failed to install webhook: ./);
  if (!where.refuses) assert.match(answer.json.detail, says);
  assert.ok(!answer.text.includes('token-'), 'no secret in the message');
  // A token that is limited for long cannot be used to look for a hook: the primary limit is lifted by its time alone.
  if (fault.kind === 'rate-limit' && (where.refuses || where.first)) {
    assert.ok((await rowsOf(repo)).every((row) => row.state === 'reserved'), 'what may be left is known of');
    assert.equal((await rowsOf(repo)).length, 1);
    return;
  }
  await untilNothingIsLeft(repo);
  if (limited) return;
  const again = await h.install(repo, { token });
  assert.equal(again.status, 200, again.text);
  await assertConnected(repo);
}

// Many at once: most of the time is waiting for GitHub to be given up, and for the reconciler.
describe('every fault at every step leaves no orphan hook and no stuck reservation', { concurrency: 12 }, () => {
  for (const [step, where] of Object.entries(steps)) {
    for (const [name, fault] of Object.entries(faults)) test(`${name} while ${step}`, () => strike(where, fault));
  }
});

// The stories below have the repository acme/shop to themselves.
async function somebody() {
  const login = `person${++cases}`;
  await h.control('POST', '/users', { login, token: `token-${login}`, scopes: 'repo' });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login, permission: 'admin' });
  return h.token(login);
}

async function forget() {
  await h.control('DELETE', '/faults');
  await h.rows('delete from outbox');
  await h.rows('delete from installations');
  for (const hook of await hooksOf('acme/shop')) {
    await fetch(`${h.githubUrl}/repos/acme/shop/hooks/${hook.id}`, { method: 'DELETE', headers: { authorization: 'Bearer token-alice', 'user-agent': 'test' } });
  }
}

test('GitHub stays away while the hook is being undone: the reconciler finishes it later', async () => {
  await forget();
  const token = await somebody();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'answer-lost' });
  // From then on nothing of GitHub's hooks can be reached.
  await h.fault({ method: 'GET', path: '/repos/acme/shop/hooks', kind: 'status', status: 503, count: 0 });
  const answer = await h.install('acme/shop', { token });
  assert.equal(answer.status, 502, answer.text);
  assert.equal((await hooksOf('acme/shop')).length, 1, 'the hook was made over there');
  await h.control('DELETE', '/faults');
  await untilNothingIsLeft('acme/shop');
});

test('the database goes away between hook and record: no hook stays', async () => {
  await forget();
  const token = await somebody();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'hang' });
  await h.control('DELETE', '/requests');
  const answer = h.install('acme/shop', { token });
  await until('the hook is asked for', async () => (await h.control('GET', '/requests')).some((r) => r.method === 'POST' && r.path === '/repos/acme/shop/hooks'));
  await h.server('postgres', 'stop');
  await h.control('DELETE', '/faults');
  assert.notEqual((await answer).status, 200);
  await h.server('postgres', 'start');
  await until('the database is back', async () => (await h.request('GET', '/readyz')).status === 200);
  await h.runOut('acme/shop');
  await until('no stuck reservation', async () => {
    const rows = await h.rows("select state from installations where state = 'reserved'");
    const active = (await h.rows("select 1 from installations where state = 'active'")).length;
    return rows.length === 0 && (await hooksOf('acme/shop')).length === active;
  });
});

test('database unreachable: 503, nothing at GitHub, and it recovers', async () => {
  await forget();
  const token = await somebody();
  await h.control('DELETE', '/requests');
  await h.server('postgres', 'stop');
  const answer = await h.install('acme/shop', { token });
  assert.equal(answer.status, 503);
  assert.ok(answer.json.detail);
  assert.deepEqual((await h.control('GET', '/requests')).filter((r) => r.path.startsWith('/repos/acme/shop')), []);
  const ready = await h.request('GET', '/readyz');
  assert.equal(ready.status, 503);
  assert.equal(ready.json.database, 'unreachable');
  assert.equal((await h.request('GET', '/healthz')).status, 200);
  await h.server('postgres', 'start');
  await until('connected', async () => (await h.install('acme/shop', { token })).status === 200);
});

/** A reservation of alice that ran out, as a crash after GitHub was asked leaves it. */
async function crashed() {
  const [{ id }] = await h.rows(`insert into installations (user_id, repo_id, repo_full_name, webhook_secret, state, generation, reserved_until)
    select id, $1, 'acme/shop', '\\x00', 'reserved', nextval('generations'), now() - interval '1 second' from users where login = 'alice' returning id`, [await shopId()]);
  return id;
}
const shopId = async () => (await (await fetch(`${h.githubUrl}/repos/acme/shop`, { headers: { authorization: 'Bearer token-alice', 'user-agent': 'test' } })).json()).id;

test('the reconciler removes the hook that a crash left, and never one that somebody owns', async () => {
  await forget();
  await exists('shop');
  await crashed();
  await untilNothingIsLeft('acme/shop');
  const token = await somebody();
  assert.equal((await h.install('acme/shop', { token })).status, 200);
  const [hook] = await hooksOf('acme/shop');
  const left = await crashed();
  await until('the reservation is taken back', async () => (await h.rows('select 1 from installations where id = $1', [left])).length === 0);
  assert.deepEqual((await hooksOf('acme/shop')).map((x) => x.id), [hook.id]);
  await assertConnected('acme/shop');
});

test('the outcome of the last statement is unknown, and it is committed later: connected, with its hook', async () => {
  await forget();
  const token = await somebody();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'hang' });
  const answer = h.install('acme/shop', { token });
  await until('identified', async () => (await h.rows("select 1 from installations where repo_id is not null")).length === 1);
  // The row is locked: the statement waits for longer than the edge does, and so does the one that fences it.
  const other = await h.db.connect();
  await other.query('begin');
  await other.query('select 1 from installations for update');
  await h.control('DELETE', '/faults');
  await until('the edge fences', async () => (await h.rows("select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'update installations set generation%returning generation'")).length === 1);
  await other.query('commit');
  other.release();
  const { status, text } = await answer;
  assert.equal(status, 200, text);
  await assertConnected('acme/shop');
});
