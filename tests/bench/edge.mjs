// The edge beside the alternative most teams would write (tests/bench/peer), in one run: CPU of the server process, of
// PostgreSQL and of NATS for 1,000 installs and 1,000 webhooks, memory, latency, stalls. Load comes from wrk, closed loop;
// every install is another repository, every webhook another delivery. Prints figures, asserts nothing.
//
//   N=1000              requests a measurement
//   CONNECTIONS=16,128
//   ROWS=0              installations in the database beforehand (100000 shows how figures grow)
//   PEER=1 ORIGINAL=1   also the peer; also with a client per call to GitHub

import { execFile, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { bin, house, House, Program, until } from '../system/harness.mjs';

const run = promisify(execFile);
const N = Number(process.env.N ?? 1000);
const connections = (process.env.CONNECTIONS ?? '16,128').split(',').map(Number);
const rowsBefore = Number(process.env.ROWS ?? 0);
const people = 32; // GitHub's rules let a person make one hook at a time
const ms = (ticks) => ticks * 10; // USER_HZ is 100
const venv = path.join(house, 'build/bench/peer-venv');
const example = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json').find(({ name }) => name === 'pull_request').examples[0];
const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

function stat(pid) {
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
}
/** Milliseconds of CPU of a process; with `family` also of its children, those that have ended included. */
function cpu(pid, family = false) {
  const fields = stat(pid);
  let sum = ms(fields[11] + fields[12]);
  if (family) {
    sum += ms(fields[13] + fields[14]);
    for (const other of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        if (stat(other)[1] === pid) sum += cpu(Number(other));
      } catch { /* it has ended meanwhile */ }
    }
  }
  return sum;
}
const memory = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

const h = await House.start({ programs: [], env: { LOG_LEVEL: 'info', RESERVATION_SECONDS: '60', RECONCILE_SECONDS: '3600' } });
const postmaster = Number(fs.readFileSync(path.join(h.dir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]);
const pidOfNats = Number((await run('pgrep', ['-f', `nats-server.*${h.dir}`])).stdout.trim().split('\n')[0]);

/** One side: its server, its database, its people. */
async function ours() {
  const edge = await h.launch('edge');
  const tokens = [];
  for (let n = 0; n < people; n++) tokens.push(await h.token(`u${n}`, { oauth: `tok-u${n}` }));
  return { name: 'Repobus', url: h.url, pid: edge.child.pid, tokens, databaseUrl: h.databaseUrl, stop: () => edge.stop(), published: true };
}

async function peer(name, more = {}) {
  const database = `peer_${name.toLowerCase().replace(/\W+/g, '_')}`;
  await h.rows(`create database ${database}`);
  const databaseUrl = h.databaseUrl.replace(/\/[^/]*$/, `/${database}`);
  await run(path.join(house, 'migrations/apply'), [], { env: { ...process.env, DATABASE_URL: databaseUrl } });
  const port = await freePort();
  const env = {
    ...h.env, ...more, DATABASE_URL: databaseUrl, BACKEND_URL: `https://${database.replaceAll('_', '-')}.example.com`, FERNET_KEY: randomBytes(32).toString('base64url') + '=',
  };
  const cwd = path.join(house, 'tests/bench/peer');
  const { stdout } = await run(path.join(venv, 'bin/python'), ['app.py', 'seed', String(people)], { env, cwd });
  const child = spawn(path.join(venv, 'bin/uvicorn'), ['app:app', '--host', '127.0.0.1', '--port', String(port), '--loop', 'uvloop', '--http', 'httptools', '--workers', '1', '--no-access-log'], { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const program = new Program(name, child, path.join(h.dir, `${database}.log`));
  h.programs.set(name, program);
  await program.line(/running on/);
  return { name, url: `http://127.0.0.1:${port}`, pid: child.pid, tokens: JSON.parse(stdout), databaseUrl, stop: async () => { child.kill('SIGTERM'); await program.exited; } };
}

let serial = 0;
/** The script for wrk: `count` requests, then silence. It says when all are answered, so that nobody has to ask. */
function script(file, setup, request) {
  fs.writeFileSync(file, `${setup}\nlocal i, answered, bad = 0, 0, 0\nfunction request() i = i + 1\n${request}\nend
function delay() if i >= count then return 3600000 end return pause end
function response(status, headers, body)
  if status ~= 200 then bad = bad + 1 if bad < 4 then io.write('refused ', status, ' ', body, '\\n') end end
  answered = answered + 1
  if answered == count - 1 then io.write('complete\\n') io.flush() end -- wrk asks for one that it never sends
end\n`);
}

async function wrk(file, url, c) {
  const child = spawn('wrk', ['-t1', `-c${c}`, '-d600s', '--latency', '-s', file, url]);
  let text = '';
  let end;
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (!end && text.includes('complete\n')) {
        end = Date.now();
        resolve();
      }
    });
    child.on('exit', () => reject(new Error(`wrk ended: ${text}`)));
  });
  child.removeAllListeners('exit').kill('SIGINT');
  await new Promise((resolve) => child.on('exit', resolve));
  const refused = text.match(/^refused .*/gm);
  if (refused) console.log(`    ${refused.join('\n    ')}`);
  return { end, p99: /99%\s+(\S+)/.exec(text)?.[1] };
}

