// What an operator sees from outside: the stream at its limit, the metrics, and the dashboard and alerts made of them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { House, house, until } from './harness.mjs';
import { bus } from './nats.mjs';

let h, nc, js, jsm;
before(async () => {
  h = await House.start({ env: { NATS_STREAM_MB: '1', RB_WATCH_MS: '200' } });
  ({ nc, js, jsm } = await bus(h.natsUrl));
});
after(async () => {
  await nc?.close();
  await h?.stop();
});

const scrape = async (name) => (await fetch(`${h.get(name).url}/metrics`)).text();
/** The value of a metric without labels, or of the line that matches. */
async function metric(program, name, labels = '') {
  const line = (await scrape(program)).split('\n').find((each) => each.startsWith(`${name}${labels} `));
  return line && Number(line.split(' ').at(-1));
}

test('a full stream: people connect, the outbox waits, the metrics say so; with room it goes out', async () => {
  assert.equal((await jsm.streams.info('REPOBUS')).config.max_bytes, 1024 * 1024);
  // Whole events that nobody has a handler for, smaller and smaller until not even a small one fits.
  for (const size of [100_000, 1000, 1]) {
    await assert.rejects(async () => {
      for (let i = 0; ; i++) {
        const filler = { specversion: '1.0', id: `filler-${size}-${i}`, source: '/test', type: 'dev.repobus.repo.filler', time: new Date().toISOString(), data: { text: 'x'.repeat(size) } };
        await js.publish('repo.filler', JSON.stringify(filler));
      }
    }, /maximum bytes/);
  }

  const answer = await h.install();
  assert.equal(answer.status, 200, answer.text);
  await until('the stream has refused it', async () => (await metric('edge', 'repobus_outbox_refused_total')) > 0);
  await until('the outbox is seen to wait', async () => (await metric('edge', 'repobus_outbox_waiting')) === 1);
  await until('it grows older', async () => (await metric('edge', 'repobus_outbox_oldest_seconds')) > 0);
  await until('the stream is seen to be full', async () => (await metric('edge', 'repobus_stream_bytes', '{stream="REPOBUS"}')) > 0.99 * (await metric('edge', 'repobus_stream_limit_bytes', '{stream="REPOBUS"}')));
  assert.equal((await h.rows('select count(*)::int as n from outbox where published_at is null'))[0].n, 1);
  assert.equal((await h.request('GET', '/healthz')).status, 200);

  await jsm.streams.purge('REPOBUS', { filter: 'repo.filler' });
  await h.untilDone(answer.json.installation_id);
  await until('nothing waits any more', async () => (await metric('edge', 'repobus_outbox_waiting')) === 0);
  assert.equal((await h.rows('select count(*)::int as n from outbox where published_at is null'))[0].n, 0);
});

const base = (name) => name.replace(/_(bucket|sum|count)$/, '');

test('what the dashboard and the alerts speak of is what the programs show and the handbook names', async () => {
  const [hook] = await h.hooks();
  const body = JSON.stringify({ action: 'opened', repository: { id: 1, full_name: 'acme/shop' } });
  const signature = `sha256=${createHmac('sha256', hook.secret).update(body).digest('hex')}`;
  const headers = { 'content-type': 'application/json', 'x-github-event': 'issues', 'x-github-delivery': randomUUID(), 'x-github-hook-id': String(hook.id), 'x-hub-signature-256': signature };
  assert.equal((await h.request('POST', '/api/v1/webhooks/github', { token: null, headers, body })).status, 200);
  await until('scanner and grapher have looked at their consumers', async () => (await metric('grapher', 'repobus_events_oldest_seconds', '{subscriber="grapher"}')) === 0);
  const texts = await Promise.all(['edge', 'scanner', 'grapher'].map(scrape));
  const shown = new Map();
  for (const [, name, labels] of texts.join('\n').matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
    const known = shown.get(base(name)) ?? new Set();
    for (const [, label] of (labels ?? '').matchAll(/(\w+)="/g)) known.add(label);
    shown.set(base(name), known);
  }
  // The handbook also names what only certain happenings bring forth: these stand in the sources.
  const sources = execFileSync('git', ['grep', '-ohE', '"repobus_[a-z_]+', '--', 'bus', 'edge', 'lib'], { cwd: house, encoding: 'utf8' });
  const known = new Set([...shown.keys(), ...sources.split('\n').map((name) => name.slice(1)), 'repobus_metrics_overflow_total']);
  const handbook = fs.readFileSync(path.join(house, 'docs/operations.md'), 'utf8');
  for (const name of shown.keys()) if (name.startsWith('repobus_')) assert.ok(handbook.includes(`\`${name}\``), `docs/operations.md does not name ${name}`);
  for (const [name] of handbook.matchAll(/(?<=`)repobus_[a-z_]+(?=`)/g)) assert.ok(known.has(name), `${name} is in docs/operations.md and nowhere else`);

  const dashboard = JSON.parse(fs.readFileSync(path.join(house, 'deploy/grafana/repobus.json'), 'utf8'));
  const alerts = fs.readFileSync(path.join(house, 'deploy/prometheus/alerts.yaml'), 'utf8');
  const expressions = [...dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr)), ...[...alerts.matchAll(/expr: (.*)/g)].map(([, expr]) => expr)];
  assert.ok(expressions.length > 30);
  const labels = new Set(['job', 'instance', 'le', ...[...shown.values()].flatMap((each) => [...each])]);
  for (const expr of expressions) {
    for (const [name] of expr.matchAll(/\b(?:repobus|process)_[a-z_]+/g)) assert.ok(shown.has(base(name)), `${name} is shown by no program: ${expr}`);
    for (const [, list] of expr.matchAll(/(?:by|on) \(([^)]*)\)/g)) for (const label of list.split(', ')) assert.ok(labels.has(label), `no metric has the label ${label}: ${expr}`);
  }
});

test('promtool accepts the configuration, and the alerts fire when they should', () => {
  const promtool = (...args) => execFileSync('promtool', args, { cwd: path.join(house, 'deploy/prometheus'), encoding: 'utf8', stdio: 'pipe' });
  promtool('check', 'config', 'prometheus.yml');
  promtool('test', 'rules', 'alerts.test.yaml');
  // Grafana's own variables stand for a time; what is left must be PromQL.
  const dashboard = JSON.parse(fs.readFileSync(path.join(house, 'deploy/grafana/repobus.json'), 'utf8'));
  const rules = dashboard.panels.flatMap((panel) => panel.targets.map((target, i) => ({ record: `panel:${panel.id}:${i}`, expr: target.expr.replaceAll('$__rate_interval', '1m') })));
  const file = path.join(h.dir, 'dashboard.yaml');
  fs.writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  promtool('check', 'rules', file);
  rules[0].expr += ' nonsense(';
  fs.writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  assert.throws(() => promtool('check', 'rules', file), 'it refuses what it should');
});
