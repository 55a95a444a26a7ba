// The graph: how it is written beside the ways others write, updated, removed, read, and what the grapher takes. README.md says
// what is measured, with which settings, and how to read it. Prints figures, asserts nothing.

import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import neo4j from 'neo4j-driver';
import { house, House } from '../../system/harness.mjs';
import { cpu } from '../edge.measure.mjs';
import { graphersBuild, idle, importRepository, makeHead, percentiles, pullFiles, pullRequest, readings } from './reading.mjs';
import { copies, drivers, pidIn, psql, repobus } from './writers.mjs';

const files = Number(process.env.FILES ?? 100_000);
const growth = Number(process.env.GROWTH ?? 0);
const workFiles = Math.min(files, Number(process.env.WORK_FILES ?? 20_000));
const only = new RegExp(process.env.ONLY ?? '');
const isOn = (name) => process.env[name] !== '0';
const pulls = 5;
const updates = 10;
const idleSeconds = 10;

const results = { files, growth, processors: os.availableParallelism(), load_before: fs.readFileSync('/proc/loadavg', 'utf8').split(' ')[0], stores: {} };
const h = await House.start({ programs: ['edge'], env: { LOG_LEVEL: 'warn', RB_ACK_WAIT_MS: '30000', RESERVATION_SECONDS: '60', RECONCILE_SECONDS: '600' } });
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => h.stop().finally(() => process.exit(1))); // servers would go on
const rowsFile = path.join(h.dir, 'rows.tsv');
let paths; // of the large repository, in order

// ---- printing -------------------------------------------------------------------------------------------------------------

const number = (value, digits, unit) => `${value === undefined ? '–' : value.toFixed(digits)}${unit}`.padStart(12);
const row = (name, ...cells) => console.log(`  ${name.padEnd(64)}${cells.join('')}`);
function heading(text, ...columns) {
  console.log('');
  row(text, ...columns.map((name) => name.padStart(12)));
}
const written = (name, took) => row(name, number(took.wall_ms / 1000, 2, ' s'), number(took.server_ms / 1000, 2, ' s'), number(took.client_ms / 1000, 2, ' s'), took.peak_mb ? number(took.peak_mb, 0, ' MB') : '');

// ---- writing --------------------------------------------------------------------------------------------------------------

/** Where a store is: the environment of a writer, the CPU of its server so far. */
const stores = {
  PostgreSQL: { env: () => ({ DATABASE_URL: h.databaseUrl, NEO4J_URI: undefined }), server: () => cpu(pidIn(path.join(h.dir, 'postgres/data/postmaster.pid')), true) },
  Neo4j: { env: () => ({ ...h.neo4j, DATABASE_URL: h.databaseUrl }), server: () => cpu(pidIn(path.join(h.dir, 'neo4j/pid'))) },
};
const ids = { warm: 900001, ours: 900002, grown: 900003, counted: 900004, copy: 900005, others: 900010 };

/** The difference is as large each way. */
const toAndFro = (i) => (i % 2 ? 'again' : 'change');

/** Of each thing that steps have taken, the median. */
const medianOf = (steps) => Object.fromEntries(['wall_ms', 'server_ms', 'client_ms', 'peak_mb'].map((name) => [name, percentiles(steps.map((step) => step[name])).median_ms]));

/** The life of a graph: built, written again, changed, removed. `between` is done once it has been built. */
async function life(store, out, between = async () => {}) {
  const { env, server } = stores[store];
  const warm = await repobus(Math.ceil(files / 5), env());
  const steps = ['build', 'again', ...Array.from({ length: updates }, (_, i) => toAndFro(i)), 'remove'];
  for (const [i, step] of steps.entries()) await warm.step(`${step} ${ids.warm} ${i + 1}`);
  await warm.stop();
  const writer = await repobus(files, env());
  const note = async (name, step, generation) => written(name, out[name] = await writer.step(`${step} ${ids.ours} ${generation}`, server));
  await note('Repobus: first build', 'build', 1);
  await between();
  await note('Repobus: written again, unchanged', 'again', 2);
  const changes = [];
  for (let i = 0; i < updates; i++) changes.push(await writer.step(`${toAndFro(i)} ${ids.ours} ${3 + i}`, server));
  written('Repobus: 1 % changed, the first time', out['Repobus: 1 % changed, the first time'] = changes[0]);
  written(`Repobus: 1 % changed, the median of ${updates}`, out['Repobus: 1 % changed'] = medianOf(changes));
  await note('Repobus: removed', 'remove', 3 + updates);
  await writer.stop();
}

