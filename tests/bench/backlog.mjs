// How fast graphers work off what has piled up: EVENTS webhooks of issues that wait on the stream. README.md beside it says what
// is measured and how to read it. Prints figures, asserts nothing.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Cluster } from '../system/cluster.mjs';
import { House, Program, bin, until } from '../system/harness.mjs';
import { cpu } from './edge.measure.mjs';

const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const [events, repos, gone, nodes, graphers, rounds] = [number('EVENTS', 5000), number('REPOS', 50), number('GONE', 0), number('NODES', 1), number('GRAPHERS', 2), number('ROUNDS', 3)];
const sides = (process.env.BINS ?? bin).split(',');

const h = await House.start({ programs: [], env: { LOG_LEVEL: process.env.LOG_LEVEL ?? 'info', RECONCILE_SECONDS: '3600', RB_ACK_WAIT_MS: '30000' } });
let cluster;
try {
  if (nodes > 1) {
    await h.server('nats', 'stop'); // in its place:
    cluster = await Cluster.start(nodes);
    h.natsUrl = cluster.url;
    Object.assign(h.env, { NATS_URL: cluster.url, NATS_REPLICAS: String(nodes) });
  }
  if (process.env.NEO4J) await h.startNeo4j();
  for (const program of ['edge', 'grapher']) await h.launch(program);
  h.alice = await h.token('alice');
  const nc = await connect({ servers: h.natsUrl.split(',') });
  const js = jetstream(nc, { timeout: 60_000 });
  const manager = await jetstreamManager(nc, { timeout: 60_000 });

  const all = [];
  for (let i = 0; i < repos; i++) {
    const name = `backlog${i}`;
    await h.control('POST', '/repos', { owner: 'acme', name, path: h.repository });
    await h.control('POST', '/permissions', { owner: 'acme', repo: name, login: 'alice', permission: 'admin' });
    const { json } = await h.install(`acme/${name}`);
    await h.untilDone(json.installation_id, ['grapher']);
    const [row] = await h.rows('select repo_id::int, webhook_id::int from installations where id = $1', [json.installation_id]);
    all.push({ repo: `acme/${name}`, installation: json.installation_id, ...row });
  }
  await h.get('grapher').stop();
  for (const { repo } of all.slice(0, Math.round(repos * gone))) await h.request('DELETE', `/api/v1/repos/${repo}/install`);
  await until('an empty outbox', async () => (await h.rows('select count(*)::int as n from outbox_waiting'))[0].n === 0);
  await h.get('edge').stop();

  /** As the edge makes it of a webhook that opens an issue. */
  function issue(n) {
    const { repo, repo_id, webhook_id, installation } = all[n % repos];
    const id = randomUUID();
    return {
      specversion: '1.0', id, source: '/repobus/edge', type: 'dev.repobus.github.issues', time: new Date().toISOString(), datacontenttype: 'application/json', eventversion: 1,
      data: {
        installation_ids: [installation], hook_id: webhook_id, repo_id, repo, action: 'opened', delivery_id: id,
        payload: {
          action: 'opened', repository: { id: repo_id, full_name: repo },
          issue: { number: 1 + n, title: id, state: 'open', created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z', user: { id: 7, login: 'g' } },
        },
      },
    };
  }

  let sent = 0;
  async function pileUp() {
    for (const end = sent + events; sent < end;) {
      await Promise.all(Array.from({ length: Math.min(250, end - sent) }, () => {
        const event = issue(sent++);
        return js.publish('github.issues', JSON.stringify(event), { msgID: event.id });
      }));
    }
  }

  const pids = (dirs) => dirs.map((dir) => Number(fs.readFileSync(path.join(dir, 'pid'), 'utf8')));
  const nats = pids(cluster ? cluster.dirs : [path.join(h.dir, 'nats')]);
  const [{ data_directory: data }] = await h.rows("select setting as data_directory from pg_settings where name = 'data_directory'");
  const postmaster = Number(fs.readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const neo4j = process.env.NEO4J && pids([path.join(h.dir, 'neo4j')])[0];
  const transactions = async () => Number((await h.rows('select pg_stat_get_db_xact_commit(oid) as n from pg_database where datname = current_database()'))[0].n);
  const left = async () => {
    const info = await manager.consumers.info('REPOBUS', 'grapher');
    return info.num_pending + info.num_ack_pending;
  };

  async function measure(side) {
    await pileUp();
    const count = await left();
    const before = { at: performance.now(), postgres: cpu(postmaster, true), nats: nats.map((pid) => cpu(pid)), neo4j: neo4j && cpu(neo4j), transactions: await transactions() };
    const running = Array.from({ length: graphers }, (_, i) => {
      const child = spawn(path.join(side, 'repobus-grapher'), [], { env: { ...h.env, HEALTH_PORT: '0' }, stdio: ['ignore', 'pipe', 'pipe'] });
      const program = new Program(`grapher-${i}`, child, path.join(h.dir, `grapher-${i}.log`));
      h.programs.set(program.name, program);
      return program;
    });
    await until('no lag', async () => (await left()) === 0, 600_000);
    const seconds = (performance.now() - before.at) / 1000;
    const used = running.reduce((sum, { child }) => sum + cpu(child.pid), 0);
    const result = {
      'events/s': count / seconds, 'grapher µs': (used / count) * 1000, 'postgres µs': ((cpu(postmaster, true) - before.postgres) / count) * 1000,
      ...Object.fromEntries(nats.map((pid, i) => [`nats ${i + 1} µs`, ((cpu(pid) - before.nats[i]) / count) * 1000])),
    };
    if (neo4j) result['neo4j µs'] = ((cpu(neo4j) - before.neo4j) / count) * 1000;
    await Promise.all(running.map((program) => program.stop())); // and tell PostgreSQL's counters of what they did
    result['transactions'] = ((await transactions()) - before.transactions) / count;
    return result;
  }

  console.log(`${events} issues of ${repos} repositories, ${gone * 100} % of them disconnected; ${graphers} graphers, NATS of ${nodes}${process.env.NEO4J ? ', Neo4j' : ''}`);
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) console.log(`${side}: ${Object.entries(await measure(side)).map(([key, value]) => `${key} ${value < 10 ? value.toFixed(2) : value.toFixed(0)}`).join(', ')}`);
  }
  await nc.close();
} finally {
  await h.stop().catch((error) => console.error(error.message));
  await cluster?.stop();
}
