// make chaos: people connect, disconnect and rescan repositories and GitHub sends webhooks, while everything is killed,
// frozen and cut at random. Afterwards it waits for quiet and checks from the outside what people were told. The seed is
// printed; with it the same choices are made, though not at the same microsecond.
//
//   SEED=n          else the time
//   REPOS=40        repositories; WEBHOOKS=5 of each; PEOPLE=6; AT_ONCE=8 repositories are lived at a time
//   LOAD_SECONDS=n  no repository is begun and nothing is broken after this time
//   QUIET_MINUTES=5 to become quiet in, each of four waits

import fs from 'node:fs';
import { makeRepository } from '../system/harness.mjs';
import * as check from './check.mjs';
import { Fleet } from './fleet.mjs';
import { People } from './people.mjs';
import { Random } from './random.mjs';

const settings = new Set();
const number = (name, otherwise) => {
  settings.add(name);
  return Number(process.env[name] ?? otherwise);
};
const seed = number('SEED', Date.now() % 2 ** 31);
const [repos, webhooks, people, atOnce, minutes] = [number('REPOS', 40), number('WEBHOOKS', 5), number('PEOPLE', 6), number('AT_ONCE', 8), number('QUIET_MINUTES', 5)];
const loadSeconds = number('LOAD_SECONDS', Infinity);
const shapes = [1, 7, 60]; // files beside the manifest

const findings = [];
const random = new Random(seed);
const started = Date.now();
const seconds = () => ((Date.now() - started) / 1000).toFixed(0);
console.log(`SEED=${seed}: ${repos} repositories, ${people} people, ${webhooks} webhooks each`);
const fleet = await Fleet.start({});
const { h } = fleet;
try {
  const crowd = new People(fleet, random.for('people'));
  for (let i = 0; i < people; i++) await crowd.add(`person${i}`);
  const logins = [...crowd.tokens.keys()];

  const trees = new Map();
  const trunks = await Promise.all(shapes.map(async (count) => {
    const files = { 'package.json': '{"dependencies":{"react":"^18.0.0"}}' };
    for (let i = 0; i < count; i++) files[`src/m${i % 5}/file${i}.ts`] = `export const n${i} = ${i};\n`;
    const path = `${h.dir}/shape${count}`;
    return { path, commit: await makeRepository(path, files), paths: Object.keys(files).sort() };
  }));
  const lives = [];
  for (let i = 0; i < repos; i++) {
    const trunk = trunks[i % trunks.length];
    const [first, second] = [logins[i % people], logins[(i + 1) % people]];
    await h.control('POST', '/repos', { owner: 'acme', name: `repo${i}`, path: trunk.path });
    for (const login of [first, second]) await h.control('POST', '/permissions', { owner: 'acme', repo: `repo${i}`, login, permission: 'admin' });
    trees.set(`acme/repo${i}`, trunk);
    lives.push([`acme/repo${i}`, [first, second]]);
  }

  let isOver = false;
  const end = Date.now() + loadSeconds * 1000;
  const strikes = fleet.strikeUntil(() => isOver || Date.now() >= end, random.for('strikes'));
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (lives.length && Date.now() < end) await crowd.live(...lives.shift(), webhooks);
  })).finally(() => {
    isOver = true;
    return strikes;
  });
  console.log(`${seconds()} s: ${crowd.counts.requests} requests, ${crowd.counts.unclear} of them without an answer; ${crowd.installs.size} installs and ${crowd.webhooks.size} webhooks answered 200`);
  console.log(`survived: ${Object.entries(fleet.kills).sort().map(([what, count]) => `${count} × ${what}`).join(', ')}`);

  await check.quiet(h, minutes, findings);
  console.log(`${seconds()} s: quiet`);
  const { active, hooks } = await check.connections(h, crowd, findings);
  const { bodies, count } = await check.events(h, crowd, findings);
  await check.projections(h, active, trees, findings);
  await check.leaks(h, fleet.programs, findings);
  await check.secrets(h, crowd, hooks, bodies, findings);
  console.log(`${active.length} connected, ${hooks.length} hooks, ${count} events on the bus`);
} catch (error) {
  findings.push(error.stack);
} finally {
  if (findings.length) {
    console.log(`${findings.length} findings; logs in ${h.dir}-logs; again: ${Object.entries({ ...process.env, SEED: seed }).filter(([name]) => settings.has(name)).map((pair) => pair.join('=')).join(' ')} make chaos`);
    for (const line of findings.slice(0, 50)) console.log(`  ${line}`);
  }
  for (const program of h.programs.values()) if (program.isRunning) program.child.kill('SIGCONT');
  if (findings.length) fs.cpSync(h.dir, `${h.dir}-logs`, { recursive: true, filter: (from) => !/postgres|nats|shape/.test(from.slice(h.dir.length)) });
  await fleet.stop().catch((error) => console.log(`  at the end: ${error.message}`));
}
console.log(findings.length ? `failed after ${seconds()} s` : `nothing lost, doubled or orphaned; ${seconds()} s`);
process.exit(findings.length ? 1 : 0);
