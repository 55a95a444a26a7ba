// PostgreSQL restarted, away, killed, slow, and NATS away, under a constant load of installs, disconnects, webhooks and
// reads. Every request gets a clear answer, connections come back by themselves, and afterwards the record is whole.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { sign } from '@octokit/webhooks-methods';
import { freePort, House, until } from './harness.mjs';
import { bus } from './nats.mjs';

let h, hook, load, urls;

before(async () => {
  h = await House.start({ programs: [] });
  h.edgePort = await freePort();
  h.env.BACKEND_URL = `http://127.0.0.1:${h.edgePort}`; // where the stand-in's hooks deliver to
  await h.launch('edge');
  const other = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  urls = [h.url, other.url];
  h.alice = await h.token('alice');
  const { json } = await h.install();
  const [{ id, secret }] = await h.hooks();
  const [{ repo_id: repoId }] = await h.rows('select repo_id from installations where id = $1', [json.installation_id]);
  hook = { id, secret, repoId: Number(repoId) };
});
after(() => h?.stop());

/** A request to either edge. */
const request = (method, where, options) => h.request(method, where, { url: urls[Math.floor(Math.random() * urls.length)], ...options });

/** Requests of all kinds, without a pause, until it is stopped. Each load has a person of its own. What came is in `answers`. */
class Load {
  static repositories = 0;
  static people = 0;
  // Of each kind so many at a time.
  kinds = { install: 4, disconnect: 2, webhook: 4, read: 2 };
  answers = [];
  workers = [];
  stopping = false;

  async start() {
    this.login = `person${++Load.people}`;
    await h.control('POST', '/users', { login: this.login, token: `token-${this.login}`, scopes: 'repo' });
    this.token = await h.token(this.login);
    this.workers = Object.entries(this.kinds).flatMap(([kind, count]) => Array.from({ length: count }, () => this.work(kind)));
    return this;
  }

  async work(kind) {
    while (!this.stopping) {
      const subject = kind === 'install' || kind === 'disconnect' ? await this.repository() : randomUUID();
      if (kind !== 'disconnect' || await this.isConnected(subject)) await this.answer(kind, subject, () => this[kind](subject));
    }
  }

  async answer(kind, subject, ask) {
    const started = Date.now();
    const { status, text, json } = await ask().catch((error) => ({ status: 0, text: error.stack }));
    this.answers.push({ kind, subject, status, text, json, ms: Date.now() - started });
    return status;
  }

  /** Connects what is to be disconnected, as often as it takes; not where an unknown outcome left a reservation that has yet to run out. */
  async isConnected(repo) {
    while (!this.stopping) {
      const status = await this.answer('again', repo, () => this.install(repo));
      if (status === 200 || status === 400) return true; // 400: an answer that was lost had been written
      if (status === 409) return false;
    }
    return false;
  }

  /** A repository of its own for each install. */
  async repository() {
    const name = `load${++Load.repositories}`;
    await h.control('POST', '/repos', { owner: 'acme', name, path: h.repository });
    await h.control('POST', '/permissions', { owner: 'acme', repo: name, login: this.login, permission: 'admin' });
    return `acme/${name}`;
  }

  install(repo) {
    return request('POST', `/api/v1/repos/${repo}/install`, { token: this.token });
  }

  disconnect(repo) {
    return request('DELETE', `/api/v1/repos/${repo}/install`, { token: this.token });
  }

  async webhook(id) {
    const body = JSON.stringify({ action: 'opened', issue: { number: 1, title: id }, repository: { id: hook.repoId, full_name: 'acme/shop' } });
    return request('POST', '/api/v1/webhooks/github', {
      token: null, body,
      headers: {
        'content-type': 'application/json', 'x-github-event': 'issues', 'x-github-delivery': id, 'x-github-hook-id': String(hook.id),
        'x-github-hook-installation-target-id': String(hook.repoId), 'x-hub-signature-256': await sign(hook.secret, body),
      },
    });
  }

  read() {
    return request('GET', Math.random() < 0.5 ? '/api/v1/repos?connected=true' : '/auth/me', { token: this.token });
  }

  /** Waits until each kind has had `count` more answers with this status. */
  async untilEach(what, status, count = 8) {
    const from = this.answers.length;
    // While nothing can be connected there is nothing to disconnect.
    const kinds = Object.keys(this.kinds).filter((kind) => status === 200 || kind !== 'disconnect');
    await until(`${count} times ${status} for each kind: ${what}`, () => {
      const since = this.answers.slice(from);
      return kinds.every((kind) => since.filter((a) => a.kind === kind && a.status === status).length >= count)
        || (this.bad().length > 0 && assert.deepEqual(this.bad(), []));
    });
  }

