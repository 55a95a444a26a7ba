// One subscriber process with an empty handler, ours beside Watermill and nats-py, and the added latency of outbox and relay.
// README.md says what is measured and how to read it. Prints figures, asserts nothing.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { bin, house, House, Program, until } from '../../system/harness.mjs';
import { cpu, memory } from '../edge.measure.mjs';

const events = Number(process.env.EVENTS ?? 20000);
const rounds = Number(process.env.ROUNDS ?? 3);
const build = path.join(house, 'build/bench/bus');
const python = path.join(house, 'build/bench/bus-venv/bin/python');
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const h = await House.start({ programs: ['edge'], env: { LOG_LEVEL: 'warn', RECONCILE_SECONDS: '3600', RB_ACK_WAIT_MS: '30000' } });
const nc = await connect({ servers: h.natsUrl });
const js = jetstream(nc);
const manager = await jetstreamManager(nc);
const natsPid = Number(fs.readFileSync(path.join(h.dir, 'nats/pid'), 'utf8'));
const recorded = JSON.parse(fs.readFileSync(path.join(house, 'tests/subscriber/events/repo.connected.json'), 'utf8'));

function makeEvent(n) {
  return { ...recorded, id: randomUUID(), time: new Date().toISOString(), data: { ...recorded.data, installation_id: n + 1, generation: n + 1 } };
}

// ---- throughput -----------------------------------------------------------------------------------------------------------

const ours = path.join(house, 'build/bench/bus_subscriber');
const sides = [
  { name: 'Repobus, 2 workers (default)', command: [ours] },
  { name: 'Repobus, 16 workers', command: [ours], env: { WORKERS: '16' } },
  { name: 'Repobus, without run records, 1 worker', command: [ours], env: { RUNS: '0', WORKERS: '1' } },
  { name: 'Repobus, without run records, 2 workers', command: [ours], env: { RUNS: '0' } },
  { name: 'Repobus, without run records, 16 workers', command: [ours], env: { RUNS: '0', WORKERS: '16' } },
  { name: 'Watermill, pull (pkg/jetstream), one at a time', command: [`${build}/watermill`, 'pull'] },
  { name: 'Watermill, push (pkg/nats), two at a time', command: [`${build}/watermill`, 'push'] },
  { name: 'nats-py, one at a time', command: [python, 'subscriber.py'], env: { BATCH: '1' } },
  { name: 'nats-py, 16 at a time', command: [python, 'subscriber.py'], env: { BATCH: '16' } },
].filter(({ name }) => new RegExp(process.env.ONLY ?? '').test(name));

async function handled(name) {
  const info = await manager.consumers.info('REPOBUS', name).catch(() => undefined);
  return info?.ack_floor.stream_seq ?? 0;
}

/** From the first tenth of the events, so that neither the start of the process nor of its consumer counts, to the last. */
async function measure(side, round) {
  const name = `bench_${sides.indexOf(side)}_${round}`;
  const [program, ...args] = side.command;
  const env = { ...h.env, NAME: name, HEALTH_PORT: '0', PYTHONDONTWRITEBYTECODE: '1', ...side.env };
  const child = spawn(program, args, { cwd: path.join(house, 'tests/bench/bus'), env, stdio: ['ignore', 'pipe', 'pipe'] });
  const running = new Program(name, child, path.join(h.dir, `${name}.log`));
  h.programs.set(name, running);
  const look = async () => running.isRunning && ({ count: await handled(name), at: performance.now(), cpu: cpu(child.pid), nats: cpu(natsPid) });
  const from = await until(`${side.name} to begin`, async () => {
    const now = await look();
    return !now || (now.count >= events / 10 && now);
  });
  if (!running.isRunning) throw new Error(`${side.name} has ended: ${running.tail()}`);
  let peak = 0;
  const to = await until(`${side.name} to end`, async () => {
    const now = await look();
    if (!now) throw new Error(`${side.name} has ended: ${running.tail()}`);
    peak = Math.max(peak, memory(child.pid));
    return now.count >= events && now;
  }, 600_000);
  child.kill('SIGTERM');
  await running.exited;
  await manager.consumers.delete('REPOBUS', name);
  const count = to.count - from.count;
  return { perSecond: (count / (to.at - from.at)) * 1000, cpu: ((to.cpu - from.cpu) / count) * 1000, nats: ((to.nats - from.nats) / count) * 1000, peak };
}

async function throughput() {
  for (let n = 0; n < events; n += 500) {
    await Promise.all(Array.from({ length: Math.min(500, events - n) }, (_, i) => {
      const event = makeEvent(n + i);
      return js.publish('repo.connected', JSON.stringify(event), { msgID: event.id });
    }));
  }
  const results = new Map(sides.map((side) => [side, []]));
  for (let round = 0; round < rounds; round++) for (const side of sides) results.get(side).push(await measure(side, round));
  console.log(`\nOne subscriber process, empty handler: ${events} events of ${JSON.stringify(makeEvent(0)).length} bytes, median of ${rounds} rounds\n`);
  console.log(`${''.padEnd(50)}events/s  µs CPU an event  µs of nats-server   MB`);
  for (const [side, rows] of results) {
    const median = (key) => rows.map((row) => row[key]).sort((a, b) => a - b)[Math.floor(rows.length / 2)];
    console.log(`${side.name.padEnd(50)}${median('perSecond').toFixed(0).padStart(8)}${median('cpu').toFixed(0).padStart(17)}${median('nats').toFixed(0).padStart(19)}${median('peak').toFixed(0).padStart(5)}`);
  }
}

