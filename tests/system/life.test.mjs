// The life of a connection after its install: disconnect, the list of what can be connected, rescan, profile, new
// names. The reconciler is out of the way (it sweeps once an hour here), so that what a flow leaves behind can be seen.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { description } from './description.mjs';
import { House, until } from './harness.mjs';

let h, impatient;
before(async () => {
  h = await House.start({ programs: ['edge'], env: { RECONCILE_SECONDS: '3600' } });
  // Gives GitHub up soon: for what hangs to the end, and for nothing else, since everything is slow on a busy machine.
  impatient = (await h.launch('edge', { AS: 'impatient', PORT: '0', GITHUB_TIMEOUT_MS: '1500' })).url;
});
after(() => h?.stop());
beforeEach(async () => {
  await h.control('DELETE', '/faults');
  await h.control('DELETE', '/requests');
});

let made = 0;
/** A repository and its admin, for one test alone: the faults of one do not reach another. */
async function somewhere({ scopes = 'repo', ...more } = {}) {
  const name = `life${++made}`;
  await h.control('POST', '/repos', { owner: 'acme', name, path: h.repository, ...more });
  const login = await admin(name, { scopes });
  return { name, repo: `acme/${name}`, login, token: await h.token(login), at: `/api/v1/repos/acme/${name}`, github: `/repos/acme/${name}` };
}

/** A person who may connect acme/NAME. */
async function admin(name, { scopes = 'repo' } = {}) {
  const login = `admin${++made}`;
  await h.control('POST', '/users', { login, token: `token-${login}`, scopes });
  await h.control('POST', '/permissions', { owner: 'acme', repo: name, login, permission: 'admin' });
  return login;
}

const people = (name, count) => Promise.all(Array.from({ length: count }, async () => h.token(await admin(name))));
const hooksOf = async (repo) => (await h.hooks()).filter((hook) => hook.repo === repo);
const rowOf = async (id) => (await h.rows('select * from installations where id = $1', [id]))[0];
const eventsOf = async (subject, id) => (await h.rows('select body from outbox where subject = $1', [subject])).map((row) => JSON.parse(row.body).data).filter((data) => data.installation_id === id);
const asked = async (method, path) => (await h.control('GET', '/requests')).filter((r) => r.method === method && r.path.startsWith(path));
const leave = (where, { query = '', ...options } = {}) => h.request('DELETE', `${where.at}/install${query}`, { token: where.token, ...options });

/** Connected; answers the installation's id. */
async function connected(where, token = where.token) {
  const answer = await h.install(where.repo, { token });
  assert.equal(answer.status, 200, answer.text);
  return answer.json.installation_id;
}

async function assertUntouched(where, id) {
  const row = await rowOf(id);
  assert.deepEqual([row.state, row.leaving_until, row.disconnected_at, row.hook_left], ['active', null, null, false]);
  assert.deepEqual((await hooksOf(where.repo)).map((hook) => String(hook.id)), [row.webhook_id]);
  assert.deepEqual(await eventsOf('repo.disconnected', id), []);
}

async function assertGone(where, id, { left = false } = {}) {
  const row = await rowOf(id);
  assert.deepEqual([row.state, row.is_active, row.leaving_until, row.hook_left], ['disconnected', false, null, left]);
  assert.ok(row.disconnected_at);
  const events = await eventsOf('repo.disconnected', id);
  assert.deepEqual(events, [{ installation_id: id, generation: Number(row.generation), repo_id: Number(row.repo_id), repo: row.repo_full_name, user_id: Number(row.user_id) }]);
}

// ---- disconnect ----

test('disconnect: the hook, the record, the event; connect again is a new installation', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const { generation } = await rowOf(id);
  const answer = await leave(where, { query: '?force=false' });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.text, `{"status":"disconnected","installation_id":${id},"repo":"${where.repo}"}`);
  assert.deepEqual(await hooksOf(where.repo), []);
  await assertGone(where, id);
  assert.ok(Number((await rowOf(id)).generation) > Number(generation));
  assert.equal((await h.request('GET', where.at, { token: where.token })).status, 404);
  assert.deepEqual((await h.request('GET', '/api/v1/repos?connected=true', { token: where.token })).json, { repos: [], next: null });
  const again = await leave(where);
  assert.equal(again.status, 404);
  assert.equal(again.json.detail, `You have not connected ${where.repo}: POST to ${where.at}/install does`);
  const next = await connected(where);
  assert.notEqual(next, id);
  assert.equal((await hooksOf(where.repo)).length, 1);
  await assertUntouched(where, next);
});

test('disconnect: names, people, parameters', async () => {
  const where = await somewhere();
  const id = await connected(where);
  assert.equal((await leave(where, { token: null })).text, '{"detail":"Unauthorized"}');
  assert.equal((await leave(where, { token: h.alice })).status, 404);
  assert.equal((await h.request('DELETE', '/api/v1/repos/-/x/install')).status, 422);
  for (const query of ['?force=yes', '?force=', '?force']) assert.equal((await leave(where, { query })).text, '{"detail":"force is true or false"}');
  await assertUntouched(where, id);
  const answer = await h.request('DELETE', `/api/v1/repos/ACME/${where.name.toUpperCase()}/install`, { token: where.token });
  assert.equal(answer.json.repo, where.repo);
  await assertGone(where, id);
});

test('disconnect of what is being connected is 409, and the connect goes on', async () => {
  const where = await somewhere();
  await h.fault({ method: 'POST', path: `${where.github}/hooks`, kind: 'hang' });
  const answer = h.install(where.repo, { token: where.token });
  await until('reserved', async () => (await h.rows("select 1 from installations where state = 'reserved' and repo_id is not null")).length === 1
    && (await asked('POST', where.github)).length === 1);
  assert.equal((await leave(where)).text, '{"detail":"Repo is being connected"}');
  assert.equal((await h.request('GET', `${where.at}/profile`, { token: where.token })).text, '{"detail":"Repo is being connected"}');
  assert.equal((await h.request('POST', `${where.at}/rescan`, { token: where.token })).status, 404);
  await h.control('DELETE', '/faults');
  assert.equal((await answer).status, 200);
});

