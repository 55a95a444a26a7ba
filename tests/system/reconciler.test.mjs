// What the reconciler puts right: crashes, hooks that were left, what changed on GitHub, deliveries that never arrived.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { House, until } from './harness.mjs';

let h, receiver, nth = 0;
const received = [];
let answer = 200;

before(async () => {
  receiver = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      received.push({ event: request.headers['x-github-event'], id: request.headers['x-github-delivery'], status: answer });
      response.writeHead(answer).end();
    });
  });
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  // The hooks lead to the test's own receiver, so that it decides what becomes of a delivery.
  h = await House.start({
    programs: ['edge'],
    env: { BACKEND_URL: `http://127.0.0.1:${receiver.address().port}`, CHECK_SECONDS: '1', DELIVERIES_SECONDS: '1', RECONCILE_SECONDS: '1' },
  });
});
after(async () => {
  receiver?.close();
  await h?.stop();
});

let repo, id, hook, login;
beforeEach(async () => {
  answer = 200;
  repo = `acme/r${++nth}`;
  // A person for each test: what the reconciler may ask for one in an hour is a share that slow tests together would use up.
  login = `person${nth}`;
  await h.control('POST', '/users', { login, token: `token-${login}`, scopes: 'repo' });
  h.alice = await h.token(login);
  await h.control('POST', '/repos', { owner: 'acme', name: `r${nth}`, path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: `r${nth}`, login, permission: 'admin' });
  const connected = await h.install(repo);
  assert.equal(connected.status, 200, connected.text);
  id = connected.json.installation_id;
  hook = (await hookOf()).id;
  // Those of the tests before are looked at no more.
  await h.rows("update installations set checked_at = now() + interval '1 day' where id <> $1 and state = 'active'", [id]);
  await h.rows("update hook_checks set checked_at = now() + interval '1 day' where hook_id <> $1", [hook]);
});

const row = async (installation = id) => (await h.rows('select * from installations where id = $1', [installation]))[0];
const hookOf = async (name = repo) => (await h.hooks()).find((one) => one.repo === name);
const events = (subject, installation = id) => h.rows(`select body::jsonb as event from outbox where subject = $1 and (body::jsonb #>> '{data,installation_id}')::bigint = $2 order by position`, [subject, installation]);
const asGithub = (method, where, body) => fetch(`${h.githubUrl}/repos/${repo}${where}`, { method, body: body && JSON.stringify(body), headers: { authorization: `Bearer token-${login}`, 'user-agent': 'test' } });
const healthIs = (health) => until(`health is ${health}`, async () => (await row()).health === health && row());
const metric = async (what) => Number(new RegExp(`^repobus_reconciled_total\\{what="${what}"\\} (\\d+)`, 'm').exec((await h.request('GET', '/metrics', { token: null })).text)?.[1] ?? 0);

test('a disconnect that a crash left half way is finished, whether the hook is there or not', async () => {
  for (const gone of [false, true]) {
    const at = await row();
    if (gone) await asGithub('DELETE', `/hooks/${(await hookOf()).id}`);
    await h.rows(`update installations set leaving_until = now() - interval '1 second' where id = $1`, [at.id]);
    const after_ = await until('it is disconnected', async () => (await row(at.id)).state === 'disconnected' && row(at.id));
    assert.equal(after_.hook_left, false);
    assert.equal(after_.leaving_until, null);
    assert.ok(Number(after_.generation) > Number(at.generation));
    assert.equal(await hookOf(), undefined);
    const [{ event }] = await events('repo.disconnected', at.id);
    assert.equal(event.data.generation, Number(after_.generation));
    const again = await h.install(repo);
    assert.equal(again.status, 200, again.text);
    id = again.json.installation_id;
  }
});

test('of two who share a hook one leaves in a crash, and the hook stays', async () => {
  const bob = await h.token('bob');
  await h.control('POST', '/permissions', { owner: 'acme', repo: repo.split('/')[1], login: 'bob', permission: 'admin' });
  const second = await h.install(repo, { token: bob });
  assert.equal(second.status, 200, second.text);
  await h.rows(`update installations set leaving_until = now() - interval '1 second' where id = $1`, [id]);
  await until('it is disconnected', async () => (await row()).state === 'disconnected');
  assert.equal((await hookOf()).id, hook);
  assert.equal((await row(second.json.installation_id)).state, 'active');
});

