// Several of everything: three nats-servers with replicated streams, two edges, two scanners. Each server in turn is
// killed and comes back while people connect repositories; nothing is lost and nothing done twice.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Cluster } from './cluster.mjs';
import { House, until } from './harness.mjs';

let h, cluster;
before(async () => {
  h = await House.start({ programs: [] });
  cluster = await Cluster.start();
  Object.assign(h.env, { NATS_URL: cluster.url, NATS_REPLICAS: '3' });
  for (const name of ['edge', 'edge-2', 'scanner', 'scanner-2']) await h.launch(name.replace('-2', ''), { AS: name });
  h.alice = await h.token('alice');
});
after(async () => {
  await h?.stop();
  await cluster?.stop();
});

/** Calls `fn` with a manager of JetStream, as it is for whoever can reach the servers. */
async function withManager(fn) {
  const nats = await connect({ servers: cluster.urls, maxReconnectAttempts: 0 });
  try {
    return await fn(await jetstreamManager(nats, { checkAPI: false }));
  } finally {
    await nats.close();
  }
}

/** All streams, and the scanners' consumer, have a leader and three copies that are up to date. */
const isWhole = () => withManager(async (jsm) => {
  const parts = await Promise.all(['REPOBUS', 'RUNS', 'DEAD', 'CONTROL'].map((name) => jsm.streams.info(name)));
  parts.push(await jsm.consumers.info('REPOBUS', 'scanner'));
  return parts.every(({ cluster: state }) => state?.leader && state.replicas?.length === 2 && state.replicas.every((each) => each.current && !each.offline));
});

const installations = [];
let repositories = 0;

/** Connects `count` new repositories, half of them by each edge. */
async function install(count) {
  for (let i = 0; i < count; i++) {
    const name = `r${++repositories}`;
    await h.control('POST', '/repos', { owner: 'acme', name, path: h.repository });
    await h.control('POST', '/permissions', { owner: 'acme', repo: name, login: 'alice', permission: 'admin' });
    const answer = await h.install(`acme/${name}`, { url: h.get(i % 2 ? 'edge-2' : 'edge').url });
    assert.equal(answer.status, 200, answer.text);
    installations.push(answer.json.installation_id);
  }
}

test('each server in turn is lost and comes back while repositories are connected', async () => {
  await install(4);
  await until('the cluster is whole', isWhole);
  for (const [i] of cluster.urls.entries()) {
    await cluster.kill(i);
    await install(4);
    // Two of three go on: what was connected is scanned before the third is back.
    await Promise.all(installations.slice(-4).map((id) => h.untilDone(id, ['scanner'])));
    await cluster.restart(i);
    await install(2);
    await until('the cluster is whole again', isWhole);
  }
  await Promise.all(installations.map((id) => h.untilDone(id, ['scanner'])));
});

test('two servers are lost: people connect all the same, and all of it goes out when they are back', async () => {
  await cluster.kill(0);
  await cluster.kill(1);
  await install(4);
  await cluster.restart(0);
  await cluster.restart(1);
  await until('the cluster is whole again', isWhole);
  await Promise.all(installations.slice(-4).map((id) => h.untilDone(id, ['scanner'])));
});

test('every installation has one hook, one event and one profile; nothing waits and nothing was given up', async () => {
  await until('the outbox is empty', async () => (await h.rows('select count(*)::int as n from outbox where published_at is null'))[0].n === 0);
  assert.equal((await h.hooks()).length, installations.length);
  const profiles = await h.rows('select installation_id::int as id, count(*)::int as n from profiles group by 1 order by 1');
  assert.deepEqual(profiles, installations.map((id) => ({ id, n: 1 })).sort((a, b) => a.id - b.id));
  await withManager(async (jsm) => {
    const { state } = await jsm.streams.info('REPOBUS', { subjects_filter: '>' });
    assert.equal(state.subjects['repo.connected'], installations.length);
    assert.equal(state.subjects['repo.scanned'], installations.length);
    assert.equal((await jsm.streams.info('DEAD')).state.messages, 0);
  });
});