// ---- outbox and relay -----------------------------------------------------------------------------------------------------

/** Commits `count` events in one statement, as the edge writes them. */
function commit(count) {
  const made = Array.from({ length: count }, (_, n) => makeEvent(n));
  return h.rows(
    `with event as (insert into outbox_events (id, subject, body, created_at)
       select id, 'repo.connected', body, clock_timestamp() from unnest($1::uuid[], $2::text[]) as e(id, body) returning position, id),
     waits as (insert into outbox_waiting select position, id from event)
     select pg_notify('outbox', '') from event`, [made.map(({ id }) => id), made.map((event) => JSON.stringify(event))]);
}

/** Reads what is on the stream from `sequence` on: of each event the time at which the stream took it, in ms. */
async function stored(sequence, count) {
  const consumer = await js.consumers.get('REPOBUS', { opt_start_seq: sequence, deliver_policy: 'by_start_sequence' });
  const times = new Map();
  for await (const message of await consumer.consume({ max_messages: 500 })) {
    times.set(message.headers.get('Nats-Msg-Id'), message.info.timestampNanos / 1e6);
    if (times.size === count) break;
  }
  return times;
}

async function next() {
  return (await manager.streams.info('REPOBUS')).state.last_seq + 1;
}

/** Runs `work`, which commits `count` events; milliseconds from each one's statement to its place in the stream. */
async function delays(count, work) {
  const sequence = await next();
  await work();
  await until('the outbox to be empty', async () => (await h.rows('select from outbox where published_at is null limit 1')).length === 0);
  const times = await stored(sequence, count);
  const rows = await h.rows('select id, extract(epoch from created_at) * 1000 as at from outbox where id = any($1)', [[...times.keys()]]);
  return { times, ms: rows.map(({ id, at }) => times.get(id) - Number(at)).sort((a, b) => a - b) };
}

async function relay() {
  const print = (name, ms) => console.log(`${name.padEnd(50)}${ms[Math.floor(ms.length / 2)].toFixed(1).padStart(8)} ms${ms[Math.floor(ms.length * 0.99)].toFixed(1).padStart(9)} ms   n=${ms.length}`);
  const full = await delays(events, () => commit(events));
  const moments = [...full.times.values()];
  const perSecond = (events / (Math.max(...moments) - Math.min(...moments))) * 1000;
  const cpuBefore = cpu(h.get('edge').child.pid);

  const commits = [];
  const rest = await delays(200, async () => {
    for (let n = 0; n < 200; n++) {
      const began = performance.now();
      await commit(1);
      commits.push(performance.now() - began);
      await pause(50); // at rest: nothing else is under way
    }
  });
  const every = 10; // ms
  const perTick = Math.max(1, Math.round(perSecond * 0.8 * every / 1000));
  const ticks = Number(process.env.LOAD_SECONDS ?? 15) * 1000 / every;
  let late = 0;
  const loaded = await delays(perTick * ticks, async () => {
    const under = [];
    const began = performance.now();
    for (let n = 0; n < ticks; n++) {
      const wait = began + n * every - performance.now(); // open loop: the relay does not slow it down
      if (wait > 0) await pause(wait);
      late = Math.max(late, -wait);
      under.push(commit(perTick));
    }
    await Promise.all(under);
  });
  console.log(`\nOutbox and relay: from the statement that commits an event (its fsync included) until it is on the stream\n`);
  console.log(`The relay carries ${perSecond.toFixed(0)} events/s of an outbox that is full.`);
  console.log(`${''.padEnd(50)}  median         p99`);
  print('at rest, one event every 50 ms', rest.ms);
  print(`at 80 %: ${perTick} events in one commit every ${every} ms`, loaded.ms);
  print('the committing statement itself, at rest', commits.sort((a, b) => a - b));
  console.log(`The load was late by ${late.toFixed(0)} ms at most; the edge used ${((cpu(h.get('edge').child.pid) - cpuBefore) / (200 + perTick * ticks) * 1000).toFixed(0)} µs CPU an event.`);
}

// ---- lines of code --------------------------------------------------------------------------------------------------------

function lines() {
  const count = (file) => fs.readFileSync(path.join(house, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|"""[\s\S]*?"""/g, '').split('\n')
    .filter((line) => line.trim() && !/^\s*(\/\/|#(?!include))/.test(line)).length;
  console.log('\nLines of code of the empty subscriber, without blank lines and comments\n');
  for (const file of ['tests/bench/bus_subscriber.c', 'examples/hello-subscriber/main.c', 'tests/bench/bus/watermill/main.go', 'tests/bench/bus/subscriber.py']) {
    console.log(`${file.padEnd(50)}${String(count(file)).padStart(8)}`);
  }
}

try {
  console.log(`${fs.readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ')} load before, binaries of ${bin}`);
  const what = process.env.PART;
  if (!what || what === 'throughput') await throughput();
  if (!what || what === 'relay') await relay();
  lines();
} finally {
  await nc.close();
  await h.stop();
}