test('while GitHub is away a disconnect waits, and nothing is lost', async () => {
  await h.fault({ method: 'DELETE', path: `/repos/${repo}/hooks`, kind: 'status', status: 503, count: 2 });
  await h.rows(`update installations set leaving_until = now() - interval '1 second' where id = $1`, [id]);
  await until('it is disconnected', async () => (await row()).state === 'disconnected');
  assert.equal(await hookOf(), undefined);
  assert.equal((await events('repo.disconnected')).length, 1);
});

test('a hook that a forced disconnect left is removed, and one that was adopted since is not', async () => {
  await h.fault({ method: 'DELETE', path: `/repos/${repo}/hooks`, kind: 'status', status: 500, count: 1 });
  const forced = await h.request('DELETE', `/api/v1/repos/${repo}/install?force=true`);
  assert.equal(forced.status, 200, forced.text);
  await until('it is removed', async () => !(await hookOf()));
  await until('and known to be', async () => (await row()).hook_left === false && (await row()).leaving_until === null);
  // Another one, which a new connect takes over before the sweeper comes.
  const again = await h.install(repo);
  id = again.json.installation_id;
  await h.rows(`update installations set state = 'disconnected', hook_left = true, disconnected_at = now(), checked_at = now() where id = $1`, [id]);
  const third = await h.install(repo);
  assert.equal(third.status, 200, third.text);
  await h.rows(`update installations set checked_at = null where id = $1`, [id]);
  await until('it is known to be owned', async () => (await row()).hook_left === false);
  assert.ok(await hookOf());
  assert.equal((await row(third.json.installation_id)).state, 'active');
});

test('a hook that nobody can reach is given up after a month, and said', async () => {
  await h.rows(`update installations set state = 'disconnected', hook_left = true, disconnected_at = now() - interval '31 days', checked_at = null where id = $1`, [id]);
  await h.control('POST', '/permissions', { owner: 'acme', repo: repo.split('/')[1], login, permission: 'none' });
  await until('it is given up', async () => (await row()).hook_left === false);
  await h.get('edge').line(new RegExp(`gave up hook=${hook} of repo=${repo}`));
});

test('a claim that a crashed sweep left on such a hook does not block the repository for ever', async () => {
  await h.rows(`update installations set state = 'disconnected', hook_left = true, disconnected_at = now(), checked_at = now(), leaving_until = now() + interval '1 second' where id = $1`, [id]);
  await until('it is taken up again', async () => (await row()).leaving_until === null && !(await row()).hook_left);
  assert.equal((await h.install(repo)).status, 200);
});

for (const [what, health, break_, mend] of [
  ['a hook that somebody removed', 'hook_missing', () => asGithub('DELETE', `/hooks/${hook}`)],
  ['a hook that somebody disabled', 'hook_disabled', () => asGithub('PATCH', `/hooks/${hook}`, { active: false }), () => asGithub('PATCH', `/hooks/${hook}`, { active: true })],
  ['a hook with another address', 'hook_missing', () => asGithub('PATCH', `/hooks/${hook}`, { config: { url: 'https://elsewhere.example', content_type: 'json' } })],
  ['access that was lost', 'access_lost', () => h.control('POST', '/permissions', { owner: 'acme', repo: repo.split('/')[1], login, permission: 'none' }), () => h.control('POST', '/permissions', { owner: 'acme', repo: repo.split('/')[1], login, permission: 'admin' })],
  ['rights that were taken', 'access_lost', () => h.control('POST', '/permissions', { owner: 'acme', repo: repo.split('/')[1], login, permission: 'read' }), () => h.control('POST', '/permissions', { owner: 'acme', repo: repo.split('/')[1], login, permission: 'admin' })],
  ['a repository that is gone', 'access_lost', () => h.control('DELETE', `/repos/${repo}`)],
]) {
  test(`${what} is noticed, told once, and ${mend ? 'forgotten when it is mended' : 'shown'}`, async () => {
    await break_();
    const unwell = await healthIs(health);
    assert.ok(unwell.health_reason.length > 20);
    assert.ok(unwell.health_since);
    await until('it is looked at again', async () => (await row()).checked_at > unwell.checked_at);
    const told = await events('repo.unhealthy');
    assert.equal(told.length, 1);
    const { reason, ...data } = told[0].event.data;
    assert.deepEqual(data, { installation_id: id, generation: Number(unwell.generation), repo_id: Number(unwell.repo_id), repo, user_id: Number(unwell.user_id), health });
    assert.equal(reason, unwell.health_reason);
    const { json } = await h.request('GET', `/api/v1/repos/${repo}`);
    assert.deepEqual([json.health, json.health_reason], [health, unwell.health_reason]);
    if (!mend) return;
    await mend();
    const well = await healthIs('ok');
    assert.equal(well.health_reason, '');
    assert.equal((await events('repo.unhealthy')).length, 1);
  });
}

