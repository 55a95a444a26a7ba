// The server holds its ground: what every answer carries, what is logged, and clients that are slow, many, large or hostile.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { bin, House, until } from './harness.mjs';

const run = promisify(execFile);
const frontend = 'https://app.example.com';
let h;

before(async () => {
  h = await House.start({
    programs: ['edge'],
    env: { FRONTEND_URL: `${frontend}/start`, LOG_FORMAT: 'json', LOG_LEVEL: 'info', EDGE_THREADS: '1', REQUEST_SECONDS: '2', STALL_SECONDS: '1', BODY_MEMORY_MB: '80', TRUSTED_PROXIES: '127.0.0.0/8, 10.0.0.0/8' },
  });
});
after(() => h?.stop());

/** A connection whose bytes are ours to choose; `text` is what has come back. */
function talk(first = '', port = h.edgePort) {
  const socket = net.connect(port, '127.0.0.1');
  const end = new Promise((resolve) => socket.on('close', resolve));
  const it = { socket, text: '', end, send: (bytes) => socket.write(bytes), open: true };
  end.then(() => { it.open = false; });
  // After the edge's last word nobody reads what is still to be sent: the kernel would offer it for two minutes.
  socket.on('data', (chunk) => { it.text += chunk; }).on('end', () => socket.destroy()).on('error', () => {});
  if (first) socket.write(first);
  return it;
}
const lines = (program = h.get('edge')) => program.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
/** On a connection of its own: one that is kept may be closed for having idled at the moment it is used again. */
const healthy = () => new Promise((resolve, reject) => {
  http.get(`${h.url}/healthz`, { agent: false }, (answer) => {
    answer.resume().on('end', () => {
      assert.equal(answer.statusCode, 200);
      resolve();
    });
  }).on('error', reject);
});

test('every answer carries what keeps a browser careful, and no more of us than the name', async () => {
  for (const [method, where] of [['GET', '/api/v1/repos'], ['GET', '/nothing'], ['DELETE', '/healthz'], ['POST', '/api/v1/webhooks/github'], ['GET', '/metrics'], ['GET', '/auth/github']]) {
    const { headers } = await h.request(method, where, { token: null });
    assert.equal(headers.get('x-content-type-options'), 'nosniff', where);
    assert.equal(headers.get('referrer-policy'), 'no-referrer');
    assert.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('strict-transport-security'), 'max-age=31536000');
    assert.equal(headers.get('server'), 'repobus');
  }
});

test('the pages of FRONTEND_URL are let in, others are not', async () => {
  for (const [origin, allowed] of [[frontend, true], [`${frontend}.evil.example`, false], ['http://app.example.com', false], ['null', false], [undefined, false]]) {
    const headers = origin ? { origin } : {};
    const answer = await h.request('GET', '/api/v1/repos?connected=true', { headers });
    assert.equal(answer.headers.get('access-control-allow-origin'), allowed ? frontend : null, origin);
    assert.equal(answer.headers.get('access-control-allow-credentials'), allowed ? 'true' : null);
    assert.match(answer.headers.get('vary'), /Origin/);
    const asked = await h.request('OPTIONS', '/api/v1/repos/acme/shop/install', { token: null, headers: { ...headers, 'access-control-request-method': 'POST' } });
    assert.equal(asked.status, 204);
    assert.equal(asked.headers.get('access-control-allow-origin'), allowed ? frontend : null);
    assert.match(asked.headers.get('access-control-allow-methods'), /POST/);
    assert.match(asked.headers.get('access-control-allow-methods'), /DELETE/);
  }
  assert.equal((await h.request('OPTIONS', '/nothing', { token: null })).status, 404);
});

