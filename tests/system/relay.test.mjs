// The relay of the outbox: what one that ends or stands still half way leaves to the next is on the stream once, in its order.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { House, until } from './harness.mjs';
import { bus } from './nats.mjs';

const batch = 128; // RELAY_BATCH of edge/relay.c
let h, nc, js, jsm;
before(async () => {
  h = await House.start({ programs: [] });
  ({ nc, js, jsm } = await bus(h.natsUrl));
});
after(async () => {
  await nc?.close();
  await h?.stop();
});

/** Commits `count` events, as the edge writes them. */
function commit(count) {
  const events = Array.from({ length: count }, () => ({ id: randomUUID(), specversion: '1.0', type: 'repo.connected', source: '/test' }));
  return h.rows(`with event as (insert into outbox_events (id, subject, body, created_at)
      select (body ->> 'id')::uuid, 'repo.connected', body, clock_timestamp() from jsonb_array_elements($1::jsonb) as body returning position, id)
    insert into outbox_waiting select position, id from event`, [JSON.stringify(events)]);
}

const count = async (sql) => Number((await h.rows(`select count(*) as n from ${sql}`))[0].n);
const stream = () => jsm.streams.info('REPOBUS').then(({ state }) => state, () => ({ messages: 0 }));

/** While `work` is done the relay can read what waits, publish it, and not mark it. */
async function withoutMarks(work) {
  const client = await h.db.connect();
  try {
    await client.query('begin');
    await client.query('lock table outbox_waiting in share mode');
    await work();
  } finally {
    await client.query('rollback');
    client.release();
  }
}

const isActive = async () => (await count(`pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' and application_name = 'repobus-relay'`)) === 1;

/** Ends the relay's session: its lock goes, and so does a mark that waits. */
async function endSession() {
  const sessions = await h.rows(`select pg_terminate_backend(pid) from pg_stat_activity a where application_name = 'repobus-relay'
    and exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory')`);
  assert.equal(sessions.length, 1, 'one relay is active');
}

/** Nothing waits, and the stream has each event once, all in the order of the outbox. */
async function assertPublished() {
  await until('nothing waits', async () => (await count('outbox_waiting')) === 0);
  const { messages } = await stream();
  const ids = [];
  for await (const message of await (await js.consumers.get('REPOBUS')).consume()) {
    if (ids.push(message.headers.get('Nats-Msg-Id')) === messages) break;
  }
  assert.deepEqual(ids, (await h.rows('select id from outbox_events order by position')).map(({ id }) => id));
}

test('killed between publishing and marking: published again under the same ids, which the stream drops', async () => {
  await commit(3 * batch);
  await withoutMarks(async () => {
    const edge = await h.launch('edge');
    // The second batch is under way while the first one is marked.
    await until('two batches are published', async () => (await stream()).messages === 2 * batch);
    edge.child.kill('SIGKILL');
    await edge.exited;
    await endSession(); // PostgreSQL would not notice before the mark is made
  });
  assert.equal(await count('outbox_waiting'), 3 * batch);
  await h.launch('edge');
  await assertPublished();
});

test('two relays at once, each with the same events in hand', async () => {
  const had = (await stream()).messages, first = h.get('edge');
  first.child.kill('SIGSTOP'); // what it would publish at once is there first
  await commit(4 * batch);
  await withoutMarks(async () => {
    first.child.kill('SIGCONT');
    await until('the first has published', async () => (await stream()).messages === had + 2 * batch);
    first.child.kill('SIGSTOP'); // it holds two batches and believes that it is the relay
    await endSession();
    await h.launch('edge', { AS: 'edge2', PORT: '0' });
    await until('another is the relay', isActive);
    first.child.kill('SIGCONT');
  });
  await assertPublished();
  // Both are alive, and one of them goes on.
  await commit(1);
  await assertPublished();
  for (const name of ['edge', 'edge2']) assert.ok(h.get(name).isRunning, name);
});

test('a relay that stands still is not waited for', async () => {
  const [first, second] = ['edge', 'edge2'].map((name) => h.get(name));
  first.child.kill('SIGKILL');
  await first.exited;
  await commit(1);
  await assertPublished();
  assert.ok(await isActive(), 'the second is the relay');
  second.child.kill('SIGSTOP');
  await h.launch('edge');
  await commit(batch + 1);
  await assertPublished();
  await commit(1); // standing in, it waits no more
  await assertPublished();
  second.child.kill('SIGCONT');
  await commit(1);
  await assertPublished();
});