/** A build that is larger by far; each tenth of it timed. */
async function grow(store, out) {
  const { env, server } = stores[store];
  const writer = await repobus(growth, env());
  const took = await writer.step(`build ${ids.grown} 1`, server);
  written(`Repobus: first build of ${growth} files`, out[`Repobus: first build of ${growth} files`] = took);
  const tenths = took.parts_ms.map((ms, i) => ms - (took.parts_ms[i - 1] ?? took.rows_ms));
  row('  each tenth of its rows', tenths.map((ms) => `${(ms / 1000).toFixed(2)} s`).join(', ').padStart(14));
  row('  the list of files is, of the highest memory,', number(took.tree_mb, 0, ' MB'));
  await writer.step(`remove ${ids.grown} 2`);
  await writer.stop();
}

async function postgres() {
  const out = results.stores.PostgreSQL = { writing: {} };
  heading(`PostgreSQL, ${files} files`, 'wall', 'server CPU', 'client CPU', 'highest');
  await life('PostgreSQL', out.writing, async () => {
    const name = 'psql, COPY of the same rows into the same tables';
    const script = await copies(h, h.dir, ids.ours, ids.copy);
    const clear = () => psql(h.databaseUrl, `delete from graph_repositories where repo_id = ${ids.copy};`, () => 0);
    await psql(h.databaseUrl, script, () => 0); // warm
    await clear();
    written(name, out.writing[name] = await psql(h.databaseUrl, script, stores.PostgreSQL.server));
    await clear();
  });
  if (growth) await grow('PostgreSQL', out.writing);
}