test('one line a request says who asked what, how long it took and where; the trace goes on to GitHub and the event', async () => {
  const trace = randomUUID().replaceAll('-', '');
  await h.control('DELETE', '/requests');
  const answer = await h.install('acme/shop', { headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01`, 'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.1.1.1' } });
  assert.equal(answer.status, 200, answer.text);
  const line = await until('its line', () => lines().find((one) => one.trace === trace));
  const { time, ms, database_ms: databaseMs, github_ms: githubMs, ...rest } = line;
  assert.deepEqual(rest, { level: 'info', component: 'edge', message: 'request', route: 'install', method: 'POST', status: 200, user: 1, client: '203.0.113.9', trace });
  assert.ok(time && ms >= databaseMs && databaseMs > 0 && githubMs > 0);
  const asked = (await h.control('GET', '/requests')).filter((one) => one.path.startsWith('/repos/acme/shop'));
  assert.ok(asked.length >= 2);
  for (const one of asked) assert.equal(one.headers.traceparent.split('-')[1], trace);
  const [{ traceparent }] = await h.rows('select traceparent from outbox order by position desc limit 1');
  assert.equal(traceparent.split('-')[1], trace);
  // Without one, and with nonsense, it gets one of its own.
  const before = lines().length;
  await h.request('GET', '/api/v1/repos?connected=true', { headers: { traceparent: 'nonsense"\\' } });
  const other = await until('its line', () => lines().slice(before).find((one) => one.route === 'list'));
  assert.match(other.trace, /^[0-9a-f]{32}$/);
});

test('no line can be forged, and nothing secret is in one', async () => {
  const before = lines().length;
  const it = talk(`GET /a%0a{"level":"error"} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-bearer\r\nX-Forwarded-For: {"a":"b"}\r\nConnection: close\r\n\r\n`);
  await it.end;
  await h.request('GET', '/auth/me', { headers: { cookie: 'repobus_session=secret-cookie' } });
  await until('both lines', () => lines().length >= before + 2);
  const text = h.get('edge').lines.join('\n');
  for (const secret of ['secret-bearer', 'secret-cookie', 'token-alice', h.alice, h.secretKey, (await h.hooks())[0].secret]) assert.ok(!text.includes(secret), secret);
});

test('slow and silent clients are let go, and nobody waits for them', async () => {
  const heads = Array.from({ length: 50 }, () => talk('GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: '));
  const bodies = Array.from({ length: 50 }, () => talk('POST /api/v1/webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n'));
  const silent = Array.from({ length: 500 }, () => talk());
  const drip = setInterval(() => [...heads, ...bodies].forEach((it) => it.open && it.send('x')), 100);
  await healthy();
  assert.equal((await h.request('GET', '/api/v1/repos?connected=true')).status, 200);
  await Promise.all([...heads, ...bodies, ...silent].map((it) => it.end));
  clearInterval(drip);
  await healthy();
});

/** The end of a connection that the process `edge` holds, as its descriptors name it. */
function endAt(edge, { socket }) {
  const address = (port) => `0100007F:${Number(port).toString(16).toUpperCase().padStart(4, '0')}`;
  const [local, remote] = [address(new URL(edge.url).port), address(socket.localPort)];
  // One look may miss a row while others come and go; an end that nobody has taken yet has the inode 0.
  return until('the edge has taken the connection', () => {
    const row = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/)).find((fields) => fields[1] === local && fields[2] === remote);
    return row && row[9] !== '0' && `socket:[${row[9]}]`;
  });
}

/** Whether the process holds this very end, whatever else it opens and closes meanwhile. */
function holds(edge, end) {
  const dir = `/proc/${edge.child.pid}/fd`;
  return fs.readdirSync(dir).some((name) => {
    try {
      return fs.readlinkSync(`${dir}/${name}`) === end;
    } catch {
      return false; // closed since it was listed
    }
  });
}

test('a client that does not take its answers is cut', async () => {
  // By an edge of its own, which lets nobody go for having idled: there is time to look at the connection before.
  const edge = await h.launch('edge', { AS: 'stalled', PORT: '0', REQUEST_SECONDS: '600' });
  try {
    const it = talk('', Number(new URL(edge.url).port));
    await until('the connection', () => it.socket.localPort);
    const end = await endAt(edge, it);
    assert.ok(holds(edge, end));
    it.socket.pause();
    it.send('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20000));
    await until('the cut', () => !holds(edge, end)); // by the kernel (TCP_USER_TIMEOUT) or the guard
    it.socket.resume();
    await it.end;
    assert.ok(it.text.split('HTTP/1.1 200').length < 20000);
    assert.equal((await h.request('GET', '/healthz', { token: null, url: edge.url })).status, 200);
  } finally {
    await edge.stop();
  }
});

test('large bodies share a fixed memory; small requests do not feel it', async () => {
  const pid = h.get('edge').child.pid;
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  const before = rss();
  const head = `POST /api/v1/webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: ${24 * 1024 * 1024}\r\n\r\n`;
  const part = Buffer.alloc(1024 * 1024, 'x');
  // Each sends most of its body and begins anew when it is cut: the memory is fought for until the time is up.
  const all = [];
  const refused = [];
  const feed = async (it) => {
    it.send(head);
    for (let i = 0; i < 23 && it.open; i++) {
      if (!it.send(part)) await Promise.race([new Promise((resolve) => it.socket.once('drain', resolve)), it.end]);
    }
    await it.end;
    if (/^HTTP\/1.1 503/.test(it.text)) refused.push(it.text);
  };
  let highest = 0;
  const look = setInterval(() => { highest = Math.max(highest, rss()); }, 20);
  const rounds = Array.from({ length: 12 }, async () => {
    for (let i = 0; i < 3; i++) {
      const it = talk();
      all.push(it);
      await feed(it);
    }
  });
  while (all.some((it) => it.open)) {
    await healthy();
    await Promise.race([Promise.all(rounds), new Promise((resolve) => setTimeout(resolve, 50))]);
    if (all.length === 36 && !all.some((it) => it.open)) break;
  }
  await Promise.all(rounds);
  clearInterval(look);
  await until('some are refused or cut', () => refused.length || lines().some((one) => /memory for bodies is full/.test(one.message)));
  for (const text of refused) assert.match(text, /retry-after: 5[\s\S]*Too many large bodies at once/);
  if (!process.env.RB_SANITIZED) assert.ok(highest - before < 400, `${before} MB became ${highest} MB`);
  await healthy();
});

test('one person with too many requests is told so, and no neighbour feels it', async () => {
  const bob = await h.token('bob');
  await h.fault({ path: '/repos/acme/slow', kind: 'hang', count: 0 });
  const agent = { keepAlive: false };
  const ask = (i) => new Promise((resolve, reject) => {
    const request = net.connect(h.edgePort, '127.0.0.1', () => request.write(`POST /api/v1/repos/acme/slow${i}/install HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${h.alice}\r\nConnection: close\r\n\r\n`));
    let text = '';
    request.on('data', (chunk) => { text += chunk; }).on('close', () => resolve(text)).on('error', reject);
  });
  let refused = 0;
  const answers = Array.from({ length: 300 }, (_, i) => ask(i).then((text) => {
    if (/^HTTP\/1.1 429 /.test(text)) refused++;
    return text;
  }));
  const first = await Promise.race(answers);
  assert.match(first, /^HTTP\/1.1 429 [\s\S]*retry-after: 1[\s\S]*You have 256 requests under way/);
  assert.equal((await h.request('GET', '/api/v1/repos?connected=true', { token: bob })).status, 200);
  await healthy();
  await until('all that are too many are refused', () => refused >= 44);
  await h.control('DELETE', '/faults'); // until then none of the 256 comes to its end
  await Promise.all(answers);
  assert.equal(refused, 44);
  assert.ok(agent);
});

test('garbage, and what is glued to it, is answered and forgotten', async () => {
  for (const bytes of ['\0'.repeat(5000), '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'GET / HTTP/1.1\r\nHost: x\r\n' + 'a: b\r\n'.repeat(200) + '\r\n', `GET /${'%00'.repeat(2000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 'GET http://[::1 HTTP/1.1\r\nHost: \r\n\r\n', 'PUT * HTTP/1.1\r\n\r\n']) {
    const it = talk(bytes);
    it.socket.end();
    await it.end;
  }
  await healthy();
});

test('an unreachable database is a 503 with the time to come again', async () => {
  await h.server('postgres', 'stop');
  const answer = await h.request('GET', '/api/v1/repos?connected=true');
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '5');
  await h.server('postgres', 'start');
  await until('it is back', async () => (await h.request('GET', '/api/v1/repos?connected=true')).status === 200);
});

test('HTTPS without a proxy, and IPv6', async () => {
  const [certificate, key] = ['cert.pem', 'key.pem'].map((name) => path.join(h.dir, name));
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-days', '1', '-keyout', key, '-out', certificate]);
  const edge = await h.launch('edge', { AS: 'tls', PORT: '0', TLS_CERTIFICATE: certificate, TLS_KEY: key });
  try {
    const port = Number(new URL(edge.url).port);
    const status = await new Promise((resolve, reject) => https.get({ port, host: '127.0.0.1', path: '/healthz', ca: fs.readFileSync(certificate), servername: 'localhost' }, (response) => resolve(response.resume().statusCode)).on('error', reject));
    assert.equal(status, 200);
    const protocol = await new Promise((resolve, reject) => {
      const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] }, () => { resolve(socket.alpnProtocol); socket.destroy(); }).on('error', reject);
    });
    assert.notEqual(protocol, 'h2');
    await assert.rejects(new Promise((resolve, reject) => tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.1' }, resolve).on('error', reject)));
    const plain = talk('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', port);
    await plain.end;
    assert.ok(!plain.text.includes('200 OK'));
  } finally {
    await edge.stop();
  }
  for (const [env, reason] of [[{ TLS_CERTIFICATE: certificate, TLS_KEY: '' }, /needed together/], [{ TLS_CERTIFICATE: key, TLS_KEY: key }, /TLS_CERTIFICATE/], [{ TRUSTED_PROXIES: '10.0.0.0/99' }, /TRUSTED_PROXIES.*10\.0\.0\.0/], [{ LISTEN_ADDRESS: 'localhost' }, /LISTEN_ADDRESS/]]) {
    await assert.rejects(run(path.join(bin, 'repobus-edge'), [], { env: { ...h.env, BACKEND_URL: 'https://x.example', PORT: '0', ...env } }), (error) => error.code === 1 && reason.test(error.stderr));
  }
  if (fs.existsSync('/proc/net/if_inet6') && fs.readFileSync('/proc/net/if_inet6', 'utf8').trim()) {
    const child = spawn(path.join(bin, 'repobus-edge'), [], { env: { ...h.env, BACKEND_URL: 'https://x.example', PORT: '0', LISTEN_ADDRESS: '::1' }, stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.on('data', (chunk) => { text += chunk; });
    const port = await until('it listens', () => /listening=::1:(\d+)/.exec(text)?.[1]);
    assert.equal((await fetch(`http://[::1]:${port}/healthz`)).status, 200);
    child.kill('SIGTERM');
    await new Promise((resolve) => child.on('exit', resolve));
  }
});

for (const [what, start] of [
  ['a socket that is handed over', async (n, handle) => {
    const name = `activated${n}`;
    const child = spawn('/bin/sh', ['-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0"', path.join(bin, 'repobus-edge')], { env: { ...h.env, BACKEND_URL: 'https://x.example' }, stdio: ['ignore', 'ignore', 'pipe', handle.fd] });
    let text = '';
    child.stderr.on('data', (chunk) => { text += chunk; });
    await until(`${name} listens`, () => /listening=/.test(text));
    return { stop: async () => { child.kill('SIGTERM'); const code = await new Promise((resolve) => child.on('exit', resolve)); assert.equal(code, 0, text); } };
  }],
  ['the port that both share', (n, handle, port) => h.launch('edge', { AS: `shared${n}`, PORT: String(port) })],
]) {
  test(`a new process takes over without one failed request: ${what}`, async () => {
    // Bound and not listening: node would take connections itself.
    const handle = net._createServerHandle('127.0.0.1', 0, 4);
    const name = {};
    handle.getsockname(name);
    const { port } = name;
    if (!what.startsWith('a socket')) handle.close();
    let current = await start(0, handle, port);
    let going = true;
    let count = 0;
    const failures = [];
    const load = Array.from({ length: 8 }, async () => {
      while (going) {
        const it = talk('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', port);
        await it.end;
        count++;
        if (!it.text.startsWith('HTTP/1.1 200')) failures.push(it.text || 'nothing');
      }
    });
    for (let n = 1; n <= 3; n++) {
      const next = await start(n, handle, port);
      const before = count;
      await until('the load goes on', () => count > before + 50);
      await current.stop();
      current = next;
    }
    going = false;
    await Promise.all(load);
    await current.stop();
    if (what.startsWith('a socket')) handle.close();
    assert.ok(count > 200);
    assert.deepEqual(failures, []);
  });
}