  /** What is neither done nor a clear word on why not. */
  bad() {
    return this.answers.filter(({ kind, status, json }) => !(status === 200 || (status === 503 && typeof json?.detail === 'string')
      || (kind === 'again' && (status === 400 || status === 409)))); // connected, or under way, since the time before
  }

  async stop() {
    this.stopping = true;
    await Promise.all(this.workers);
  }
}

const byKind = (kind, status) => load.answers.filter((a) => a.kind === kind && (status === undefined || a.status === status));

/** The record, GitHub and the bus agree with each other and with what was answered. */
async function assertWhole() {
  // All flows have answered: what they left is the reconciler's, as it is by itself when the time has run out.
  await h.rows("update installations set reserved_until = now() - interval '1 second' where state = 'reserved'");
  await h.rows("update installations set leaving_until = now() - interval '1 second' where leaving_until is not null");
  await until('nothing is under way', async () => (await h.rows("select 1 from installations where state = 'reserved' or leaving_until is not null or hook_left")).length === 0);
  const installations = await h.rows("select id, repo_full_name as repo, webhook_id, generation from installations where state = 'active'");
  const active = new Map(installations.map((row) => [row.repo, row]));
  assert.equal(active.size, installations.length, 'one installation for a repository');

  const gone = await h.rows("select id, repo_full_name as repo from installations where state = 'disconnected'");
  const ids = (rows) => rows.map((row) => Number(row.id)).sort((a, b) => a - b);
  const events = async (subject) => ids((await h.rows("select body::jsonb -> 'data' ->> 'installation_id' as id from outbox where subject = $1", [subject])));
  assert.deepEqual(await events('repo.connected'), ids([...installations, ...gone]), 'each connection has its event');
  assert.deepEqual(await events('repo.disconnected'), ids(gone), 'each disconnect has its event');

  const hooks = (await h.hooks()).map((x) => `${x.repo} ${x.id}`).sort();
  assert.deepEqual(hooks, installations.map((row) => `${row.repo} ${row.webhook_id}`).sort(), "GitHub's hooks are those of the record");

  for (const { subject, json } of byKind('install', 200)) {
    assert.equal(Number(active.get(subject)?.id), json.installation_id, `${subject} was answered as connected`);
  }
  // What a refusal promises holds, also where the database's answer was lost.
  for (const { subject, text } of byKind('install', 503)) {
    if (/nothing/.test(text)) assert.ok(!active.has(subject), `${subject}: ${text}`);
  }
  for (const { subject } of byKind('disconnect', 200)) {
    assert.ok(!active.has(subject) && gone.some((row) => row.repo === subject), `${subject} was answered as disconnected`);
  }
  for (const { subject, text } of byKind('disconnect', 503)) {
    if (/nothing/.test(text)) assert.ok(active.has(subject), `${subject}: ${text}`);
  }

  const written = new Map((await h.rows('select d.delivery_id, o.id from deliveries d left join outbox o on o.id = d.event_id where d.event = $1', ['issues'])).map((row) => [row.delivery_id, row.id]));
  for (const { subject } of byKind('webhook', 200)) assert.ok(written.get(subject), `the delivery ${subject} was taken and has its event`);
  const [{ count }] = await h.rows("select count(*) from outbox where subject = 'github.issues'");
  assert.equal(Number(count), written.size, 'no event without its delivery, none twice');
  for (const { subject, text } of byKind('webhook', 503)) {
    if (/nothing/.test(text)) assert.ok(!written.has(subject), `${subject}: ${text}`);
  }
}

/** Everything is on the bus once; `inOrder`: as the outbox has it, from `position` on. */
async function assertPublished({ inOrderFrom } = {}) {
  await until('the outbox is drained', async () => (await h.rows('select 1 from outbox where published_at is null limit 1')).length === 0);
  const outbox = await h.rows('select id, position from outbox order by position');
  const { nc, jsm: { streams } } = await bus(h.natsUrl);
  try {
    const { state } = await streams.info('REPOBUS');
    const ids = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      ids.push((await streams.getMessage('REPOBUS', { seq })).header.get('Nats-Msg-Id'));
    }
    assert.deepEqual([...ids].sort(), outbox.map((row) => row.id).sort(), 'every event once');
    if (inOrderFrom !== undefined) {
      const late = outbox.filter((row) => Number(row.position) > inOrderFrom).map((row) => row.id);
      assert.ok(late.length > 0);
      assert.deepEqual(ids.slice(-late.length), late, 'in order');
    }
  } finally {
    await nc.close();
  }
}

