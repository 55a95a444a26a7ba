// The edge beside the alternative most teams would write (tests/bench/peer), in one run. README.md says what is measured,
// with which settings, and how to read it. Prints figures, asserts nothing.

import { execFile, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { bin, house, House, Program, until } from '../system/harness.mjs';
import { installPlan, load, webhookPlan } from './edge.load.mjs';
import { callgrind, cpu, instructions, memory, systemCalls } from './edge.measure.mjs';

const run = promisify(execFile);
const numbers = (text) => text.split(',').map(Number);
const N = Number(process.env.N ?? 1000);
const connections = numbers(process.env.CONNECTIONS ?? '16,128');
const rowCounts = numbers(process.env.ROWS ?? '0');
const only = process.env.ONLY; // 'install', 'webhook'; without it also all the other figures
const soakMinutes = Number(process.env.SOAK_MINUTES ?? 0);
const isOn = (name) => process.env[name] !== '0';
const people = 32; // GitHub's rules let a person make one hook at a time
const hooksUsed = 16;
const venv = path.join(house, 'build/bench/peer-venv/bin');
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const h = await House.start({ programs: [], env: { LOG_LEVEL: 'info', RESERVATION_SECONDS: '60', RECONCILE_SECONDS: '3600' } });
const firstLine = (file) => Number(fs.readFileSync(path.join(h.dir, file), 'utf8').split('\n')[0]);
const postmaster = () => firstLine('postgres/data/postmaster.pid'); // another one after each restart
const nats = () => firstLine('nats/pid');

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// ---- the sides ----------------------------------------------------------------------------------------------------------

/** A server under measurement. It can be started again, behind another command (`wrap`). */
class Side {
  constructor(name, { databaseUrl, env, command, cwd, ready, isPublishing }) {
    Object.assign(this, { name, databaseUrl, env, command, cwd, ready, isPublishing });
  }

  async start(wrap = []) {
    const port = await freePort();
    const [program, ...args] = [...wrap, ...this.command(port)];
    const child = spawn(program, args, { env: { ...this.env, PORT: String(port) }, cwd: this.cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    this.program = new Program(this.name, child, path.join(h.dir, 'server.log'));
    h.programs.set(this.name, this.program);
    await this.program.line(this.ready);
    Object.assign(this, { pid: child.pid, url: `http://127.0.0.1:${port}` });
  }

  async stop() {
    this.program.child.kill('SIGTERM');
    await this.program.exited;
  }
}

async function ours() {
  const side = new Side('Repobus', {
    databaseUrl: h.databaseUrl, isPublishing: true, env: { ...h.env, HEALTH_PORT: '0', BACKEND_URL: 'https://repobus.example.com' },
    command: () => [path.join(bin, 'repobus-edge')], ready: /listening=/,
  });
  side.tokens = [];
  for (let n = 0; n < people; n++) side.tokens.push(await h.token(`u${n}`, { oauth: `tok-u${n}` }));
  return side;
}

async function peer(name, more = {}) {
  const database = `peer_${name.toLowerCase().replace(/\W+/g, '_')}`;
  await h.rows(`create database ${database}`);
  const databaseUrl = h.databaseUrl.replace(/\/[^/]*$/, `/${database}`);
  await run(path.join(house, 'migrations/apply'), [], { env: { ...process.env, DATABASE_URL: databaseUrl } });
  const env = {
    ...h.env, ...more, DATABASE_URL: databaseUrl, BACKEND_URL: `https://${database.replaceAll('_', '-')}.example.com`,
    FERNET_KEY: `${randomBytes(32).toString('base64url')}=`, PYTHONDONTWRITEBYTECODE: '1',
  };
  const cwd = path.join(house, 'tests/bench/peer');
  const { stdout } = await run(path.join(venv, 'python'), ['app.py', 'seed', String(people)], { env, cwd });
  const side = new Side(name, {
    databaseUrl, env, cwd, isPublishing: false, ready: /running on/,
    command: (port) => [path.join(venv, 'python'), '-m', 'uvicorn', 'app:app', '--host', '127.0.0.1', '--port', String(port), '--loop', 'uvloop', '--http', 'httptools', '--workers', '1', '--no-access-log'],
  });
  side.tokens = JSON.parse(stdout);
  return side;
}

// ---- loads --------------------------------------------------------------------------------------------------------------

const examples = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json');
const example = (event, action) => examples.find(({ name }) => name === event).examples.find((one) => one.action === action);
/** Octokit has no example of an event that goes onto the bus below 9 KB: this one is cut to 1.5 KB. */
function small() {
  const { action, issue, repository, sender } = example('issues', 'opened') ?? examples.find(({ name }) => name === 'issues').examples[0];
  const { id, node_id, name, full_name, owner } = repository;
  const { url, number, title, state, html_url } = issue;
  const body = { action, issue: { url, number, title, state, html_url, body: '' }, repository: { id, node_id, name, full_name, owner }, sender: { login: sender.login, id: sender.id } };
  body.issue.body = 'x'.repeat(Math.max(0, 1500 - JSON.stringify(body).length));
  return JSON.stringify(body);
}
const bodies = {
  'webhook 1.5 KB': { event: 'issues', body: small() },
  'webhook 25 KB': { event: 'pull_request', body: JSON.stringify(example('pull_request', 'assigned')) },
};

let repositories = 0;
async function installs(side, count, milliseconds = 0, beyond = 0) {
  const base = repositories;
  repositories += count + beyond; // those under way at the end go a little beyond
  await h.control('POST', '/limits', { rate_remaining: 1000000 });
  for (let i = base; i < repositories; i++) {
    await h.control('POST', '/repos', { owner: 'acme', name: `b${i}`, path: h.repository });
    await h.control('POST', '/permissions', { owner: 'acme', repo: `b${i}`, login: `u${i % people}`, permission: 'admin' });
  }
  return { plan: installPlan(side.tokens, base, count, milliseconds), counter: `select count(*) as n from installations where state = 'active'` };
}

let rounds = 0;
function webhooks(side, what, count, milliseconds = 0) {
  const { event, body } = bodies[what];
  const file = path.join(h.dir, 'body.json');
  fs.writeFileSync(file, body);
  const hooks = side.hooks.map(({ id, secret }) => ({ id, signature: `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` }));
  return { plan: webhookPlan(hooks, file, event, ++rounds, count, milliseconds), counter: 'select count(*) as n from deliveries' };
}

/** The work for one measurement: installs of repositories that nobody has asked for yet, or deliveries. */
const prepare = (side, what, c, count, milliseconds) => (what === 'install' ? installs(side, count, milliseconds, c) : webhooks(side, what, count, milliseconds));

/**
 * Runs one load on one side: how many requests it made, what wrk says, and what `read` gives before and after. What comes after
 * the answer (publishing) is waited for; counting, which grows with the rows, is outside.
 */
async function work(side, db, c, { plan, counter }, read = () => []) {
  const count = async () => Number((await db.query(counter)).rows[0].n);
  const countBefore = await count();
  const [before, began] = [read(), Date.now()];
  const answer = await load(h.dir, side.url, c, plan);
  for (const line of answer.refused) console.log(`    ${side.name}: ${line}`);
  while (side.isPublishing && (await db.query('select 1 from outbox_waiting limit 1')).rowCount) await pause(100);
  const after = read();
  return { ...answer, before, after, seconds: (answer.end - began) / 1000, made: (await count()) - countBefore };
}

async function measure(side, db, c, prepared) {
  let highest = 0;
  const look = setInterval(() => { highest = Math.max(highest, memory(side.pid)); }, 50);
  try {
    const read = () => [cpu(side.pid), cpu(postmaster(), true), cpu(nats())];
    const { made, before, after, seconds, p99 } = await work(side, db, c, prepared, read);
    const [server, postgres, bus] = after.map((value, i) => ((value - before[i]) * 1000) / made);
    return { server, postgres, bus, rate: made / seconds, memory: highest, p99 };
  } finally {
    clearInterval(look);
  }
}

// ---- other figures ------------------------------------------------------------------------------------------------------

/** The longest time without an answer of 200 while PostgreSQL is restarted, as a client sees it that asks 50 times a second. */
async function stall(side) {
  const { event, body } = bodies['webhook 1.5 KB'];
  const [{ id, secret }] = side.hooks;
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  const asking = [];
  let [last, longest, n] = [Date.now(), 0, 0];
  rounds++;
  const clock = setInterval(() => {
    const delivery = `${String(rounds).padStart(8, '0')}-0000-4000-9000-${String(++n).padStart(12, '0')}`;
    const headers = { 'content-type': 'application/json', 'x-github-event': event, 'x-github-hook-id': String(id), 'x-hub-signature-256': signature, 'x-github-delivery': delivery };
    asking.push(fetch(`${side.url}/api/v1/webhooks/github`, { method: 'POST', body, headers }).then(async (response) => {
      await response.arrayBuffer();
      if (response.status !== 200) return;
      longest = Math.max(longest, Date.now() - last);
      last = Date.now();
    }).catch(() => {}));
  }, 20);
  try {
    await pause(1000); // as it is before
    longest = 0;
    const began = Date.now();
    await h.server('postgres', 'stop');
    await h.server('postgres', 'start');
    const down = Date.now() - began;
    await until('answers again', () => last > began + down);
    return { longest, down };
  } finally {
    clearInterval(clock);
    await Promise.all(asking);
  }
}

/** KB that a connection takes on which nothing was asked. */
async function idleConnections(side) {
  const count = 2000;
  const healthy = () => fetch(`${side.url}/healthz`).then((response) => response.text());
  await healthy();
  const before = memory(side.pid);
  const sockets = [];
  for (let i = 0; i < count; i++) {
    sockets.push(await new Promise((resolve, reject) => {
      const socket = net.connect(new URL(side.url).port, '127.0.0.1', () => resolve(socket)).on('error', reject);
    }));
  }
  await healthy(); // they have been accepted
  const kilobytes = ((memory(side.pid) - before) * 1024) / count;
  sockets.forEach((socket) => socket.destroy());
  return kilobytes;
}

/** System calls and instructions of a request, each in a run of its own: both slow the server down. */
async function details(side, db) {
  const kinds = ['install', ...Object.keys(bodies)];
  const [calls, counted] = [{}, {}];
  for (const what of kinds) {
    let made;
    const prepared = await prepare(side, what, 16, 300);
    const total = await systemCalls(side.pid, path.join(h.dir, 'strace'), async () => { ({ made } = await work(side, db, 16, prepared)); });
    calls[what] = total / made;
  }
  await side.stop();
  const file = path.join(h.dir, `callgrind-${rounds}`);
  await side.start(callgrind(file));
  for (const what of kinds) {
    await work(side, db, 4, await prepare(side, what, 4, 50)); // warm
    let made;
    const prepared = await prepare(side, what, 4, side.isPublishing ? 200 : 50);
    const total = await instructions(side.pid, file, async () => { ({ made } = await work(side, db, 4, prepared)); });
    counted[what] = total / made / 1000;
  }
  await side.stop();
  await side.start();
  return { calls, counted };
}

// ---- the run ------------------------------------------------------------------------------------------------------------

const table = {}; // what: {side: figures}
function note(what, side, figures) {
  (table[what] ??= {})[side.name] = figures;
  const f = (value, width) => value.toFixed(0).padStart(width);
  console.log(`  ${side.name.padEnd(24)} ${what.padEnd(44)} ${f(figures.server, 6)} ms  PostgreSQL ${f(figures.postgres, 5)} ms  NATS ${f(figures.bus, 4)} ms  ${f(figures.rate, 6)} a second  p99 ${figures.p99.padStart(8)}  ${figures.memory.toFixed(1).padStart(6)} MB`);
}

/** Installations of others, ten to a person, up to `count`. */
async function addRows(db, count) {
  await db.query(`insert into users (login) select 'many' || n from generate_series(0, $1::bigint / 10) n on conflict do nothing`, [count]);
  await db.query(`insert into installations (user_id, repo_id, repo_full_name, webhook_id, webhook_secret, state, generation, connected_at)
    select u.id, 900000000 + n, 'many/r' || n, 800000000 + n, '\\x00', 'active', nextval('generations'), now()
      from generate_series((select count(*) from installations where repo_full_name like 'many/%') + 1, $1::bigint) n
      join users u on u.login = 'many' || n / 10`, [count]);
  await db.query('vacuum analyze users, installations');
}

async function bench(side) {
  const isOriginal = side.env.CLIENT_PER_CALL === '1'; // differs in its installs only
  const db = new pg.Pool({ connectionString: side.databaseUrl, max: 1 });
  db.on('error', () => {}); // PostgreSQL is restarted under it
  try {
    await side.start();
    const idle = memory(side.pid);
    const perConnection = await idleConnections(side);
    await work(side, db, 16, await installs(side, 200, 0, 16)); // warm: connections are made, statements prepared, code loaded
    const { rows } = await db.query(`select webhook_id from installations where state = 'active' order by id limit ${hooksUsed}`);
    const known = new Set(rows.map((row) => Number(row.webhook_id)));
    side.hooks = (await h.hooks()).filter(({ id }) => known.has(id));
    const kinds = ['install', ...(isOriginal ? [] : Object.keys(bodies))].filter((what) => !only || what.startsWith(only));
    for (const what of kinds.filter((one) => one !== 'install')) await work(side, db, 16, webhooks(side, what, 200));
    for (const many of isOriginal ? rowCounts.slice(0, 1) : rowCounts) {
      if (many) await addRows(db, many);
      for (const c of connections) {
        for (const what of kinds) {
          // What takes little is measured over more, what takes much over less: CPU is counted in steps of 10 ms.
          const count = isOriginal ? Math.ceil(N / 4) : what !== 'install' && side.isPublishing ? N * 5 : N;
          note(`${what}, ${c} connections${rowCounts.length > 1 || many ? `, ${many} rows` : ''}`, side, await measure(side, db, c, await prepare(side, what, c, count)));
        }
      }
    }
    if (only || isOriginal) return;
    // Half of what it can do: a connection answers in less time than under full load, so it waits for more than half of the
    // time; the share that was reached is printed.
    const full = Object.entries(table).find(([what]) => what.startsWith('webhook 1.5 KB'))[1][side.name].rate; // with the first of CONNECTIONS
    const half = await measure(side, db, connections[0], webhooks(side, 'webhook 1.5 KB', side.isPublishing ? N * 5 : N, Math.max(1, Math.round((1.5 * connections[0] * 1000) / full))));
    const gap = await stall(side);
    console.log(`  ${side.name.padEnd(24)} idle ${idle.toFixed(1)} MB, an idle connection ${perConnection.toFixed(2)} KB; at ${((half.rate / full) * 100).toFixed(0)} % load (${half.rate.toFixed(0)} webhooks a second) p99 ${half.p99}; PostgreSQL restarted within ${gap.down} ms: ${gap.longest} ms without an answer of 200`);
    if (isOn('DEEP')) {
      const { calls, counted } = await details(side, db);
      for (const what of Object.keys(calls)) console.log(`  ${side.name.padEnd(24)} ${what.padEnd(44)} ${calls[what].toFixed(1).padStart(6)} system calls  ${counted[what].toFixed(0).padStart(7)} thousand instructions`);
    }
    const end = Date.now() + soakMinutes * 60_000;
    for (let i = 0; Date.now() < end; i++) {
      for (const what of kinds) await work(side, db, 128, await prepare(side, what, 128, what === 'install' ? 500 : 5000));
      if (i % 10 === 0) console.log(`  ${side.name.padEnd(24)} ${((end - Date.now()) / 60_000).toFixed(0).padStart(4)} minutes left: ${memory(side.pid).toFixed(1)} MB`);
    }
  } finally {
    await db.end();
  }
}

try {
  for (let n = 0; n < people; n++) await h.control('POST', '/users', { login: `u${n}`, token: `tok-u${n}`, scopes: 'repo' });
  console.log(`CPU for 1,000 requests, whole processes; measured over ${N} installs and webhooks (Repobus: ${5 * N} webhooks; a client per call: ${Math.ceil(N / 4)} installs)\n`);
  for (const make of [
    ...(isOn('OURS') ? [ours] : []),
    ...(isOn('PEER') ? [() => peer('FastAPI')] : []),
    ...(isOn('PEER') && isOn('ORIGINAL') && only !== 'webhook' ? [() => peer('FastAPI, client per call', { CLIENT_PER_CALL: '1' })] : []),
  ]) {
    const side = await make();
    await bench(side);
    await side.stop();
  }
  if (isOn('OURS') && isOn('PEER')) console.log('\nhow many times the CPU of Repobus: the server process, PostgreSQL');
  for (const [what, by] of Object.entries(table)) {
    for (const [name, figures] of Object.entries(by).filter(([other]) => other !== 'Repobus' && by.Repobus)) {
      console.log(`  ${name.padEnd(24)} ${what.padEnd(44)} ${(figures.server / by.Repobus.server).toFixed(1).padStart(6)} x  ${(figures.postgres / by.Repobus.postgres).toFixed(1).padStart(6)} x`);
    }
  }
} catch (error) {
  for (const program of h.programs.values()) console.error(`${program.name}:\n${program.tail()}`);
  throw error;
} finally {
  await h.stop();
}