// What GitHub does to the removal of a hook, and what the person is told.
const unavailable = /GitHub is unavailable(?: \(HTTP 50[03]\))?: try again in a moment/;
const refusals = {
  'a server error': { kind: 'status', status: 500, says: unavailable },
  'unavailable': { kind: 'status', status: 503, says: unavailable },
  'cut before the answer': { kind: 'cut-before', says: unavailable },
  'a hang': { kind: 'hang', says: /GitHub did not answer in time: try again in a moment/ },
  'garbage': { kind: 'garbage', says: /GitHub's answer is not what its documentation describes/ },
  'the token refused': { kind: 'status', status: 401, says: /GitHub no longer accepts your token: log out and sign in again/ },
  'forbidden': { kind: 'status', status: 403, says: /you need admin rights on acme\// },
  'the primary rate limit': { kind: 'rate-limit', seconds: 60, says: /rate limit is reached: try again after 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ/ },
  'the secondary rate limit': { kind: 'secondary-limit', seconds: 60, says: /rate limit is reached: try again after 20\d\d-/ },
};

for (const [name, { says, ...fault }] of Object.entries(refusals)) {
  test(`GitHub does not remove the hook: nothing is changed, unless forced (${name})`, async () => {
    const where = await somewhere();
    const id = await connected(where);
    await h.fault({ method: 'DELETE', path: `${where.github}/hooks`, ...fault, count: 0 });
    const url = fault.kind === 'hang' ? impatient : h.url;
    const answer = await leave(where, { url });
    assert.equal(answer.status, 502, answer.text);
    assert.match(answer.json.detail, /^Failed to remove webhook: ./);
    assert.match(answer.json.detail, says);
    assert.ok(!answer.text.includes('token-'));
    await assertUntouched(where, id);
    const forced = await leave(where, { query: '?force=true', url });
    assert.equal(forced.status, 200, forced.text);
    await assertGone(where, id, { left: true });
    assert.equal((await hooksOf(where.repo)).length, 1, 'it is the sweeper\'s now');
  });
}

test('no answer comes through though GitHub does it: still connected, and the next try finds out', async () => {
  const where = await somewhere();
  const id = await connected(where);
  await h.fault({ method: 'DELETE', path: `${where.github}/hooks`, kind: 'cut-headers', count: 2 });
  assert.equal((await leave(where)).status, 502);
  const row = await rowOf(id);
  assert.deepEqual([row.state, row.leaving_until, await hooksOf(where.repo)], ['active', null, []]);
  assert.equal((await leave(where)).status, 200);
  await assertGone(where, id);
});

test('a hook that was left is adopted by the next connect', async () => {
  const where = await somewhere();
  const id = await connected(where);
  await h.fault({ method: 'DELETE', path: `${where.github}/hooks`, kind: 'status', status: 503, count: 0 });
  assert.equal((await leave(where, { query: '?force=true' })).status, 200);
  await h.control('DELETE', '/faults');
  const next = await connected(where);
  assert.equal((await rowOf(next)).webhook_id, (await rowOf(id)).webhook_id);
  assert.equal((await hooksOf(where.repo)).length, 1);
  assert.equal((await leave(where)).status, 200);
  assert.deepEqual(await hooksOf(where.repo), []);
});

test('forced, with GitHub well: the hook goes at once', async () => {
  const where = await somewhere();
  const id = await connected(where);
  assert.equal((await leave(where, { query: '?force=true' })).status, 200);
  assert.deepEqual(await hooksOf(where.repo), []);
  await assertGone(where, id);
});

for (const kind of ['answer-lost', 'cut-body']) {
  test(`the answer of the removal is lost (${kind}): found out by asking again`, async () => {
    const where = await somewhere();
    const id = await connected(where);
    await h.fault({ method: 'DELETE', path: `${where.github}/hooks`, kind });
    assert.equal((await leave(where)).status, 200);
    assert.deepEqual(await hooksOf(where.repo), []);
    await assertGone(where, id);
  });
}

test('a hook that somebody removed on GitHub is gone already', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const [hook] = await hooksOf(where.repo);
  await fetch(`${h.githubUrl}${where.github}/hooks/${hook.id}`, { method: 'DELETE', headers: { authorization: `Bearer token-${where.login}`, 'user-agent': 'test' } });
  assert.deepEqual(await hooksOf(where.repo), []);
  assert.equal((await leave(where)).status, 200);
  await assertGone(where, id, { left: false });
});

test('404 to one who may not see hooks any more says nothing about the hook: it is left to the sweeper', async () => {
  for (const permission of ['write', 'none']) {
    const where = await somewhere({ private: true });
    const id = await connected(where);
    await h.control('POST', '/permissions', { owner: 'acme', repo: where.name, login: where.login, permission });
    assert.equal((await leave(where)).status, 200);
    await assertGone(where, id, { left: true });
    assert.equal((await hooksOf(where.repo)).length, 1);
  }
  const where = await somewhere();
  const id = await connected(where);
  await h.control('DELETE', where.github);
  assert.equal((await leave(where)).status, 200);
  await assertGone(where, id, { left: true });
});

test('404, and the look that follows is refused: nothing is changed', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const [hook] = await hooksOf(where.repo);
  await h.fault({ method: 'DELETE', path: where.github, kind: 'status', status: 404, count: 0 });
  for (const fault of [{ kind: 'status', status: 503 }, { kind: 'garbage' }]) {
    await h.fault({ method: 'GET', path: where.github, ...fault });
    const answer = await leave(where);
    assert.equal(answer.status, 502, answer.text);
    assert.match(answer.json.detail, /^Failed to remove webhook: GitHub/);
    await assertUntouched(where, id);
  }
  assert.equal((await hooksOf(where.repo))[0].id, hook.id);
});

