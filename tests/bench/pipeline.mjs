// The figures of the whole line: idle memory and CPU, the way from the commit of an install to each subscriber's
// handler, GitHub requests of one connect.

import fs from 'node:fs';
import { House } from '../system/harness.mjs';

const installs = Number(process.env.INSTALLS ?? 1000);
const idleSeconds = Number(process.env.IDLE_SECONDS ?? 30);
const programs = ['edge', 'scanner', 'grapher'];

const h = await House.start({ env: { LOG_LEVEL: 'warn', RESERVATION_SECONDS: '60', RECONCILE_SECONDS: '30' } }).catch((error) => {
  console.error(error);
  process.exit(1);
});

const ticks = 100; // of USER_HZ, fixed on Linux
function usage(name) {
  const { pid } = h.get(name).child;
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const memory = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mb = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(memory)[1]) / 1024;
  return { cpu: (Number(stat[11]) + Number(stat[12])) / ticks, rss: mb('Rss'), pss: mb('Pss'), own: mb('Private_Dirty') + mb('Private_Clean') };
}

function percentile(sorted, p) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
}

async function idle(label) {
  const before = Object.fromEntries(programs.map((name) => [name, usage(name)]));
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000)); // idling is what is measured
  const together = { rss: 0, pss: 0, own: 0 };
  const line = (name, { rss, pss, own }, cpu = '') => console.log(`  ${name.padEnd(8)} ${[rss, pss, own].map((mb) => mb.toFixed(1).padStart(10)).join('')}   ${cpu}`);
  console.log(`\n${label}, over ${idleSeconds} s: MB resident, MB with shared pages counted once among all that share them, MB of its own`);
  for (const name of programs) {
    const now = usage(name);
    for (const kind of Object.keys(together)) together[kind] += now[kind];
    line(name, now, `${(((now.cpu - before[name].cpu) / idleSeconds) * 1000).toFixed(2)} ms CPU a second`);
  }
  line('together', together);
}

try {
  await idle('idle after start');

  await h.control('DELETE', '/requests');
  const { json } = await h.install();
  await h.untilDone(json.installation_id);
  const requests = await h.control('GET', '/requests');
  console.log(`\nGitHub requests of one connect: ${requests.length}`);
  for (const request of requests) console.log(`  ${request.method} ${request.path}`);

  const cpu = Object.fromEntries(programs.map((name) => [name, usage(name).cpu]));
  for (let i = 0; i < installs; i++) {
    if (i % 500 === 0) await h.control('POST', '/limits', { rate_remaining: 5000 }); // a person's for an hour: 500 repositories take 3,000
    await h.control('POST', '/repos', { owner: 'acme', name: `bench${i}`, path: h.repository });
    await h.control('POST', '/permissions', { owner: 'acme', repo: `bench${i}`, login: 'alice', permission: 'admin' });
    const answer = await h.install(`acme/bench${i}`);
    if (answer.status !== 200) throw new Error(answer.text);
    await h.untilDone(answer.json.installation_id);
  }
  console.log(`\nfrom the statement that commits the install to the handler's start, ${installs} installs, one after another (includes the commit's own fsync)`);
  for (const subscriber of ['scanner', 'grapher']) {
    const rows = await h.rows(
      `select extract(epoch from r.started_at - o.created_at) * 1000 as ms from runs r
         join outbox o on o.subject = 'repo.connected' and (o.body::jsonb #>> '{data,installation_id}')::bigint = r.installation_id
        where r.subscriber = $1 and r.attempt = 1`, [subscriber]);
    const ms = rows.map((row) => Number(row.ms)).sort((a, b) => a - b);
    console.log(`  ${subscriber.padEnd(8)} median ${percentile(ms, 0.5).toFixed(1)} ms   p99 ${percentile(ms, 0.99).toFixed(1)} ms   (n=${ms.length})`);
  }
  for (const name of programs) console.log(`  ${name.padEnd(8)} ${(((usage(name).cpu - cpu[name]) / installs) * 1e6).toFixed(0)} µs CPU an install`);
  await idle('idle after the work');
} finally {
  await h.stop();
}