/** Runs one load on one side and measures around it; what comes after the answer (publishing) counts as well. */
async function measure(side, db, c, file, counter) {
  const count = async () => Number((await db.query(counter)).rows[0].n);
  const start = await count();
  let highest = 0;
  const look = setInterval(() => { highest = Math.max(highest, memory(side.pid)); }, 50);
  const before = [cpu(side.pid), cpu(postmaster, true), cpu(pidOfNats), Date.now()];
  const { p99, end } = await wrk(file, side.url, c);
  while (side.published && (await db.query('select 1 from outbox where published_at is null limit 1')).rowCount) await new Promise((resolve) => setTimeout(resolve, 100));
  const after = [cpu(side.pid), cpu(postmaster, true), cpu(pidOfNats)];
  clearInterval(look);
  const made = (await count()) - start;
  const [server, postgres, nats] = after.map((value, i) => ((value - before[i]) * 1000) / made);
  return { server, postgres, nats, rate: (made / (end - before[3])) * 1000, memory: highest, p99 };
}

async function installs(side, db, c, count, { pause = 0 } = {}) {
  const base = serial;
  serial += count + c; // those under way at the end go a little beyond
  await h.control('POST', '/limits', { rate_remaining: 1000000 });
  for (let i = base; i < base + count + c; i++) {
    await h.control('POST', '/repos', { owner: 'acme', name: `b${i}`, path: h.repository });
    await h.control('POST', '/permissions', { owner: 'acme', repo: `b${i}`, login: `u${i % people}`, permission: 'admin' });
  }
  const file = path.join(h.dir, 'install.lua');
  script(file, `count, pause = ${count}, ${pause}\nlocal tokens = {${side.tokens.map((token) => `'${token}'`).join(',')}}`,
    `local n = ${base} + i - 1 return wrk.format('POST', '/api/v1/repos/acme/b' .. n .. '/install', { Authorization = 'Bearer ' .. tokens[n % ${people} + 1] })`);
  return measure(side, db, c, file, `select count(*) as n from installations where state = 'active'`);
}

let run_ = 0;
async function webhooks(side, db, c, count, body, { pause = 0 } = {}) {
  const [hook] = (await h.hooks()).filter((one) => one.id === side.hook);
  const signature = `sha256=${createHmac('sha256', hook.secret).update(body).digest('hex')}`;
  const file = path.join(h.dir, 'webhook.lua');
  const bodyFile = path.join(h.dir, 'body.json');
  fs.writeFileSync(bodyFile, body);
  script(file, `count, pause = ${count}, ${pause}\nlocal file = io.open('${bodyFile}') local body = file:read('*a')`,
    `return wrk.format('POST', '/api/v1/webhooks/github', { ['Content-Type'] = 'application/json', ['X-GitHub-Event'] = 'pull_request', ['X-GitHub-Hook-ID'] = '${hook.id}', ['X-Hub-Signature-256'] = '${signature}', ['X-GitHub-Delivery'] = string.format('%08x-0000-4000-8000-%012x', ${++run_}, i) }, body)`);
  return measure(side, db, c, file, 'select count(*) as n from deliveries');
}

/** The longest time without an answer of 200 while PostgreSQL is restarted, as one client sees it that asks 50 times a second. */
async function stall(side, body) {
  const [hook] = (await h.hooks()).filter((one) => one.id === side.hook);
  const signature = `sha256=${createHmac('sha256', hook.secret).update(body).digest('hex')}`;
  let going = true;
  let last = Date.now();
  let longest = 0;
  let n = 0;
  const asking = [];
  run_++;
  const clock = setInterval(() => {
    if (!going) return;
    const headers = { 'content-type': 'application/json', 'x-github-event': 'issues', 'x-github-hook-id': String(hook.id), 'x-hub-signature-256': signature, 'x-github-delivery': `${String(run_).padStart(8, '0')}-0000-4000-9000-${String(++n).padStart(12, '0')}` };
    asking.push(fetch(`${side.url}/api/v1/webhooks/github`, { method: 'POST', body, headers }).then((response) => {
      if (response.status !== 200) return;
      longest = Math.max(longest, Date.now() - last);
      last = Date.now();
    }).catch(() => {}));
  }, 20);
  await new Promise((resolve) => setTimeout(resolve, 1000)); // as it is before
  longest = 0;
  const began = Date.now();
  await h.server('postgres', 'stop');
  await h.server('postgres', 'start');
  const down = Date.now() - began;
  await until('answers again', () => last > began + down);
  going = false;
  clearInterval(clock);
  await Promise.all(asking);
  return { longest, down };
}