test('a token without the scope is told so, and what it takes to go on', async () => {
  const where = await somewhere();
  const id = await connected(where);
  await h.control('POST', '/users', { login: where.login, token: `token-${where.login}`, scopes: 'read:user' });
  const answer = await leave(where);
  assert.equal(answer.status, 502);
  assert.equal(answer.json.detail, 'Failed to remove webhook: your token lacks the repo scope: sign in again and grant it');
  await assertUntouched(where, id);
});

test('a name that is another repository\'s now: its hooks are not ours', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const { repo_id: repoId } = await rowOf(id);
  await h.control('POST', `${where.github}/rename`, { owner: 'acme', name: `${where.name}-old` });
  await h.control('POST', '/repos', { owner: 'acme', name: where.name, path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: where.name, login: where.login, permission: 'admin' });
  assert.equal((await leave(where)).status, 200);
  await assertGone(where, id, { left: true });
  assert.equal((await h.hooks()).filter((hook) => hook.repo_id === Number(repoId)).length, 1);
});

test('the stored token does not open: 401, or by force; a shared hook needs none', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const [other] = await people(where.name, 1);
  const second = await connected(where, other);
  const spoil = (row) => h.rows('update users set token_sealed = null where id = (select user_id from installations where id = $1)', [row]);
  await spoil(second);
  assert.equal((await leave(where, { token: other })).status, 200, 'the first one keeps the hook');
  await assertGone(where, second);
  await spoil(id);
  const answer = await leave(where);
  assert.equal(answer.status, 401);
  assert.equal(answer.json.detail, 'Session expired — please log out and sign in again.');
  await assertUntouched(where, id);
  assert.equal((await leave(where, { query: '?force=true' })).status, 200);
  await assertGone(where, id, { left: true });
});

test('several people: the hook goes with the last of them', async () => {
  const where = await somewhere();
  const tokens = [where.token, ...await people(where.name, 2)];
  const ids = [];
  for (const token of tokens) ids.push(await connected(where, token));
  await h.control('DELETE', '/requests');
  for (const [i, token] of tokens.entries()) {
    assert.equal((await hooksOf(where.repo)).length, 1);
    assert.equal((await asked('DELETE', where.github)).length, 0, 'GitHub is not asked while others share it');
    assert.equal((await leave(where, { token })).status, 200);
    await assertGone(where, ids[i]);
  }
  assert.deepEqual(await hooksOf(where.repo), []);
});

// ---- at the same time ----

test('20 disconnects of one person at once, over two edges: one does it', async () => {
  const second = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  const where = await somewhere();
  const id = await connected(where);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => leave(where, { url: i % 2 ? second.url : h.url })));
  assert.equal(answers.filter((a) => a.status === 200).length, 1, answers.map((a) => a.text).join('\n'));
  for (const { status, text } of answers.filter((a) => a.status !== 200)) {
    assert.ok(status === 404 || (status === 409 && text === '{"detail":"Repo is being disconnected"}'), text);
  }
  await assertGone(where, id);
  assert.deepEqual(await hooksOf(where.repo), []);
  await second.stop();
});

test('the last two leave at once, again and again: no hook stays', async () => {
  const second = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  const where = await somewhere();
  const tokens = [where.token, ...await people(where.name, 1)];
  for (let round = 0; round < 15; round++) {
    const ids = [];
    for (const token of tokens) ids.push(await connected(where, token));
    const answers = await Promise.all(tokens.map((token, i) => h.inTurn(() => leave(where, { token, url: i ? second.url : h.url }))));
    assert.deepEqual(answers.map((a) => a.status), [200, 200], answers.map((a) => a.text).join('\n'));
    assert.deepEqual(await hooksOf(where.repo), [], `round ${round}`);
    for (const id of ids) await assertGone(where, id);
  }
  await second.stop();
});

test('one leaves while another connects, again and again: who is connected has the hook', async () => {
  const second = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  const where = await somewhere();
  const [one, other] = [where.token, ...await people(where.name, 1)];
  await connected(where, one);
  let [inside, outside] = [one, other];
  for (let round = 0; round < 20; round++) {
    const jitter = new Promise((resolve) => setTimeout(resolve, round * 2)); // so that the two meet at all steps
    const [left, came] = await Promise.all([
      h.inTurn(() => leave(where, { token: inside })),
      jitter.then(() => h.inTurn(() => h.install(where.repo, { token: outside, url: second.url }))),
    ]);
    assert.deepEqual([left.status, came.status], [200, 200], `${left.text} ${came.text}`);
    const rows = await h.rows("select id, webhook_id from installations where repo_full_name = $1 and state in ('reserved', 'active')", [where.repo]);
    assert.deepEqual(rows.map((row) => Number(row.id)), [came.json.installation_id]);
    assert.deepEqual((await hooksOf(where.repo)).map((hook) => String(hook.id)), [rows[0].webhook_id], `round ${round}`);
    [inside, outside] = [outside, inside];
  }
  await second.stop();
});

