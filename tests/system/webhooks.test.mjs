// What GitHub sends: verified, once per hook and delivery, on the bus.

import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createRequire } from 'node:module';
import { sign } from '@octokit/webhooks-methods';
import { freePort, House, until } from './harness.mjs';
import { bus } from './nats.mjs';

const examples = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json');
let h, hook;
const where = '/api/v1/webhooks/github';

/** Sends a delivery as GitHub does; `body` is text or an object. */
async function deliver(body, { event = 'issues', id = randomUUID(), secret = hook.secret, hookId = hook.id, headers = {}, url = h.url, type = 'application/json' } = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return h.request('POST', where, {
    token: null, url, body: text,
    headers: {
      'content-type': type, 'user-agent': 'GitHub-Hookshot/test', 'x-github-event': event, 'x-github-delivery': id,
      'x-github-hook-id': String(hookId), 'x-github-hook-installation-target-type': 'repository',
      'x-github-hook-installation-target-id': '1', 'x-hub-signature-256': await sign(secret, text), ...headers,
    },
  });
}

const issue = (more = {}) => ({ action: 'opened', issue: { number: 1, title: 'Größe' }, repository: { id: hook.repoId, full_name: 'acme/shop' }, ...more });
const deliveries = (id) => h.rows('select * from deliveries where delivery_id = $1', [id]);
const outbox = async (id) => (await h.rows(`select o.subject, o.body, o.id from outbox o join deliveries d on d.event_id = o.id where d.delivery_id = $1`, [id])).map((row) => ({ ...row, event: JSON.parse(row.body) }));

before(async () => {
  h = await House.start({ programs: [] });
  h.edgePort = await freePort();
  h.env.BACKEND_URL = `http://127.0.0.1:${h.edgePort}`; // where the stand-in's hooks deliver to
  await h.launch('edge');
  h.alice = await h.token('alice');
  const { json } = await h.install();
  const [{ id, secret }] = await h.hooks();
  const [row] = await h.rows('select repo_id from installations where id = $1', [json.installation_id]);
  hook = { id, secret, installation: json.installation_id, repoId: Number(row.repo_id) };
});
after(() => h?.stop());

test("GitHub's own ping is answered, though it may come before our commit", async () => {
  const ping = await until('the ping', async () => (await (await fetch(`${h.githubUrl}/repos/acme/shop/hooks/${hook.id}/deliveries`, { headers: { authorization: 'Bearer token-alice' } })).json()).find((d) => d.event === 'ping' && d.status_code));
  assert.equal(ping.status_code, 200);
  assert.deepEqual((await deliveries(ping.guid)).map((row) => [Number(row.hook_id), row.event, row.outcome, row.event_id, row.payload]), [[hook.id, 'ping', 'ping', null, null]]);
});

test('of a connect under way the ping is taken, all else is to come again', async () => {
  const repoId = 4711;
  await h.control('POST', '/repos', { owner: 'acme', name: 'late', path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'late', login: 'alice', permission: 'admin' });
  const { json } = await h.install('acme/late');
  const { secret } = (await h.hooks()).find((found) => found.id !== hook.id);
  const hookId = 4711; // of the hook that was made, a thread may remember the secret: the stand-in's own ping comes when it comes
  // As it stands between GitHub's answer and our commit: the number of the hook is not in the record yet.
  await h.rows(`update installations set state = 'reserved', reserved_until = now() + interval '1 hour', repo_id = $2, webhook_id = null where id = $1`, [json.installation_id, repoId]);
  const send = (event, more = {}) => deliver(issue(), { event, secret, hookId, headers: { 'x-github-hook-installation-target-id': String(repoId) }, ...more });
  const id = randomUUID();
  const [ping, other, stranger] = [await send('ping', { id }), await send('issues'), await send('ping', { secret: 'wrong' })];
  assert.deepEqual([ping.status, ping.json], [200, { status: 'ping' }]);
  assert.equal((await deliveries(id))[0].outcome, 'ping');
  assert.equal(other.status, 503);
  assert.match(other.json.detail, /being connected/);
  assert.equal(other.headers.get('retry-after'), '5');
  assert.equal(stranger.status, 401);
  await h.rows(`update installations set state = 'active', reserved_until = null, repo_id = $2, webhook_id = $3 where id = $1`, [json.installation_id, repoId, hookId]);
  assert.equal((await send('issues')).status, 200);
  await h.rows('delete from installations where id = $1', [json.installation_id]);
  await h.control('DELETE', '/repos/acme/late');
});