/** How many requests go to Neo4j while `work` is done, by way of a proxy. */
async function requestsOf(work) {
  let count = 0;
  const agent = new http.Agent({ keepAlive: true });
  const { hostname, port } = new URL(h.neo4j.NEO4J_URI);
  const proxy = http.createServer((request, response) => {
    count++;
    request.pipe(http.request({ hostname, port, agent, method: request.method, path: request.url, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => proxy.once('listening', resolve));
  await work(`http://127.0.0.1:${proxy.address().port}`);
  agent.destroy();
  proxy.closeAllConnections();
  proxy.close();
  return count;
}

async function neo4jStore(driver) {
  const out = results.stores.Neo4j = { writing: {} };
  const { env, server } = stores.Neo4j;
  heading(`Neo4j, ${files} files of one repository`, 'wall', 'server CPU', 'client CPU', 'highest');
  // The constraints are the grapher's, so it comes first; and the server is warm when the others are measured.
  const first = await repobus(Math.ceil(files / 5), env());
  await first.step(`build ${ids.warm} 1`);
  await first.step(`remove ${ids.warm} 2`);
  await first.stop();
  const remove = async (repo) => {
    const session = driver.session();
    for (const label of ['File', 'Directory']) {
      await session.run(`match (n:${label} {repo_id: $repo}) call (n) { detach delete n } in transactions of 5000 rows`, { repo: neo4j.int(repo) });
    }
    await session.close();
  };
  if (isOn('OTHERS')) {
    for (const [name, start] of Object.entries(drivers)) {
      const writer = await start(rowsFile, env());
      await writer.step(`build ${ids.others} ${Math.ceil(files / 5)}`); // warm
      await remove(ids.others);
      written(name, out.writing[name] = await writer.step(`build ${ids.others + 1} ${files}`, server));
      await remove(ids.others + 1);
      await writer.stop();
    }
  }
  await life('Neo4j', out.writing);
  const counts = {};
  const steps = [['build', 'first build'], ['again', 'unchanged'], ['change', '1 % changed'], ['remove', 'removed']];
  for (const [i, [step, name]] of steps.entries()) {
    counts[name] = await requestsOf(async (uri) => {
      const writer = await repobus(files, { ...env(), NEO4J_URI: uri });
      await writer.step(`${step} ${ids.counted} ${i + 1}`);
      await writer.stop();
    });
  }
  out.requests = counts;
  row('requests to Neo4j, those for the constraints included', Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(', '));
  if (growth) await grow('Neo4j', out.writing);
}

// ---- the programs ---------------------------------------------------------------------------------------------------------

async function programs(store, count) {
  const out = results.stores[store] ??= {};
  const repo = `acme/${store.toLowerCase()}`;
  await h.launch('grapher', store === 'Neo4j' ? h.neo4j : {});
  out.idle = await idle(h, idleSeconds);
  const dir = importRepository(path.join(h.dir, 'work'), paths.slice(0, workFiles));
  out.work = await graphersBuild(h, repo, dir);

  const { json } = await h.install('acme/shop');
  if (json.installation_id) h.shop = json.installation_id;
  const [found] = await h.rows('select repo_id, generation, webhook_id from installations where id = $1', [h.shop]);
  const { secret } = (await h.hooks()).find(({ id }) => id === Number(found.webhook_id));
  const hook = { id: Number(found.webhook_id), secret, repoId: Number(found.repo_id), repo: 'acme/shop' };
  if (json.installation_id) await h.untilDone(h.shop, ['grapher']);
  const writer = await repobus(files, stores[store].env());
  await writer.step(`build ${hook.repoId} ${Number(found.generation) + 1_000_000}`);
  await writer.stop();
  const times = [];
  for (let i = 1; i <= pulls + 1; i++) { // the first warms up
    const sha = await makeHead(h, paths, i);
    times.push(await pullRequest(h, hook, i, sha, count(hook.repoId)));
  }
  out.pull_request = percentiles(times.slice(1));
  out.reading = await readings(h, 'acme/shop', paths);
  await h.get('grapher').stop();

  heading(`${store}, questions at the edge, ${files} files`, 'median', 'p99', 'bytes');
  for (const [name, took] of Object.entries(out.reading)) row(name, number(took.median_ms, 1, ' ms'), number(took.p99_ms, 1, ' ms'), number(took.bytes, 0, ''));
  row(`a pull request with ${pullFiles} files, from its webhook on`, number(out.pull_request.median_ms, 0, ' ms'), number(out.pull_request.p99_ms, 0, ' ms'));
  heading(`${store}, the grapher`, 'CPU', 'memory', 'wall');
  row('idle, a second of it', number(out.idle.cpu_ms_a_second, 2, ' ms'), number(out.idle.mb, 1, ' MB'));
  row(`a build of ${workFiles} files, listing them included`, number(out.work.client_ms, 0, ' ms'), number(out.work.peak_mb, 1, ' MB'), number(out.work.wall_ms / 1000, 2, ' s'));
}

const inPostgres = (repoId) => async (pull) => Number((await h.rows('select count(*) as n from graph_touches where repo_id = $1 and number = $2', [repoId, pull]))[0].n);

// ---- the run --------------------------------------------------------------------------------------------------------------

let driver;
try {
  const lister = await repobus(files, stores.PostgreSQL.env());
  await lister.step(`rows ${rowsFile}`);
  await lister.stop();
  paths = fs.readFileSync(rowsFile, 'utf8').trimEnd().split('\n').map((line) => line.split('\t')[0]);
  const wants = (what) => only.test(what);
  if (isOn('POSTGRES') && wants('write')) await postgres();
  if (isOn('POSTGRES') && wants('read')) await programs('PostgreSQL', inPostgres);
  const missing = isOn('NEO4J') ? await House.neo4jMissing() : 'NEO4J=0';
  if (missing) {
    console.log(`\nwithout Neo4j: ${missing}`);
  } else {
    h.neo4j = await h.startNeo4j();
    driver = neo4j.driver(h.neo4j.NEO4J_BOLT_URI, neo4j.auth.basic(h.neo4j.NEO4J_USERNAME, h.neo4j.NEO4J_PASSWORD), { disableLosslessIntegers: true });
    if (wants('write')) await neo4jStore(driver);
    const inNeo4j = (repoId) => async (pull) => (await driver.executeQuery('match (:PullRequest {repo_id: $repo, number: $pull})-[t:TOUCHES]->() return count(t) as n', { repo: neo4j.int(repoId), pull: neo4j.int(pull) })).records[0].get('n');
    if (wants('read')) await programs('Neo4j', inNeo4j);
  }
} catch (error) {
  for (const program of h.programs.values()) console.error(`${program.name}:\n${program.tail()}`);
  throw error;
} finally {
  await driver?.close();
  await h.stop();
  results.load_after = fs.readFileSync('/proc/loadavg', 'utf8').split(' ')[0];
  const dir = path.join(house, 'build/bench/graph');
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, 'result.json'), `${JSON.stringify(results, null, 1)}\n`);
  console.log(`\nload of the machine before and after: ${results.load_before}, ${results.load_after}, on ${results.processors} processors; all of it: build/bench/graph/result.json`);
}