test('six people connect and disconnect as they like: in the end the hook is there if somebody is', async () => {
  const second = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  const where = await somewhere();
  const tokens = await people(where.name, 6);
  await Promise.all(tokens.map(async (token, i) => {
    for (let turn = 0; turn < 6; turn++) {
      const url = (i + turn) % 2 ? second.url : h.url;
      const answer = turn % 2 ? await leave(where, { token, url }) : await h.install(where.repo, { token, url });
      // Somebody else may be in the way for longer than one waits: that is said, and changes nothing.
      const busy = /is connecting or disconnecting this repository right now/.test(answer.text);
      assert.ok(busy || [200, 400, 404].includes(answer.status), answer.text);
    }
  }));
  const check = async () => {
    const rows = await h.rows("select * from installations where repo_full_name = $1 and state in ('reserved', 'active')", [where.repo]);
    const hooks = await hooksOf(where.repo);
    assert.ok(rows.every((row) => row.state === 'active' && row.leaving_until === null && row.webhook_id === String(hooks[0]?.id)), JSON.stringify(rows));
    assert.equal(hooks.length, rows.length ? 1 : 0);
    return rows.length;
  };
  await check();
  for (const token of tokens) await h.install(where.repo, { token });
  assert.equal(await check(), 6);
  await Promise.all(tokens.map((token) => h.inTurn(() => leave(where, { token }))));
  assert.equal(await check(), 0);
  const [{ unequal }] = await h.rows("select count(*) filter (where subject = 'repo.connected') - count(*) filter (where subject = 'repo.disconnected') as unequal from outbox where body::jsonb #>> '{data,repo}' = $1", [where.repo]);
  assert.equal(Number(unequal), 0, 'each connect and each disconnect has its event');
  await second.stop();
});

test('somebody else\'s claim is waited for, and then said; one that ran out is its owner\'s to take over', async () => {
  const where = await somewhere();
  const [other, third] = await people(where.name, 2);
  const id = await connected(where);
  const second = await connected(where, other);
  await h.rows("update installations set leaving_until = now() + interval '1 hour' where id = $1", [id]);
  const [mine, left, came, scan] = await Promise.all([
    leave(where), leave(where, { token: other }), h.install(where.repo, { token: third }), h.request('POST', `${where.at}/rescan`, { token: where.token }),
  ]);
  const busy = 'omebody else is connecting or disconnecting this repository right now: try again in a minute';
  assert.equal(mine.text, '{"detail":"Repo is being disconnected"}');
  assert.equal(left.status, 409);
  assert.equal(left.json.detail, `S${busy}`);
  assert.equal(came.status, 502);
  assert.equal(came.json.detail, `Failed to install webhook: s${busy}`);
  assert.equal(scan.text, '{"detail":"Repo is being disconnected"}');
  assert.deepEqual(await h.rows("select 1 from installations where repo_full_name = $1 and state = 'reserved'", [where.repo]), []);
  await h.rows("update installations set leaving_until = now() - interval '1 second' where id = $1", [id]);
  assert.equal((await leave(where)).status, 200);
  await assertGone(where, id);
  assert.equal((await leave(where, { token: other })).status, 200);
  await assertGone(where, second);
  assert.deepEqual(await hooksOf(where.repo), []);
});

// ---- what is lost on the way ----

/** A disconnect that meets `fault` at GitHub, by default held there until goOn(): its answer, to be awaited. */
async function held(where, fault = { kind: 'hang' }, options = {}) {
  await h.fault({ method: 'DELETE', path: `${where.github}/hooks`, ...fault });
  return leave(where, options).catch((error) => ({ error }));
}
const goOn = () => h.control('DELETE', '/faults');

test('a claim that ran out meanwhile: what others made of it is what is said', async () => {
  const finished = await somewhere();
  const first = await connected(finished);
  let answer = held(finished);
  await until('claimed', async () => (await asked('DELETE', finished.github)).length > 0);
  await h.rows("update installations set state = 'disconnected', disconnected_at = now(), leaving_until = null where id = $1", [first]);
  await goOn();
  assert.equal((await answer).text, `{"status":"disconnected","installation_id":${first},"repo":"${finished.repo}"}`);
  assert.deepEqual(await eventsOf('repo.disconnected', first), [], 'whoever finished it wrote the event');
  const taken = await somewhere();
  const second = await connected(taken);
  answer = held(taken);
  await until('claimed', async () => (await asked('DELETE', taken.github)).length > 0);
  await h.rows("update installations set leaving_until = now() + interval '5 minutes' where id = $1", [second]);
  await goOn();
  assert.equal((await answer).status, 409);
  assert.equal((await answer).json.detail, 'It took too long and is finished in the background: look in a minute');
  assert.equal((await rowOf(second)).state, 'active');
  // GitHub refuses at last, and there is no claim of ours to take back any more.
  const refused = await somewhere();
  const third = await connected(refused);
  await h.fault({ method: 'GET', path: refused.github, kind: 'hang' });
  answer = held(refused, { kind: 'status', status: 404 });
  await until('the look is under way', async () => (await asked('GET', refused.github)).some((r) => r.status === null));
  await h.rows("update installations set leaving_until = now() + interval '5 minutes' where id = $1", [third]);
  assert.equal((await answer).json.detail, 'It took too long and is finished in the background: look in a minute');
  assert.ok((await rowOf(third)).leaving_until, 'the claim is somebody else\'s');
});

test('a client that hangs up changes nothing about what is written', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const controller = new AbortController();
  await h.fault({ method: 'DELETE', path: `${where.github}/hooks`, kind: 'hang' });
  const gone = fetch(`${h.url}${where.at}/install`, { method: 'DELETE', headers: { authorization: `Bearer ${where.token}` }, signal: controller.signal }).catch((error) => error.name);
  await until('GitHub is asked', async () => (await asked('DELETE', where.github)).length > 0);
  controller.abort();
  assert.equal(await gone, 'AbortError');
  await goOn();
  await until('disconnected', async () => (await rowOf(id)).state === 'disconnected');
  await assertGone(where, id);
});