test('what the stand-in delivers as GitHub does arrives', async () => {
  const [result] = await h.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload: issue({ action: 'closed' }) });
  assert.equal(result.status, 200);
  assert.equal((await outbox(result.delivery))[0].event.data.action, 'closed');
});

test('an issue becomes one event with its payload, its installations and its ids', async () => {
  const id = randomUUID();
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const answer = await deliver(issue(), { id, headers: { traceparent: trace } });
  assert.deepEqual([answer.status, answer.json], [200, { status: 'published' }]);
  const [{ event, subject, id: eventId }] = await outbox(id);
  assert.equal(subject, 'github.issues');
  assert.equal(event.id, eventId);
  assert.equal(event.type, 'dev.repobus.github.issues');
  assert.equal(event.traceparent.split('-')[1], trace.split('-')[1]);
  assert.deepEqual(event.data, {
    installation_ids: [hook.installation], hook_id: hook.id, repo_id: hook.repoId, repo: 'acme/shop', action: 'opened', delivery_id: id, payload: issue(),
  });
  const { nc, jsm } = await bus(h.natsUrl);
  try {
    const message = await until('the event on the bus', async () => {
      const found = await jsm.streams.getMessage('REPOBUS', { last_by_subj: 'github.issues' });
      return found?.json().id === eventId && found;
    });
    assert.equal(message.header.get('Nats-Msg-Id'), eventId);
  } finally {
    await nc.close();
  }
});

test("all of Octokit's examples of pull requests and issues are taken whole", async () => {
  for (const { name, examples: payloads } of examples.filter(({ name }) => name === 'pull_request' || name === 'issues')) {
    for (const payload of payloads) {
      const id = randomUUID();
      const answer = await deliver(payload, { event: name, id });
      assert.equal(answer.status, 200, answer.text);
      const [{ event }] = await outbox(id);
      assert.deepEqual(event.data.payload, payload);
      assert.equal(event.data.action, payload.action);
      assert.equal(event.data.repo_id, payload.repository.id);
    }
  }
  await h.rows('update installations set repo_full_name = $1 where id = $2', ['acme/shop', hook.installation]);
});

test('a form is as good as JSON', async () => {
  const id = randomUUID();
  const body = new URLSearchParams({ payload: JSON.stringify(issue({ issue: { number: 2, title: 'a+b & c=d %' } })) }).toString();
  const answer = await deliver(body, { id, type: 'application/x-www-form-urlencoded' });
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await outbox(id))[0].event.data.payload.issue.title, 'a+b & c=d %');
});

test('what is not of interest is acknowledged and recorded, without an event', async () => {
  const id = randomUUID();
  const answer = await deliver({ ref: 'refs/heads/main', repository: { id: hook.repoId, full_name: 'acme/shop' } }, { event: 'push', id });
  assert.deepEqual([answer.status, answer.json], [200, { status: 'ignored' }]);
  assert.deepEqual(await outbox(id), []);
  assert.equal((await deliveries(id))[0].outcome, 'ignored');
});

test('what is not from GitHub is refused, and cannot tell why', async () => {
  const body = JSON.stringify(issue());
  const right = await sign(hook.secret, body);
  const refused = { detail: 'The hook is not known or the signature is wrong' };
  const cases = {
    'another secret': { secret: 'wrong' },
    'an unknown hook': { hookId: 999 },
    'no hook': { headers: { 'x-github-hook-id': '' } },
    'a hook that is no number': { headers: { 'x-github-hook-id': `${hook.id} or 1=1` } },
    'a huge hook': { headers: { 'x-github-hook-id': '9'.repeat(40) } },
    'no signature': { headers: { 'x-hub-signature-256': '' } },
    'SHA-1': { headers: { 'x-hub-signature-256': `sha1=${createHmac('sha1', hook.secret).update(body).digest('hex')}` } },
    'a cut signature': { headers: { 'x-hub-signature-256': right.slice(0, -1) } },
    'upper case': { headers: { 'x-hub-signature-256': right.toUpperCase() } },
    'an empty secret': { headers: { 'x-hub-signature-256': `sha256=${createHmac('sha256', '').update(body).digest('hex')}` } },
  };
  const before = (await h.rows('select count(*) from deliveries'))[0].count;
  for (const [what, options] of Object.entries(cases)) {
    const answer = await deliver(body, options);
    assert.deepEqual([answer.status, answer.json], [401, refused], what);
  }
  const changed = await h.request('POST', where, { token: null, body: `${body} `, headers: { 'x-github-event': 'issues', 'x-github-delivery': randomUUID(), 'x-github-hook-id': String(hook.id), 'x-hub-signature-256': right } });
  assert.equal(changed.status, 401);
  assert.equal((await h.rows('select count(*) from deliveries'))[0].count, before);
});

