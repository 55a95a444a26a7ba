// What must be true once it is quiet, seen from the outside and held against what people were told. Each finding is a line.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { until } from '../system/harness.mjs';

/** Waits until nobody has anything left to do; what does not become quiet is a finding. */
export async function quiet(h, minutes, findings) {
  const waits = {
    'no connect or disconnect is under way': "select id from installations where state = 'reserved' or leaving_until is not null or hook_left",
    'the outbox is empty': 'select id from outbox where published_at is null',
    'every subscriber is done with every installation': `select i.id, s.name, i.generation, r.generation as of, r.state, r.done, r.total, r.note, r.attempt, r.at from installations i cross join (values ('scanner'), ('grapher')) s (name)
      left join runs r on r.installation_id = i.id and r.subscriber = s.name
      where i.state = 'active' and (r.state is distinct from 'done' or r.generation < i.generation)`,
    'nothing is left of the disconnected': `select repo_id from (select repo_id from graph_repositories union select repo_id from graph_files
      union select repo_id from profiles) g where not exists (select from installations i where i.repo_id = g.repo_id and i.state = 'active')`,
  };
  for (const [what, sql] of Object.entries(waits)) {
    // Now and then: after a long run this reads so much that asking all the time takes a core from those who are waited for.
    await until(what, async () => (await h.rows(`${sql} limit 1`)).length === 0 || setTimeout(1000), minutes * 60_000).catch(async () => {
      const left = await h.rows(`${sql} limit 5`);
      findings.push(`not within ${minutes} minutes: ${what}: ${JSON.stringify(left)}`);
    });
  }
}

/** Installations, hooks and what people were told agree. */
export async function connections(h, people, findings) {
  const active = await h.rows("select i.id, lower(u.login) as login, i.repo_full_name as repo, i.webhook_id from installations i join users u on u.id = i.user_id where i.state = 'active'");
  const now = new Set(active.map((row) => `${row.login} ${row.repo}`));
  for (const [key, told] of people.told) {
    if (told === 'connected' && !now.has(key)) findings.push(`lost: ${key} was told that it is connected`);
    if (told === 'disconnected' && now.has(key)) findings.push(`${key} was told that it is disconnected, and is connected`);
  }
  if (now.size !== active.length) findings.push('a person has a repository connected twice');
  const hooks = await h.hooks();
  const owned = new Map(active.map((row) => [`${row.repo} ${row.webhook_id}`, 0]));
  for (const hook of hooks) {
    const key = `${hook.repo} ${hook.id}`;
    if (!owned.has(key)) findings.push(`orphan: hook ${key} belongs to no installation`);
    else owned.set(key, owned.get(key) + 1);
  }
  for (const [key, count] of owned) if (count !== 1) findings.push(`${key} has ${count} hooks on GitHub`);
  return { active, hooks };
}

async function* messages(natsUrl, stream) {
  const nats = await connect({ servers: natsUrl });
  try {
    const streams = (await jetstreamManager(nats)).streams;
    const { state } = await streams.info(stream);
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
      const message = await streams.getMessage(stream, { seq });
      if (message) yield message;
    }
  } finally {
    await nats.close();
  }
}

/** Each event of the record is on the bus once; each answered install and webhook has its event. Gives the bytes of all. */
export async function events(h, people, findings) {
  const onBus = new Map();
  const bodies = [];
  for await (const message of messages(h.natsUrl, 'REPOBUS')) {
    const id = message.header.get('Nats-Msg-Id');
    onBus.set(id, (onBus.get(id) ?? 0) + 1);
    bodies.push(message.string());
  }
  for (const [id, count] of onBus) if (count > 1) findings.push(`doubled: event ${id} is on the bus ${count} times`);
  const outbox = await h.rows("select id, subject, body::jsonb -> 'data' ->> 'installation_id' as installation from outbox");
  for (const { id, subject } of outbox) if (!onBus.has(id)) findings.push(`lost: ${subject} ${id} is not on the bus`);
  const connected = new Map();
  for (const row of outbox.filter((one) => one.subject === 'repo.connected')) connected.set(row.installation, (connected.get(row.installation) ?? 0) + 1);
  for (const [installation, key] of people.installs) {
    const count = connected.get(String(installation)) ?? 0;
    if (count !== 1) findings.push(`installation ${installation} (${key}) was answered and has ${count} repo.connected`);
  }
  const deliveries = new Map((await h.rows('select delivery_id, outcome, event_id from deliveries')).map((row) => [row.delivery_id, row]));
  for (const [id, { repo }] of people.webhooks) {
    const row = deliveries.get(id);
    if (row?.outcome !== 'published' || !onBus.has(row.event_id)) findings.push(`lost: webhook ${id} of ${repo} was answered 200: ${JSON.stringify(row ?? null)}`);
  }
  for await (const message of messages(h.natsUrl, 'DEAD')) findings.push(`dead letter: ${message.subject} ${message.json().reason}`);
  return { bodies, count: onBus.size };
}