test('kill -9 in the middle: the claim says what was begun, and can be finished', async () => {
  for (const kind of ['hang', 'answer-lost']) {
    const where = await somewhere();
    const id = await connected(where);
    // After an answer that was lost, GitHub is silent: the edge dies while it waits to ask again.
    if (kind === 'answer-lost') await h.fault({ method: 'DELETE', path: `${where.github}/hooks`, kind: 'hang', skip: 1 });
    const answer = held(where, { kind });
    await until('GitHub is asked', async () => (await asked('DELETE', where.github)).length > (kind === 'hang' ? 0 : 1));
    await h.get('edge').kill();
    assert.ok((await answer).error);
    await h.control('DELETE', '/faults');
    const row = await rowOf(id);
    assert.equal(row.state, 'active');
    assert.ok(row.leaving_until > new Date(), 'a claim that runs out by itself');
    assert.equal(row.disconnected_at, null);
    assert.deepEqual(await eventsOf('repo.disconnected', id), []);
    assert.equal((await hooksOf(where.repo)).length, kind === 'hang' ? 1 : 0);
    await h.launch('edge');
    assert.equal((await leave(where)).status, 409);
    await h.rows('update installations set leaving_until = now() where id = $1', [id]);
    assert.equal((await leave(where)).status, 200);
    await assertGone(where, id);
    assert.deepEqual(await hooksOf(where.repo), []);
  }
});

test('the outcome of the last statement is unknown, and it is committed later: disconnected', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const answer = held(where);
  await until('GitHub is asked', async () => (await asked('DELETE', where.github)).length > 0);
  const other = await h.db.connect();
  await other.query('begin');
  await other.query('select 1 from installations where id = $1 for update', [id]);
  await goOn();
  await until('the edge fences', async () => (await h.rows("select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'update installations set leaving_until = clock_timestamp()%'")).length === 1);
  await other.query('commit');
  other.release();
  const { status, text } = await answer;
  assert.equal(status, 200, text);
  await assertGone(where, id);
});

test('the database goes away after the hook: said, and left to be finished', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const answer = held(where);
  await until('GitHub is asked', async () => (await asked('DELETE', where.github)).length > 0);
  await h.server('postgres', 'stop');
  await goOn();
  const { status, json } = await answer;
  await h.server('postgres', 'start');
  assert.equal(status, 503);
  assert.equal(json.detail, 'The database was lost while disconnecting: look in a minute whether it is connected still');
  const row = await until('the database is back', () => rowOf(id));
  assert.equal(row.state, 'active');
  assert.ok(row.leaving_until);
  assert.deepEqual(await hooksOf(where.repo), []);
  await h.rows('update installations set leaving_until = now() where id = $1', [id]);
  await until('it can be finished', async () => (await leave(where)).status === 200);
  await assertGone(where, id);
});

test('the database away from the start: 503, GitHub is not asked', async () => {
  const where = await somewhere();
  const id = await connected(where);
  await h.server('postgres', 'stop');
  const answers = [await leave(where), await h.request('GET', '/api/v1/repos', { token: where.token }), await h.request('POST', `${where.at}/rescan`, { token: where.token })];
  await h.server('postgres', 'start');
  for (const { status, json } of answers) assert.equal(status, 503, json?.detail);
  assert.deepEqual(await asked('DELETE', where.github), []);
  await until('the database is back', () => rowOf(id));
  await assertUntouched(where, id);
  for (const url of [h.url, impatient]) await until('the edge is back', async () => (await h.request('GET', '/readyz', { url })).status === 200);
});

// ---- new names ----

test('a renamed repository: its hook is removed by the old name, through the redirect', async () => {
  const where = await somewhere();
  const id = await connected(where);
  await h.control('POST', `${where.github}/rename`, { owner: 'acme', name: `${where.name}-new` });
  assert.equal((await hooksOf(`${where.repo}-new`)).length, 1);
  await h.control('DELETE', '/requests');
  assert.equal((await leave(where)).status, 200);
  assert.deepEqual(await hooksOf(`${where.repo}-new`), []);
  await assertGone(where, id);
  const { repo_id: repoId } = await rowOf(id);
  const [first, second] = await asked('DELETE', '/repo');
  assert.equal(first.status, 307);
  assert.match(second.path, new RegExp(`^(/repositories/${repoId}|${where.github}-new)/hooks/`));
  assert.equal(second.status, 204);
});

test('connecting by the new name tells the record of it', async () => {
  const where = await somewhere();
  const id = await connected(where);
  await h.control('POST', `${where.github}/rename`, { owner: 'acme', name: `${where.name}-new` });
  assert.equal((await h.install(`${where.repo}-new`, { token: where.token })).text, '{"detail":"Repo already connected"}');
  assert.equal((await rowOf(id)).repo_full_name, `${where.repo}-new`);
  assert.equal((await h.request('DELETE', `${where.at}-new/install`, { token: where.token })).status, 200);
});

// ---- the list ----

const list = (token, query = '') => h.request('GET', `/api/v1/repos${query}`, { token });
async function listAll(token, limit) {
  const repos = [];
  let after = '';
  let answers = 0;
  do {
    const { status, json, text } = await list(token, `?limit=${limit}${after && `&after=${encodeURIComponent(after)}`}`);
    assert.equal(status, 200, text);
    assert.ok(json.repos.length <= limit);
    repos.push(...json.repos);
    after = json.next;
    answers++;
  } while (after);
  return { repos, answers };
}