test('what is signed and makes no sense gets a reason', async () => {
  for (const [body, options, reason] of [
    ['{"action":', {}, /no JSON/],
    ['\xff{}', {}, /no JSON/],
    ['[1,2', {}, /no JSON/],
    ['[{}]', {}, /no JSON object/],
    [' 7', {}, /no JSON object/],
    ['{}', {}, /names no repository/],
    ['[]', {}, /no JSON object/],
    ['{"repository":{"id":"7","full_name":"a/b"}}', {}, /names no repository/],
    ['{"repository":{"id":7,"full_name":"a/b/../c"}}', {}, /names no repository/],
    [issue(), { headers: { 'x-github-event': 'Issues; drop' } }, /names no event/],
    [issue(), { id: 'not-a-uuid' }, /no UUID/],
    ['nothing=here', { type: 'application/x-www-form-urlencoded' }, /no field named payload/],
  ]) {
    const answer = await deliver(body, options);
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.json.detail, reason);
  }
});

test('the same delivery twice, at once and over two edges, is one event', async () => {
  const other = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  try {
    const id = randomUUID();
    const answers = await Promise.all(Array.from({ length: 16 }, (_, i) => deliver(issue(), { id, url: i % 2 ? other.url : h.url })));
    assert.ok(answers.every((answer) => answer.status === 200));
    assert.equal(answers.filter((answer) => answer.json.status === 'published').length, 1);
    assert.equal(answers.filter((answer) => answer.json.status === 'already received').length, 15);
    assert.equal((await outbox(id)).length, 1);
  } finally {
    await other.stop();
  }
});

test('one delivery id for two hooks is two events', async () => {
  await h.control('POST', '/repos', { owner: 'acme', name: 'other', path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'other', login: 'alice', permission: 'admin' });
  const { json } = await h.install('acme/other');
  const other = (await h.hooks()).find((found) => found.id !== hook.id);
  const id = randomUUID();
  const answers = await Promise.all([deliver(issue(), { id }), deliver(issue(), { id, hookId: other.id, secret: other.secret })]);
  assert.deepEqual(answers.map((answer) => answer.json), [{ status: 'published' }, { status: 'published' }]);
  assert.deepEqual((await outbox(id)).map(({ event }) => [event.data.hook_id, event.data.installation_ids]).sort(), [[hook.id, [hook.installation]], [other.id, [json.installation_id]]].sort());
  // The secret of one hook opens nothing at the other, and one that is sealed for another row opens nothing at all.
  assert.equal((await deliver(issue(), { hookId: other.id })).status, 401);
  await h.rows('update installations set webhook_secret = (select webhook_secret from installations where id = $2), webhook_id = 4712 where id = $1', [json.installation_id, hook.installation]);
  assert.equal((await deliver(issue(), { hookId: 4712 })).status, 401);
  await h.rows('delete from installations where id = $1', [json.installation_id]);
  await h.control('DELETE', '/repos/acme/other');
});

test('the same delivery twice in one commit is one event, and each is answered', async () => {
  const rounds = await Promise.all(Array.from({ length: 20 }, async () => {
    const id = randomUUID();
    const answers = await Promise.all([deliver(issue(), { id }), deliver(issue(), { id: id.toUpperCase() }), deliver(issue(), { id })]);
    return [answers.map((answer) => answer.json.status).sort(), (await outbox(id)).length];
  }));
  for (const round of rounds) assert.deepEqual(round, [['already received', 'already received', 'published'], 1]);
});

