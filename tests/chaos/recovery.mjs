// How long it takes from a blow (SIGKILL of all that are of one kind, started again at once, or something that lasts) until a
// person's connect is answered, until its event is on the stream, and until that repository is scanned and in the graph.
// Nothing else happens meanwhile, so a time has one cause. What lasts ends when the repository is in the graph.
//
//   tests/chaos/run recovery        ROUNDS=5 of each kind; KINDS=nats|stall: those alone whose name matches
//                                   TRACE=5: of rounds that take longer than so many seconds, what everybody logged

import fs from 'node:fs';
import { makeRepository, until } from '../system/harness.mjs';
import { Fleet } from './fleet.mjs';
import { People } from './people.mjs';
import { Random } from './random.mjs';

const rounds = Number(process.env.ROUNDS ?? 5);
const traced = Number(process.env.TRACE ?? Infinity) * 1000;
const random = new Random(1);
const fleet = await Fleet.start({});
const { h } = fleet;

const again = (program) => Promise.all([program, `${program}-2`].map(async (as) => {
  await h.get(as).kill();
  await fleet.launch(program, as);
}));
const node = async (i) => {
  await fleet.nats.kill(i);
  await fleet.nats.restart(i);
};

const edges = ['edge', 'edge-2'];
const published = new Map();
/** The edge whose counter has grown since this was asked last. */
async function relay() {
  const grown = [];
  for (const as of edges) {
    const { text } = await h.request('GET', '/metrics', { token: null, url: h.get(as).url });
    const total = Number(/^repobus_outbox_published_total (\d+)/m.exec(text)?.[1] ?? 0);
    if (total > (published.get(as) ?? 0)) grown.push(as);
    published.set(as, total);
  }
  return grown.at(-1) ?? edges[0];
}
/** Only the other edge is asked until it is over. */
async function freeze(as) {
  h.get(as).child.kill('SIGSTOP');
  fleet.only = edges.find((other) => other !== as);
  return () => {
    h.get(as).child.kill('SIGCONT');
    fleet.only = null;
  };
}
const hold = (names) => {
  for (const name of names) fleet.ways[name].hold();
  return () => names.forEach((name) => fleet.ways[name].release());
};

// What is returned ends it.
const kinds = {
  'nothing killed': async () => {},
  'both edges': () => again('edge'),
  'the edge that relays': async () => {
    const as = await relay();
    await h.get(as).kill();
    fleet.only = edges.find((other) => other !== as);
    return async () => {
      fleet.only = null;
      published.delete(as);
      await fleet.launch('edge', as);
    };
  },
  'the edge that relays, frozen': async () => freeze(await relay()),
  'both scanners': () => again('scanner'),
  'both graphers': () => again('grapher'),
  'one nats-server of three': (round) => node(round % 3),
  'one nats-server, which stays away': async (round) => {
    await fleet.nats.kill(round % 3);
    return () => fleet.nats.restart(round % 3);
  },
  'all three nats-servers': () => Promise.all([0, 1, 2].map(node)),
  'the way to one nats-server stalls': async (round) => hold([`nats-${(round % 3) + 1}`]),
  'the ways to all stall for 3 s': async () => {
    const end = hold(['nats-1', 'nats-2', 'nats-3']);
    setTimeout(end, 3000);
  },
  PostgreSQL: async () => {
    await h.server('postgres', 'kill');
    await h.server('postgres', 'start');
  },
  'every connection cut': async () => Object.values(fleet.ways).forEach((way) => way.cut()),
};

/** What was logged since `start` by whoever was there, by its time. */
function logged(start) {
  const lines = [];
  for (const [as, program] of fleet.programs) for (const line of program.lines) lines.push([Date.parse(/\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(line)?.[0]), as, line]);
  fleet.nats.dirs.forEach((dir, i) => {
    for (const line of fs.readFileSync(`${dir}/log`, 'utf8').split('\n')) {
      const [, y, m, d, time] = /(\d{4})\/(\d\d)\/(\d\d) ([\d:.]+)/.exec(line) ?? [];
      lines.push([Date.parse(`${y}-${m}-${d}T${time}Z`), `nats-${i + 1}`, line]);
    }
  });
  return lines.filter(([at]) => at >= start).sort(([a], [b]) => a - b).map(([at, who, line]) => `    ${((at - start) / 1000).toFixed(2).padStart(6)} ${who.padEnd(9)} ${line.slice(0, 200)}`);
}

const show = (times) => {
  const sorted = [...times].sort((a, b) => a - b);
  return `${(sorted[Math.floor(sorted.length / 2)] / 1000).toFixed(2)} (${(sorted.at(-1) / 1000).toFixed(2)})`.padStart(14);
};

try {
  const crowd = new People(fleet, random);
  await crowd.add('ann');
  const path = `${h.dir}/small`;
  await makeRepository(path, { 'package.json': '{"dependencies":{"react":"^18.0.0"}}', 'a.ts': 'export const a = 1;\n' });
  let repos = 0;
  /** The times of what follows `blow`, in milliseconds. */
  async function round(blow) {
    const repo = `repo${repos++}`, times = [];
    await h.control('POST', '/repos', { owner: 'acme', name: repo, path });
    await h.control('POST', '/permissions', { owner: 'acme', repo, login: 'ann', permission: 'admin' });
    const start = Date.now();
    const over = await blow();
    times.push(Date.now() - start);
    await crowd.connect('ann', `acme/${repo}`, random);
    times.push(Date.now() - start);
    await until(`acme/${repo} is published`, async () => (await h.rows(`select from outbox_events e join outbox_waiting using (id)
      where e.body::jsonb -> 'data' ->> 'repo' = $1`, [`acme/${repo}`])).length === 0);
    times.push(Date.now() - start);
    await until(`acme/${repo} is scanned and in the graph`, async () => (await h.rows(`select from installations i join runs r on r.installation_id = i.id
      where i.repo_full_name = $1 and r.state = 'done' having count(*) = 2`, [`acme/${repo}`])).length === 1);
    times.push(Date.now() - start);
    await over?.();
    if (times.at(-1) > traced) console.log(`  ${times.map((t) => (t / 1000).toFixed(2)).join(' ')}\n${logged(start).join('\n')}`);
    return times;
  }
  await round(async () => {});
  await relay();
  console.log(`seconds, median (longest) of ${rounds}        whole again        answered        on stream        in graph`);
  for (const [kind, blow] of Object.entries(kinds).filter(([name]) => RegExp(process.env.KINDS ?? '').test(name))) {
    const all = [];
    for (let i = 0; i < rounds; i++) all.push(await round(() => blow(i)));
    console.log(`${kind.padEnd(33)} ${all[0].map((_, i) => show(all.map((times) => times[i]))).join('   ')}`);
  }
} finally {
  await fleet.stop();
}