test('the list: what can be connected, what is, and how it stands', async () => {
  const where = await somewhere({ private: true });
  await h.control('POST', '/repos', { owner: 'acme', name: `${where.name}-read`, path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: `${where.name}-read`, login: where.login, permission: 'read' });
  const id = await connected(where);
  await h.rows("insert into runs (installation_id, subscriber, generation, state, attempt, at, started_at) select id, 'scanner', generation, 'running', 1, now(), now() from installations where id = $1", [id]);
  await h.rows("update installations set health = 'hook_disabled', health_reason = 'somebody switched it off', health_since = now() where id = $1", [id]);
  const { status, json } = await list(where.token);
  assert.equal(status, 200);
  assert.deepEqual([json.repos.length, json.next, json.complete], [2, null, true]);
  const [mine, readable] = json.repos;
  const repo = (await h.request('GET', where.at, { token: where.token })).json;
  assert.deepEqual(mine, { ...repo, private: true, admin: true, listed: true });
  assert.equal(mine.runs[0].state, 'running');
  assert.equal(mine.health, 'hook_disabled');
  assert.equal(mine.health_reason, 'somebody switched it off');
  assert.match(mine.health_since, /^20\d\d-.*Z$/);
  assert.match(mine.connected_at, /^20\d\d-.*Z$/);
  const { id: repoId } = await (await fetch(`${h.githubUrl}/repos/acme/${where.name}-read`, { headers: { 'user-agent': 'test', authorization: `Bearer token-${where.login}` } })).json();
  assert.deepEqual(readable, {
    installation_id: null, repo: `${where.repo}-read`, repo_id: repoId, webhook_id: null, default_branch: 'main', state: null, generation: null,
    connected_at: null, health: null, health_reason: null, health_since: null, runs: [], freshness: null, profile: null, private: false, admin: false, listed: true,
  });
  // What GitHub does not list any more is there, and marked.
  await h.control('POST', '/permissions', { owner: 'acme', repo: where.name, login: where.login, permission: 'none' });
  const [lost] = (await list(where.token)).json.repos;
  assert.deepEqual([lost.repo, lost.listed, lost.admin, lost.private, lost.installation_id], [where.repo, false, null, null, id]);
});

test('GitHub\'s list is paged through to the end, and costs no more than what changed', async () => {
  const login = `collector${++made}`;
  await h.control('POST', '/users', { login, token: `token-${login}`, scopes: 'repo' });
  const token = await h.token(login);
  const names = Array.from({ length: 205 }, (_, i) => `mine-${(i * 7919) % 1000}`);
  for (const name of names) await h.control('POST', '/repos', { owner: login, name, path: h.repository });
  const sorted = names.map((name) => `${login}/${name}`).sort();
  const pages = () => asked('GET', '/user/repos');
  const { repos, answers } = await listAll(token, 50);
  assert.deepEqual(repos.map((repo) => repo.repo), sorted);
  assert.equal(answers, 5);
  assert.deepEqual((await pages()).map((r) => [new URLSearchParams(r.query).get('page'), r.status]), [['1', 200], ['2', 200], ['3', 200]], 'pages of ours after the first do not ask GitHub again');
  assert.ok((await pages()).every((r) => new URLSearchParams(r.query).get('affiliation') === 'owner,collaborator,organization_member'));

  const stored = () => h.rows('select page, has_next, fetched_at, xmin from github_repo_pages where user_id = (select id from users where login = $1) order by page', [login]);
  const first = await stored();
  await h.control('DELETE', '/requests');
  assert.equal((await list(token)).json.next, (await list(token)).json.next);
  assert.deepEqual((await pages()).map((r) => r.status), [304, 304, 304, 304, 304, 304]);
  assert.deepEqual(await stored(), first, 'nothing is written where nothing has changed');

  // One more, which is on the last page; then so many less that the last page is no more.
  await h.control('POST', '/repos', { owner: login, name: 'newest', path: h.repository });
  await h.control('DELETE', '/requests');
  assert.equal((await listAll(token, 1000)).repos.length, 206);
  assert.deepEqual((await pages()).map((r) => r.status), [304, 304, 200]);
  for (const name of names.slice(0, 7)) await h.control('DELETE', `/repos/${login}/${name}`);
  const less = (await listAll(token, 1000)).repos.map((repo) => repo.repo);
  assert.deepEqual(less, [...names.slice(7), 'newest'].map((name) => `${login}/${name}`).sort());
  assert.deepEqual((await stored()).map((page) => [page.page, page.has_next]), [[1, true], [2, false]]);

  // A full page has no next one until one more is made: its own ETag says nothing of that.
  await h.control('POST', '/repos', { owner: login, name: 'full', path: h.repository });
  assert.equal((await listAll(token, 1000)).repos.length, 200);
  assert.equal((await stored()).length, 3);
  await h.control('POST', '/repos', { owner: login, name: 'over', path: h.repository });
  assert.equal((await listAll(token, 1000)).repos.length, 201);
});

test('GitHub away or limited: said, with what works without it', async () => {
  const cases = {
    unavailable: [{ kind: 'status', status: 503 }, /GitHub is unavailable \(HTTP 503\)/],
    garbage: [{ kind: 'garbage' }, /not what its documentation describes/],
    silent: [{ kind: 'hang' }, /did not answer in time/],
    refused: [{ kind: 'status', status: 401 }, /no longer accepts your token/],
    limited: [{ kind: 'rate-limit', seconds: 60 }, /rate limit is reached: try again after 20/],
  };
  for (const [name, [fault, says]] of Object.entries(cases)) {
    const where = await somewhere();
    const id = await connected(where);
    await h.fault({ method: 'GET', path: '/user/repos', ...fault });
    const answer = await h.request('GET', '/api/v1/repos', { token: where.token, url: fault.kind === 'hang' ? impatient : h.url });
    assert.equal(answer.status, 502, `${name}: ${answer.text}`);
    assert.match(answer.json.detail, /^Failed to list repositories: .*\. What is connected is told without GitHub by GET \/api\/v1\/repos\?connected=true$/);
    assert.match(answer.json.detail, says);
    const { json } = await list(where.token, '?connected=true');
    assert.deepEqual(json.repos.map((repo) => repo.installation_id), [id]);
    await h.control('DELETE', '/faults');
  }
});

test('more pages than are looked at, or than there is time for: said to be incomplete', async () => {
  const where = await somewhere();
  // Page 100 as it was kept: GitHub has more behind it.
  await list(where.token);
  await h.rows("insert into github_repo_pages (user_id, page, etag, has_next, repos) select id, 100, '', true, '[]' from users where login = $1", [where.login]);
  const { json } = await list(where.token, '?after=a');
  assert.equal(json.complete, false);
  assert.equal((await list(where.token)).json.complete, true, 'asked for afresh');
});