test('one that cannot be written takes no other with it', async () => {
  await h.rows(`create function refuse() returns trigger language plpgsql as $$ begin if new.action = 'locked' then raise exception 'no'; end if; return new; end $$`);
  await h.rows('create trigger refuse before insert on deliveries for each row execute function refuse()');
  const metric = async (name) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec((await h.request('GET', '/metrics', { token: null })).text)?.[1] ?? 0);
  const lock = await h.db.connect();
  try {
    // While the first waits for the lock the others gather behind it. On a machine so slow that this takes longer than
    // GitHub is kept waiting, all are told to come again: then once more, with others.
    const { ids, answers } = await until('a round within the time that GitHub is kept waiting', async () => {
      const ids = Array.from({ length: 24 }, () => randomUUID());
      await lock.query('begin');
      await lock.query('lock table deliveries in access exclusive mode');
      const sent = Promise.all(ids.map((id, i) => deliver(issue({ action: i === 12 ? 'locked' : 'opened' }), { id })));
      await until('all are on their way', async () => (await metric('repobus_webhooks_waiting')) === ids.length);
      await lock.query('commit');
      const answers = await sent;
      return answers.some((answer) => answer.status !== 503) && { ids, answers };
    });
    assert.deepEqual(answers.map((answer) => answer.status), ids.map((id, i) => (i === 12 ? 503 : 200)));
    assert.deepEqual(await deliveries(ids[12]), []);
    for (const id of ids.filter((id, i) => i !== 12)) assert.equal((await outbox(id)).length, 1);
  } finally {
    lock.release();
    await h.rows('drop trigger refuse on deliveries');
  }
  await until('none is waiting any more', async () => (await metric('repobus_webhooks_waiting')) === 0);
});

test('while the database hangs GitHub is told so within its ten seconds', async () => {
  const lock = await h.db.connect();
  await lock.query('begin');
  await lock.query('lock table deliveries in access exclusive mode');
  try {
    // The stand-in gives up when GitHub does, and then reports no status.
    const results = await Promise.all(Array.from({ length: 5 }, () => h.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload: issue() })));
    assert.deepEqual(results.flat().map((result) => result.status), [503, 503, 503, 503, 503]);
    await lock.query('rollback');
    for (const [{ delivery }] of results) await until('it is taken when it comes again', async () => (await deliver(issue(), { id: delivery })).status === 200);
    for (const [{ delivery }] of results) assert.equal((await outbox(delivery)).length, 1);
  } finally {
    lock.release(true);
  }
});

test('a shared hook is one event for both', async () => {
  const bob = await h.token('bob');
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login: 'bob', permission: 'admin' });
  const { json } = await h.install('acme/shop', { token: bob });
  const id = randomUUID();
  assert.equal((await deliver(issue(), { id })).status, 200);
  const events = await outbox(id);
  assert.equal(events.length, 1);
  assert.deepEqual(events[0].event.data.installation_ids, [hook.installation, json.installation_id]);
});

test('a payload too large for the bus goes by reference, to the byte', async () => {
  const id = randomUUID();
  const big = issue({ issue: { number: 3, body: 'x'.repeat(24 * 1024 * 1024) } });
  const text = JSON.stringify(big);
  const answer = await deliver(text, { id });
  assert.equal(answer.status, 200, answer.text);
  const [{ event }] = await outbox(id);
  assert.equal(event.data.payload, undefined);
  assert.equal(event.data.payload_size, Buffer.byteLength(text));
  const [row] = await deliveries(id);
  assert.ok(row.payload.equals(Buffer.from(text)));
});

test('what JSON allows and some readers refuse goes by reference, in either content type', async () => {
  // A zero byte is such; a backslash before "u0000" is none.
  for (const [title, isReferred] of [['a\0b', true], ['a\\u0000b', false], ['\\\0', true]]) {
    for (const type of ['application/json', 'application/x-www-form-urlencoded']) {
      const id = randomUUID();
      const text = JSON.stringify(issue({ issue: { number: 4, title } }));
      assert.match(text, /\\u0000/);
      const body = type === 'application/json' ? text : new URLSearchParams({ payload: text }).toString();
      assert.equal((await deliver(body, { id, type })).status, 200);
      const [{ event }] = await outbox(id);
      const [{ payload }] = await deliveries(id);
      if (isReferred) {
        assert.deepEqual([event.data.payload, event.data.payload_size], [undefined, text.length]);
        assert.ok(payload.equals(Buffer.from(text)));
      } else {
        assert.equal(event.data.payload.issue.title, title);
        assert.equal(payload, null);
      }
    }
  }
});