/** One profile and one graph for each connected repository, equal to its tree path by path. */
export async function projections(h, active, trees, findings) {
  for (const repo of new Set(active.map((row) => row.repo))) {
    const { commit, paths } = trees.get(repo);
    const ids = active.filter((row) => row.repo === repo).map((row) => row.id);
    const profiles = await h.rows('select installation_id, commit_sha, profile from profiles where installation_id = any($1)', [ids]);
    for (const id of ids) {
      const own = profiles.filter((row) => row.installation_id === id);
      if (own.length !== 1 || own[0].commit_sha !== commit || own[0].profile.files !== paths.length) findings.push(`${repo}: installation ${id} has ${own.length} profiles of ${own.map((row) => `${row.commit_sha.slice(0, 7)} with ${row.profile.files} files`)}`);
    }
    const held = (await h.rows('select f.path from graph_files f join installations i on i.repo_id = f.repo_id where i.id = $1 order by f.path collate "C"', [ids[0]])).map((row) => row.path);
    if (JSON.stringify(held) !== JSON.stringify(paths)) findings.push(`${repo}: the graph has ${held.length} files, the tree ${paths.length}`);
  }
}

/** No secret in any log, event or answer to /metrics, byte by byte: one pass of grep for all of them. */
export async function secrets(h, people, hooks, bodies, findings) {
  const secret = [h.secretKey, ...people.tokens.values(), ...[...people.tokens.keys()].map((login) => `token-${login}`), ...hooks.map((hook) => hook.secret)];
  const [list, events, metrics] = ['secrets', 'events', 'metrics'].map((name) => path.join(h.dir, `search-${name}`));
  fs.writeFileSync(list, `${secret.join('\n')}\n`);
  fs.writeFileSync(events, bodies.join('\n'));
  fs.writeFileSync(metrics, await (await fetch(`${h.url}/metrics`)).text());
  const logs = fs.readdirSync(h.dir).filter((name) => name.endsWith('.log') && name !== 'github.log').map((name) => path.join(h.dir, name));
  const { status, stdout, stderr } = spawnSync('grep', ['--fixed-strings', '--text', '--files-with-matches', `--file=${list}`, events, metrics, ...logs], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  for (const one of [list, events, metrics]) fs.rmSync(one);
  if (status > 1 || status === null) throw new Error(`searching for secrets: grep ended with ${status}: ${stderr}`);
  for (const where of stdout.split('\n').filter(Boolean)) findings.push(`a secret is in ${path.basename(where)}`);
}

/** Of a process: megabytes resident and open descriptors. */
const held = (pid) => ({
  megabytes: Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024,
  descriptors: fs.readdirSync(`/proc/${pid}/fd`).length,
});

/**
 * No program has grown, no transaction is left open. A subscriber at rest may keep connections that the other side has left,
 * those of its pools, until it uses them again: so the number of descriptors is what is bounded.
 */
export async function leaks(h, programs, findings) {
  const most = { megabytes: 100, descriptors: 90 }; // one that has just begun to work has 20 and up to 45
  const seen = [];
  for (const [name, { child: { pid } }] of programs) {
    const now = held(pid);
    seen.push(`${name} ${now.megabytes.toFixed(0)} MB and ${now.descriptors}`);
    for (const [what, limit] of Object.entries(most)) if (now[what] > limit) findings.push(`leak: ${name} has ${now[what]} ${what}`);
  }
  const open = await h.rows("select pid, query from pg_stat_activity where state like 'idle in transaction%' and state_change < now() - interval '1 minute'");
  for (const { query } of open) findings.push(`leak: a transaction is left open after ${query}`);
  const [{ count }] = await h.rows("select count(*)::int from pg_stat_activity where backend_type = 'client backend'");
  console.log(`memory and descriptors: ${seen.join(', ')}; ${count} connections to PostgreSQL`);
}