test('the list: its parameters, its person', async () => {
  const where = await somewhere();
  const ids = [];
  for (let i = 0; i < 5; i++) {
    const name = `${where.name}-${i}`;
    await h.control('POST', '/repos', { owner: 'acme', name, path: h.repository });
    await h.control('POST', '/permissions', { owner: 'acme', repo: name, login: where.login, permission: 'admin' });
    ids.unshift(await connected({ repo: `acme/${name}`, token: where.token }));
  }
  const first = (await list(where.token, '?connected=true&limit=2')).json;
  assert.deepEqual([first.repos.map((repo) => repo.installation_id), first.next], [ids.slice(0, 2), String(ids[1])]);
  const second = (await list(where.token, `?connected=true&limit=3&after=${first.next}`)).json;
  assert.deepEqual([second.repos.map((repo) => repo.installation_id), second.next], [ids.slice(2), null]);
  for (const query of ['?connected=yes', '?limit=0', '?limit=1001', '?limit=x', '?limit=', '?limit=-1', '?limit=9999999999999999999999', '?connected=true&after=x', '?connected=true&after=99999999999999999999', `?after=${'x'.repeat(201)}`]) {
    const answer = await list(where.token, query);
    assert.equal(answer.status, 422, query);
    assert.ok(answer.json.detail);
  }
  await h.rows('update users set token_sealed = null where login = $1', [where.login]);
  await h.rows('delete from github_repo_pages');
  assert.equal((await list(where.token)).json.detail, 'Session expired — please log out and sign in again.');
  assert.equal((await list(null)).text, '{"detail":"Unauthorized"}');
});

test('new names come with the list', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const other = await somewhere();
  await h.control('POST', '/permissions', { owner: 'acme', repo: other.name, login: where.login, permission: 'admin' });
  const second = await connected(other, where.token);
  const [a, b] = [where.name, other.name];
  // One takes the name that the other had: the list after the next has both.
  await h.control('POST', `${where.github}/rename`, { owner: 'acme', name: `${a}-moved` });
  await h.control('POST', `/repos/acme/${b}/rename`, { owner: 'acme', name: a });
  const names = async () => [(await rowOf(id)).repo_full_name, (await rowOf(second)).repo_full_name];
  const shown = (await list(where.token)).json.repos.filter((repo) => repo.installation_id).map((repo) => [repo.installation_id, repo.repo]);
  assert.deepEqual(shown, [[second, `acme/${a}`], [id, `acme/${a}-moved`]]);
  await list(where.token);
  assert.deepEqual(await names(), [`acme/${a}-moved`, `acme/${a}`]);
  assert.equal((await h.request('GET', `/api/v1/repos/acme/${a}`, { token: where.token })).json.installation_id, second);
});

// ---- rescan ----

const rescan = (where, token = where.token) => h.request('POST', `${where.at}/rescan`, { token });
const begin = (id, state, subscriber = 'scanner') => h.rows(`insert into runs (installation_id, subscriber, generation, state, attempt, at, started_at) select id, $2, generation, $3, 1, now(), now()
  from installations where id = $1 on conflict (installation_id, subscriber) do update set generation = excluded.generation, state = excluded.state`, [id, subscriber, state]);

test('a rescan while it is being worked on is 409 and says by what', async () => {
  const where = await somewhere();
  const [other] = await people(where.name, 1);
  const id = await connected(where);
  const coming = `${where.repo} is about to be worked on, as was asked for a moment ago. Try again when that is done`;
  assert.equal((await rescan(where)).json.detail, coming, 'the connect counts as asked for');
  await begin(id, 'running');
  await begin(id, 'retrying', 'grapher');
  const second = await connected(where, other);
  for (const token of [where.token, other]) {
    const answer = await rescan(where, token);
    assert.equal(answer.status, 409);
    assert.equal(answer.json.detail, `${where.repo} is being worked on: grapher is retrying, scanner is running. Try again when that is done`);
  }
  await begin(id, 'done');
  await begin(id, 'failed', 'grapher');
  assert.equal((await rescan(where)).json.detail, coming, 'for the other one nothing has begun yet');
  await begin(second, 'done');
  const answer = await rescan(where);
  assert.equal(answer.status, 202, answer.text);
  const { generation } = answer.json;
  assert.deepEqual(answer.json, { status: 'accepted', installation_id: id, repo: where.repo, generation });
  assert.deepEqual((await eventsOf('repo.rescan', id)).map((data) => data.generation), [generation]);
  const [row] = await h.rows('select r.generation, r.asked_at > now() - interval \'1 minute\' as now from rescans r join installations i using (repo_id) where i.id = $1', [id]);
  assert.deepEqual(row, { generation: String(generation), now: true });
  assert.equal((await rescan(where, other)).json.detail, coming, 'one at a time, whoever asks');
  // Nobody begins for a minute: it may be asked for again.
  await h.rows("update rescans set asked_at = now() - interval '61 seconds'");
  await h.rows("update installations set connected_at = now() - interval '61 seconds'");
  assert.equal((await rescan(where)).status, 202);
  // A run that says nothing more for ten minutes is dead.
  await begin(id, 'running');
  await h.rows("update rescans set asked_at = now() - interval '9 minutes'");
  assert.equal((await rescan(where)).status, 409);
  await h.rows("update rescans set asked_at = now() - interval '601 seconds'");
  await h.rows("update installations set connected_at = now() - interval '601 seconds'");
  assert.equal((await rescan(where)).status, 202);
});

