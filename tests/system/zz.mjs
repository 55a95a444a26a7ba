import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { House, until } from './harness.mjs';
const h = await House.start({ env: { LOG_LEVEL: 'info', RESERVATION_SECONDS: '60', RECONCILE_SECONDS: '30', RB_ACK_WAIT_MS: '30000' } });
const t0 = Date.now(); const log = (...a) => console.log(((Date.now() - t0) / 1000).toFixed(1), ...a);
await h.control('POST', '/limits', { rate_remaining: 1_000_000 });
let slow = 0;
for (let i = 0; i < Number(process.env.N ?? 3000); i++) {
  await h.control('POST', '/repos', { owner: 'acme', name: `b${i}`, path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: `b${i}`, login: 'alice', permission: 'admin' });
  const t = Date.now();
  const { json, status, text } = await h.install(`acme/b${i}`);
  if (status !== 200) { log(i, text); break; }
  try {
    await until(`runs of ${json.installation_id}`, async () => { const r = await h.runs(json.installation_id); return ['scanner', 'grapher'].every((n) => r[n]?.state === 'done'); }, 60000);
    if (Date.now() - t > 2000) log('slow', i, Date.now() - t, slow++);
  } catch (e) {
    log('LOST', i, new Date(t).toISOString(), JSON.stringify(await h.runs(json.installation_id)), JSON.stringify(await h.rows('select id, position, published_at, created_at from outbox order by position desc limit 2')));
    const nc = await connect({ servers: h.natsUrl });
    const jsm = await jetstreamManager(nc);
    for (const d of ['scanner', 'grapher']) log(JSON.stringify(await jsm.consumers.info('REPOBUS', d).catch((x) => x.message)));
    log(JSON.stringify((await jsm.streams.info('REPOBUS')).state), JSON.stringify((await jsm.streams.info('RUNS')).state));
    log(JSON.stringify(await jsm.consumers.info('RUNS', 'edge-runs').catch((x) => x.message)));
    for (const d of ['scanner', 'grapher', 'edge']) log(d, h.get(d).lines.slice(-8).join('\n'));
    await nc.close();
    break;
  }
}
log('end');
await h.stop();