test('a token that does not open, or that GitHub refuses, is said to be invalid', async () => {
  const [{ token_sealed: sealed }] = await h.rows('select token_sealed from users where login = $1', [login]);
  await h.rows(`update users set token_sealed = '\\x00' where login = $1`, [login]);
  assert.match((await healthIs('token_invalid')).health_reason, /sign in again/);
  await h.rows('update users set token_sealed = $1 where login = $2', [sealed, login]);
  await healthIs('ok');
});

test('the installation follows a new name', async () => {
  await h.control('POST', `/repos/${repo}/rename`, { owner: 'acme', name: `renamed${nth}` });
  await until('the new name', async () => (await row()).repo_full_name === `acme/renamed${nth}`);
  assert.equal((await row()).health, 'ok');
  assert.equal((await h.request('GET', `/api/v1/repos/acme/renamed${nth}`)).status, 200);
});

test('what GitHub could not deliver is asked for again until it has arrived, and not for ever', async () => {
  answer = 500;
  const deliver = (delivery) => h.control('POST', '/deliver', { owner: 'acme', repo: repo.split('/')[1], event: 'issues', delivery, payload: { action: 'opened' } });
  const [lost] = await deliver();
  assert.equal(lost.status, 500);
  answer = 200;
  const arrived = (guid) => received.filter((one) => one.id === guid);
  await until('it has arrived', () => arrived(lost.delivery).some((one) => one.status === 200));
  const count = arrived(lost.delivery).length;
  // A second failure shows that a whole further look has passed without asking for the first again.
  answer = 500;
  const [hopeless] = await deliver();
  await until('it is given up after four attempts', () => arrived(hopeless.delivery).length === 4);
  const looked = async () => (await h.rows('select checked_at from hook_checks where hook_id = $1', [hook]))[0].checked_at;
  for (let i = 0; i < 2; i++) {
    const last = await looked();
    await until('another look', async () => (await looked()) > last);
  }
  assert.equal(arrived(hopeless.delivery).length, 4);
  assert.equal(arrived(lost.delivery).length, count);
  // What we have, though GitHub thinks it failed, is not asked for.
  const known = '11111111-2222-4333-8444-555555555555';
  await h.rows(`insert into deliveries (hook_id, delivery_id, event, outcome) values ($1, $2, 'issues', 'published')`, [hook, known]);
  await deliver(known);
  for (let i = 0; i < 2; i++) {
    const last = await looked();
    await until('another look', async () => (await looked()) > last);
  }
  assert.equal(arrived(known).length, 1);
  assert.ok(await metric('deliveries_asked_for') >= 4);
});

test('a person near the end of their requests is left alone', async () => {
  await h.control('POST', '/limits', { rate_remaining: 900 });
  await until('the sweep notices', async () => {
    const at = (await h.control('GET', '/requests')).length;
    const checked = (await row()).checked_at;
    await until('another look', async () => (await row()).checked_at > checked);
    return (await h.control('GET', '/requests')).length === at;
  });
  await h.control('POST', '/limits', { rate_remaining: 5000 });
  assert.equal((await row()).health, 'ok');
});