beforeEach(async () => {
  await h.server('postgres', 'start'); // where the test before failed half way
  await h.server('nats', 'start');
  load = await new Load().start();
  await load.untilEach('before', 200);
});
afterEach(async (t) => {
  await load.stop();
  const longest = load.answers.reduce((a, b) => (b.ms > a.ms ? b : a), { ms: 0 });
  t.diagnostic?.(`${load.answers.length} answers, ${load.answers.filter((a) => a.status === 503).length} of them 503, the longest after ${longest.ms} ms: ${longest.kind} ${longest.text}`);
});

/** After the outage: all is well again without anybody's help, and whole. */
async function recovered() {
  await load.untilEach('again', 200);
  await load.stop();
  assert.deepEqual(load.bad(), []);
  await assertWhole();
  await assertPublished();
}

test('PostgreSQL is restarted', async () => {
  for (let i = 0; i < 3; i++) {
    await h.server('postgres', 'stop');
    await h.server('postgres', 'start');
    await load.untilEach('again', 200, 2);
  }
  await recovered();
});

test('PostgreSQL is away, until another takes its place', async () => {
  await h.server('postgres', 'stop');
  await load.untilEach('away', 503, 4);
  assert.equal((await h.request('GET', '/readyz')).status, 503);
  assert.equal((await h.request('GET', '/healthz')).status, 200);
  await h.server('postgres', 'start');
  await recovered();
});

test('PostgreSQL is killed', async () => {
  await h.server('postgres', 'kill');
  await h.server('postgres', 'start');
  await recovered();
});

test('sessions are ended at any moment, again and again', async () => {
  for (let ended = 0; ended < 60;) {
    ended += (await h.rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'repobus%' and state <> 'idle' order by random() limit 1")).length;
  }
  await recovered();
});

test('commits wait for a standby that is gone, and are committed after all', async () => {
  const standby = async (name) => {
    await h.rows(`alter system set synchronous_standby_names = '${name}'`);
    await h.rows('select pg_reload_conf()');
  };
  // Installs that are at GitHub meanwhile: what they lose is the answer to the statement that connects.
  // A person's writes go to GitHub one after another, and six may queue at one edge.
  await h.fault({ method: 'POST', path: '/repos/acme/load', kind: 'latency', ms: 1000, count: 0 });
  const held = await until('installs are making their hooks', async () => {
    const rows = await h.rows("select repo_full_name as repo from installations where state = 'reserved' and webhook_secret <> ''");
    return rows.length >= 4 && rows.map((row) => row.repo);
  });
  await standby('gone');
  try {
    await until('a webhook and the installs are answered', () => byKind('webhook', 503).length > 1
      && held.every((repo) => load.answers.some((a) => a.subject === repo)));
    await until('commits wait', async () => (await h.rows("select 1 from pg_stat_activity where wait_event = 'SyncRep'")).length > 0);
  } finally {
    await standby('');
    await h.control('DELETE', '/faults');
  }
  await recovered();
});

/** The processes of the edge's sessions; PostgreSQL is on this machine. */
const backends = async () => (await h.rows("select pid from pg_stat_activity where application_name like 'repobus%'")).map((row) => row.pid);

test('PostgreSQL takes statements and does not answer for a while', async () => {
  const stopped = new Set();
  try {
    // Those that come in place of the first, too.
    await until('nothing gets through any more', async () => {
      for (const pid of await backends()) {
        if (stopped.has(pid)) continue;
        process.kill(pid, 'SIGSTOP');
        stopped.add(pid);
      }
      const recent = load.answers.slice(-40);
      return ['install', 'webhook', 'read'].every((kind) => recent.some((a) => a.kind === kind && a.status === 503));
    });
  } finally {
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
  }
  await recovered();
});

async function withoutNats(stop, start) {
  await load.stop();
  await assertPublished();
  const [{ max: position }] = await h.rows('select max(position) from outbox');
  await stop();
  const before = load;
  load = await new Load().start();
  try {
    await load.untilEach('without NATS', 200, 30);
    await load.stop();
    assert.deepEqual(load.answers.filter((a) => a.status !== 200), [], 'nobody notices');
    const waiting = (await h.rows('select 1 from outbox where published_at is null')).length;
    assert.ok(waiting >= byKind('install').length + byKind('webhook').length, 'the outbox keeps them');
  } finally {
    await start();
  }
  load.answers.push(...before.answers);
  await assertPublished({ inOrderFrom: Number(position) });
  await assertWhole();
}

test('NATS is away', () => withoutNats(() => h.server('nats', 'stop'), () => h.server('nats', 'start')));

test('NATS does not answer', async () => {
  const pid = Number(fs.readFileSync(`${h.dir}/nats/pid`, 'utf8'));
  await withoutNats(async () => process.kill(pid, 'SIGSTOP'), async () => process.kill(pid, 'SIGCONT'));
});