test('a body beyond what GitHub sends is refused', async () => {
  assert.equal((await deliver(issue({ issue: { number: 5, body: 'x'.repeat(26 * 1024 * 1024) } }))).status, 413);
  const answer = await h.request('POST', where, { token: null, body: Buffer.alloc(77 * 1024 * 1024) }).catch((error) => ({ status: error.cause?.code ?? String(error) }));
  assert.ok([413, 'EPIPE', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(answer.status), String(answer.status));
});

test('the repository follows the name its payloads give it', async () => {
  const answer = await deliver(issue({ repository: { id: hook.repoId, full_name: 'acme/store' } }));
  assert.equal(answer.status, 200);
  await until('the new name', async () => (await h.rows('select 1 from installations where id = $1 and repo_full_name = $2', [hook.installation, 'acme/store'])).length === 1);
  assert.equal((await deliver(issue())).status, 200);
  await until('the old name again', async () => (await h.rows('select 1 from installations where id = $1 and repo_full_name = $2', [hook.installation, 'acme/shop'])).length === 1);
});

test('what came can be read, newest first, a page at a time', async () => {
  const ids = [];
  for (let i = 0; i < 5; i++) {
    ids.push(randomUUID());
    await deliver(issue(), { id: ids[i] });
  }
  const first = await h.request('GET', '/api/v1/repos/acme/shop/deliveries?limit=2');
  assert.equal(first.status, 200, first.text);
  assert.deepEqual(first.json.deliveries.map((d) => d.delivery_id), [ids[4], ids[3]]);
  const second = await h.request('GET', `/api/v1/repos/acme/shop/deliveries?limit=3&before=${ids[3]}`);
  assert.deepEqual(second.json.deliveries.map((d) => d.delivery_id), [ids[2], ids[1], ids[0]]);
  const shown = await until('it is published', async () => {
    const { json } = await h.request('GET', '/api/v1/repos/acme/shop/deliveries?limit=1');
    return json.deliveries[0].published_at && json.deliveries[0];
  });
  assert.deepEqual([shown.event, shown.action, shown.outcome], ['issues', 'opened', 'published']);
  for (const bad of ['limit=0', 'limit=x', 'limit=1001', 'before=x']) assert.equal((await h.request('GET', `/api/v1/repos/acme/shop/deliveries?${bad}`)).status, 422, bad);
  assert.equal((await h.request('GET', '/api/v1/repos/acme/none/deliveries')).status, 404);
  assert.equal((await h.request('GET', '/api/v1/repos/acme/shop/deliveries', { token: null })).status, 401);
});

test('200 means kept: kill -9 after the answer loses nothing', async () => {
  const id = randomUUID();
  assert.equal((await deliver(issue(), { id })).status, 200);
  await h.get('edge').kill();
  assert.equal((await outbox(id)).length, 1);
  await h.launch('edge');
  await until('it is published', async () => (await h.rows('select 1 from outbox o join deliveries d on d.event_id = o.id where d.delivery_id = $1 and o.published_at is not null', [id])).length === 1);
});

test('a disconnected hook is refused at once, whatever a thread remembers', async () => {
  assert.equal((await deliver(issue())).status, 200);
  await h.rows(`update installations set state = 'disconnected' where webhook_id = $1`, [hook.id]);
  const answer = await deliver(issue());
  assert.equal(answer.status, 401);
  await h.rows(`update installations set state = 'active' where webhook_id = $1`, [hook.id]);
});

test('without the database GitHub is told to come again, in time', async () => {
  await h.server('postgres', 'stop');
  const id = randomUUID();
  const answer = await deliver(issue(), { id });
  assert.equal(answer.status, 503);
  await h.server('postgres', 'start');
  await until('it is taken', async () => (await deliver(issue(), { id })).status === 200);
  assert.equal((await outbox(id)).length, 1);
});
