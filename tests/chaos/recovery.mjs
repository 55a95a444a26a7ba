// How long it takes from a kill (SIGKILL of all that are of one kind, started again at once) until a person's connect is
// answered, and until that repository is scanned and in the graph. Nothing else happens meanwhile, so a time has one cause.
//
//   tests/chaos/run recovery        ROUNDS=5 of each kind

import { makeRepository, until } from '../system/harness.mjs';
import { Fleet } from './fleet.mjs';
import { People } from './people.mjs';
import { Random } from './random.mjs';

const rounds = Number(process.env.ROUNDS ?? 5);
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
const kinds = {
  'nothing killed': async () => {},
  'both edges': () => again('edge'),
  'both scanners': () => again('scanner'),
  'both graphers': () => again('grapher'),
  'one nats-server of three': (round) => node(round % 3),
  'all three nats-servers': () => Promise.all([0, 1, 2].map(node)),
  PostgreSQL: async () => {
    await h.server('postgres', 'kill');
    await h.server('postgres', 'start');
  },
  'every connection cut': async () => Object.values(fleet.ways).forEach((way) => way.cut()),
};

const show = (times) => {
  const sorted = [...times].sort((a, b) => a - b);
  return `${(sorted[Math.floor(sorted.length / 2)] / 1000).toFixed(2)} (${(sorted.at(-1) / 1000).toFixed(2)})`.padStart(14);
};

try {
  const crowd = new People(fleet, random);
  await crowd.add('ann');
  const path = `${h.dir}/small`;
  await makeRepository(path, { 'package.json': '{"dependencies":{"react":"^18.0.0"}}', 'a.ts': 'export const a = 1;\n' });
  console.log(`seconds, median (longest) of ${rounds}        whole again        answered         in graph`);
  let repos = 0;
  for (const [kind, kill] of Object.entries(kinds)) {
    const whole = [], answered = [], inGraph = [];
    for (let round = 0; round < rounds; round++) {
      const repo = `repo${repos++}`;
      await h.control('POST', '/repos', { owner: 'acme', name: repo, path });
      await h.control('POST', '/permissions', { owner: 'acme', repo, login: 'ann', permission: 'admin' });
      const start = Date.now();
      await kill(round);
      whole.push(Date.now() - start);
      await crowd.connect('ann', `acme/${repo}`, random);
      answered.push(Date.now() - start);
      await until(`acme/${repo} is scanned and in the graph`, async () => (await h.rows(`select from installations i join runs r on r.installation_id = i.id
        where i.repo_full_name = $1 and r.state = 'done' having count(*) = 2`, [`acme/${repo}`])).length === 1);
      inGraph.push(Date.now() - start);
    }
    console.log(`${kind.padEnd(32)} ${[whole, answered, inGraph].map(show).join('   ')}`);
  }
} finally {
  await fleet.stop();
}