async function idleConnections(side) {
  const count = 2000;
  const before = memory(side.pid);
  const sockets = [];
  for (let i = 0; i < count; i++) {
    sockets.push(await new Promise((resolve, reject) => {
      const socket = net.connect(new URL(side.url).port, '127.0.0.1', () => resolve(socket)).on('error', reject);
    }));
  }
  await fetch(`${side.url}/healthz`).then((response) => response.text()); // they have been accepted
  const kilobytes = ((memory(side.pid) - before) * 1024) / count;
  sockets.forEach((socket) => socket.destroy());
  return kilobytes;
}

const bodies = {
  'webhook 1.5 KB': JSON.stringify({ action: 'opened', number: 1, pull_request: { id: 1, title: 'x', body: 'y'.repeat(1300) }, repository: { id: 5, full_name: 'acme/bench' } }),
  'webhook 25 KB': JSON.stringify({ ...example, padding: 'z'.repeat(Math.max(0, 25000 - JSON.stringify(example).length)), repository: { ...example.repository, full_name: 'acme/bench' } }),
};
const results = {};
function note(what, c, side, figures) {
  const key = `${what}, ${c} connections`;
  (results[key] ??= {})[side.name] = figures;
  console.log(`  ${side.name.padEnd(24)} ${key.padEnd(34)} server ${figures.server.toFixed(0).padStart(6)} ms   PostgreSQL ${figures.postgres.toFixed(0).padStart(5)} ms   NATS ${figures.nats.toFixed(0).padStart(4)} ms   ${figures.rate.toFixed(0).padStart(6)} a second   p99 ${String(figures.p99).padStart(8)}   ${figures.memory.toFixed(1)} MB`);
}

async function bench(side) {
  const { Pool } = await import('pg').then((module) => module.default);
  const db = new Pool({ connectionString: side.databaseUrl, max: 1 });
  db.on('error', () => {});
  try {
    side.idle = memory(side.pid);
    await installs(side, db, 16, 200); // warm: connections are made, statements prepared, code loaded
    const { rows } = await db.query(`select webhook_id from installations where state = 'active' order by id limit 1`);
    side.hook = Number(rows[0].webhook_id);
    if (rowsBefore) {
      await db.query(`insert into installations (user_id, repo_id, repo_full_name, webhook_id, webhook_secret, state, generation, connected_at)
        select (select min(id) from users), 900000000 + n, 'many/r' || n, 800000000 + n, '\\x00', 'active', nextval('generations'), now() from generate_series(1, ${rowsBefore}) n`);
      await db.query('analyze installations');
    }
    await webhooks(side, db, 16, 200, bodies['webhook 1.5 KB']);
    for (const c of connections) {
      note('install', c, side, await installs(side, db, c, N));
      for (const [what, body] of Object.entries(bodies)) note(what, c, side, await webhooks(side, db, c, N * side.many, body));
    }
    const full = results[`webhook 1.5 KB, ${connections[0]} connections`][side.name].rate;
    const half = await webhooks(side, db, 16, Math.min(N, 2000), bodies['webhook 1.5 KB'], { pause: Math.max(1, Math.round((16 * 1000) / (full / 2))) });
    const gap = await stall(side, bodies['webhook 1.5 KB']);
    const idle = await idleConnections(side);
    console.log(`  ${side.name.padEnd(24)} idle ${side.idle.toFixed(1)} MB; ${idle.toFixed(2)} KB an idle connection; at half load (${half.rate.toFixed(0)} webhooks a second) p99 ${half.p99}; PostgreSQL restarted within ${gap.down} ms: ${gap.longest} ms without an answer of 200`);
  } finally {
    await db.end();
  }
}

try {
  for (let n = 0; n < people; n++) await h.control('POST', '/users', { login: `u${n}`, token: `tok-u${n}`, scopes: 'repo' });
  console.log(`CPU for 1,000 requests (measured over ${N} installs, webhooks of Repobus over ${5 * N}), ${rowsBefore} installations in the database beforehand\n`);
  for (const make of [
    ...(process.env.OURS === '0' ? [] : [ours]),
    ...(process.env.PEER === '0' ? [] : [() => peer('FastAPI')]),
    ...(process.env.PEER === '0' || process.env.ORIGINAL === '0' ? [] : [() => peer('FastAPI, client per call', { CLIENT_PER_CALL: '1' })]),
  ]) {
    const side = await make();
    side.many = side.published ? 5 : 1; // what takes so little is measured over more
    await bench(side);
    await side.stop();
  }
  console.log('\nhow many times the CPU of the server process, and of PostgreSQL:');
  for (const [key, by] of Object.entries(results)) {
    for (const [name, figures] of Object.entries(by)) {
      if (name !== 'Repobus') console.log(`  ${key.padEnd(34)} ${name.padEnd(26)} ${(figures.server / by.Repobus?.server).toFixed(0).padStart(4)} x   ${(figures.postgres / by.Repobus?.postgres).toFixed(1).padStart(6)} x`);
    }
  }
} catch (error) {
  for (const program of h.programs.values()) console.error(`${program.name}:\n${program.tail()}`);
  throw error;
} finally {
  await h.stop();
}