test('many rescans at once by two people over two edges: one is accepted', async () => {
  const second = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  const where = await somewhere();
  const tokens = [where.token, ...await people(where.name, 1)];
  const ids = [await connected(where), await connected(where, tokens[1])];
  for (let round = 1; round <= 5; round++) {
    for (const id of ids) await begin(id, 'done');
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => h.request('POST', `${where.at}/rescan`, { token: tokens[i % 2], url: i % 3 ? second.url : h.url })));
    assert.deepEqual(answers.map((a) => a.status).sort(), [202, ...Array(19).fill(409)], answers.map((a) => a.text).join('\n'));
    assert.equal((await eventsOf('repo.rescan', ids[0])).length + (await eventsOf('repo.rescan', ids[1])).length, round);
  }
  await second.stop();
});

// ---- profile ----

test('the profile: with its commit, by ETag, shared by repository', async () => {
  const where = await somewhere();
  const id = await connected(where);
  const at = `${where.at}/profile`;
  const none = await h.request('GET', at, { token: where.token });
  assert.equal(none.status, 404);
  assert.equal(none.json.detail, `${where.repo} has no profile yet: GET ${where.at}/events tells when the scanner is done, POST ${where.at}/rescan has it scan anew`);
  const { generation, repo_id: repoId } = await rowOf(id);
  const profile = (files) => ({ ...description.paths['/api/v1/repos/{owner}/{repo}/profile'].get.responses[200].content['application/json'].example.profile, files });
  const write = (commit, more, what = profile(more)) => h.rows('insert into profiles (installation_id, commit_sha, repo_id, generation, complete, profile) values ($1, $2, $3, $4, true, $5)', [id, commit, repoId, Number(generation) + more, JSON.stringify(what)]);
  // What an older scanner wrote is not what is described.
  await write('c'.repeat(40), 0, { version: 1, repo: where.repo });
  assert.equal((await h.request('GET', at, { token: where.token })).status, 404);
  assert.equal((await h.request('GET', where.at, { token: where.token })).json.profile, null);
  await write('a'.repeat(40), 0);
  const first = await h.request('GET', at, { token: where.token });
  assert.equal(first.status, 200);
  assert.deepEqual(first.json, {
    installation_id: id, repo: where.repo, repo_id: Number(repoId), commit: 'a'.repeat(40), generation: Number(generation), complete: true,
    scanned_at: first.json.scanned_at, profile: profile(0),
  });
  assert.match(first.json.scanned_at, /^20\d\d-.*Z$/);
  const etag = first.headers.get('etag');
  assert.match(etag, /^"[0-9a-f]{32}"$/);
  for (const known of [etag, `"x", W/${etag}`, '*']) {
    const same = await h.request('GET', at, { token: where.token, headers: { 'if-none-match': known } });
    assert.deepEqual([same.status, same.text, same.headers.get('etag'), same.headers.get('content-length')], [304, '', etag, null], known);
  }
  await write('b'.repeat(40), 1);
  const next = await h.request('GET', at, { token: where.token, headers: { 'if-none-match': etag } });
  assert.deepEqual([next.status, next.json.commit], [200, 'b'.repeat(40)]);
  // Another person who connects it reads it at once, and one who does not reads nothing.
  const [other] = await people(where.name, 1);
  assert.equal((await h.request('GET', at, { token: other })).status, 404);
  const second = await connected(where, other);
  const shared = await h.request('GET', at, { token: other });
  assert.deepEqual([shared.status, shared.json.installation_id, shared.json.commit], [200, second, 'b'.repeat(40)]);
  assert.deepEqual((await h.request('GET', where.at, { token: other })).json.profile, profile(1));
  assert.equal((await leave(where, { token: other })).status, 200);
  assert.equal((await h.request('GET', at, { token: other })).status, 404);
  assert.equal((await h.request('GET', at, { token: null })).text, '{"detail":"Unauthorized"}');
});

// ---- the command line ----

test('the command line: list, list --all, disconnect, disconnect --force, rescan --if-needed', async () => {
  const where = await somewhere();
  const cli = (...args) => h.cli(args, { REPOBUS_TOKEN: where.token });
  assert.match((await cli('list')).stdout, /^Nothing is connected: .*list --all/);
  assert.match((await cli('list', '--all')).stdout, new RegExp(`^${where.repo}  not connected\n$`));
  assert.equal((await cli('disconnect', where.repo)).code, 7);
  assert.equal((await cli('disconnect')).code, 2);
  const id = await connected(where);
  assert.match((await cli('list')).stdout, new RegExp(`^${where.repo}  active  since `));
  assert.match((await cli('list', '--all')).stdout, new RegExp(`^${where.repo}  active\n$`));
  const all = JSON.parse((await cli('list', '--all', '--json')).stdout);
  assert.deepEqual([all.repos.length, all.repos[0].admin, all.complete], [1, true, true]);
  await h.rows("update installations set health = 'hook_missing', health_reason = 'the webhook is gone' where id = $1", [id]);
  assert.match((await cli('status', where.repo)).stdout, /unhealthy: the webhook is gone/);
  assert.equal((await cli('rescan', '--no-wait', where.repo)).code, 4);
  assert.match((await cli('rescan', '--no-wait', '--if-needed', where.repo)).stdout, /being worked on already/);
  await h.fault({ method: 'DELETE', path: `${where.github}/hooks`, kind: 'status', status: 503, count: 0 });
  const refused = await cli('disconnect', where.repo);
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /Failed to remove webhook: GitHub is unavailable[^]*--force/);
  const forced = await cli('disconnect', '--force', where.repo);
  assert.deepEqual([forced.code, forced.stdout], [0, `disconnected  ${where.repo}\n`]);
  await assertGone(where, id, { left: true });
});

test('no secret in the log of the edge', () => {
  const log = h.get('edge').lines.join('\n');
  for (const secret of [h.secretKey, h.alice, 'token-', 'Bearer']) assert.ok(!log.includes(secret), secret);
  assert.match(log, /disconnected repo=acme\/life/);
});
