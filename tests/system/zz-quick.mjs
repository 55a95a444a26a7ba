import fs from 'node:fs';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { House } from './harness.mjs';
const S = process.env.S ?? '3';
const h = await House.start({ programs: ['edge'], env: { LOG_LEVEL: 'info', EDGE_THREADS: process.env.T ?? '2' } });
await h.install(); const [{ id, secret }] = await h.hooks();
const cpu = (pid) => { const s = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' '); return (Number(s[11]) + Number(s[12])) * 10; };
const all = (name) => { let t = 0; for (const p of fs.readdirSync('/proc')) { if (!/^\d+$/.test(p)) continue; try { const e = fs.readFileSync(`/proc/${p}/cmdline`, 'utf8'); if (e.includes(name) && (fs.readlinkSync(`/proc/${p}/cwd`).startsWith(h.dir) || e.includes(h.dir))) t += cpu(p); } catch {} } return t; };
const ex = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json').find(e => e.name === 'pull_request').examples[0];
const bodies = { small: JSON.stringify({ action: 'opened', number: 1, issue: { body: 'x'.repeat(1350) }, repository: { id: 5, full_name: 'acme/shop' } }), large: JSON.stringify({ ...ex, pad: 'y'.repeat(3900), repository: { ...ex.repository, full_name: 'acme/shop' } }) };
let run = 0, total = 0, lastM = [0, 0];
const pgs = () => { const r = {}; for (const p of fs.readdirSync('/proc')) { if (!/^\d+$/.test(p)) continue; try { const e = fs.readFileSync(`/proc/${p}/cmdline`, 'utf8'); if (e.includes('postgres') && (fs.readlinkSync(`/proc/${p}/cwd`).startsWith(h.dir))) r[p] = [cpu(p), e.replace(/\0/g, ' ').slice(0, 70)]; } catch {} } return r; };
const pgPids = () => Object.keys(pgs()).join(',');
try {
  for (const size of (process.env.SIZES ?? 'small,large').split(',')) for (const c of (process.env.C ?? '16,128').split(',')) {
    const body = bodies[size]; run++;
    const sig = 'sha256=' + createHmac('sha256', secret).update(body).digest('hex');
    fs.writeFileSync('/tmp/wh/qb/body', body);
    fs.writeFileSync('/tmp/wh/qb/h.lua', `local f=io.open('/tmp/wh/qb/body') local body=f:read('*a') local i=0
function request() i=i+1 return wrk.format('POST','/api/v1/webhooks/github',{['X-GitHub-Event']='issues',['X-GitHub-Hook-ID']='${id}',['Content-Type']='application/json',['X-Hub-Signature-256']='${sig}',['X-GitHub-Delivery']=string.format('${String(run).padStart(8, '0')}-0000-4000-8000-%012x',i)},body) end`);
    const pid = h.get('edge').child.pid;
    const th = () => Object.fromEntries(fs.readdirSync(`/proc/${pid}/task`).map(t => { const x = fs.readFileSync(`/proc/${pid}/task/${t}/stat`, 'utf8'); const s = x.slice(x.lastIndexOf(')')+2).split(' '); return [t, [Number(s[11])*10, Number(s[12])*10, fs.readFileSync(`/proc/${pid}/task/${t}/comm`,'utf8').trim()]]; })); const tb = th();
    const pgb = pgs(); const b = cpu(pid), pb = all('postgres'), nb = all('nats-server');
    const wp = spawn('wrk', ['-t1', `-c${c}`, `-d${S}s`, '--latency', '-s', '/tmp/wh/qb/h.lua', h.url]); let out = ''; wp.stdout.on('data', d => out += d);
    if (process.env.STRACE) setTimeout(() => spawn("sh", ["-c", `for t in /proc/${pid}/task/*; do t=$(basename $t); timeout -s INT 1 strace -c -o /tmp/wh/trace.$t -p $t & done; wait`]), 700);
    if (process.env.PERF) setTimeout(() => spawn('perf', ['record', '-o', `/tmp/wh/perf-${size}-${c}.data`, '-g', '--call-graph', 'fp', '-p', process.env.PERF === 'pg' ? pgPids() : String(pid), '--', 'sleep', '2']), 500);
    await new Promise(r => wp.on('exit', r));
    for (;;) { const [{ n }] = await h.rows('select count(*) n from (select 1 from outbox where published_at is null limit 1) a'); if (n === '0') break; await new Promise(r => setTimeout(r, 200)); }
    const te = th(), e1 = cpu(pid), p1 = all('postgres'), n1 = all('nats-server');
    const [{ n }] = await h.rows('select count(*) n from deliveries'); const made = Number(n) - total; total = Number(n);
    if (process.env.TH) { const pge = pgs(); for (const k in pge) { const d = pge[k][0] - (pgb[k]?.[0] ?? 0); if (d > 30) console.log('    pg', pge[k][1], (d / made * 1000).toFixed(0)); } }
    if (process.env.TH) for (const k in te) { const d = [te[k][0] - (tb[k]?.[0] ?? 0), te[k][1] - (tb[k]?.[1] ?? 0)]; if (d[0] + d[1] > 20) console.log('   ', te[k][2], d.map(x => (x / made * 1000).toFixed(0)).join('+')); }
    const m = await (await fetch(`${h.url}/metrics`)).text(); const g = (k) => Number(new RegExp(`^${k} (\\S+)`, 'm').exec(m)?.[1]);
    console.log(`${size} ${body.length} c=${c}: ${made}: per 1000: edge ${((e1 - b) / made * 1000).toFixed(0)} ms, pg ${((p1 - pb) / made * 1000).toFixed(0)} ms, nats ${((n1 - nb) / made * 1000).toFixed(0)} ms, 99% ${/99%\s+(\S+)/.exec(out)?.[1]} rows/commit ${((g('repobus_webhook_commit_rows_total') - lastM[0]) / (g('repobus_webhook_commits_total') - lastM[1])).toFixed(1)} rss ${(g('process_resident_memory_bytes') / 1e6).toFixed(0)} MB ${/Non-2xx.*/.exec(out)?.[0] ?? ''}`);
    lastM = [g('repobus_webhook_commit_rows_total'), g('repobus_webhook_commits_total')];
  }
} finally { await h.stop(); }
