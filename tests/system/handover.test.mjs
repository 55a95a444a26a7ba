// The edge in a crowd: replaced under real work, thousands of idle connections, and requests that come in one piece.

import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { House, patience, until } from './harness.mjs';

let h, hook;

before(async () => {
  // One thread: what disturbs one connection would disturb all. No idle one ends by itself during these tests.
  h = await House.start({ programs: ['edge'], env: { EDGE_THREADS: '1', REQUEST_SECONDS: '600', LOG_LEVEL: 'warn' } });
  assert.equal((await h.install()).status, 200);
  [hook] = await h.hooks();
});
after(() => h?.stop());

/** A request over `agent`: {status, text}; fails as the connection does. */
function ask(agent, method, where, headers = {}, body = '') {
  return new Promise((resolve, reject) => {
    const request = http.request({ agent, port: h.edgePort, host: '127.0.0.1', method, path: where, headers, timeout: patience }, (response) => {
      let text = '';
      response.on('data', (chunk) => { text += chunk; }).on('end', () => resolve({ status: response.statusCode, text })).on('error', reject);
    });
    request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer'))).end(body);
  });
}

function deliver(agent, id) {
  const body = JSON.stringify({ action: 'opened', issue: { number: 1 }, repository: { id: 1, full_name: 'acme/shop' } });
  return ask(agent, 'POST', '/api/v1/webhooks/github', {
    'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-github-event': 'issues',
    'x-github-delivery': id, 'x-github-hook-id': String(hook.id),
    'x-hub-signature-256': `sha256=${createHmac('sha256', hook.secret).update(body).digest('hex')}`,
  }, body);
}

const list = (agent) => ask(agent, 'GET', '/api/v1/repos?connected=true', { authorization: `Bearer ${h.alice}` });

test('replaced under webhooks and reads on lasting and on new connections: nothing fails, nothing answered is missing', async () => {
  const answered = [];
  const failures = [];
  let going = true;
  let reads = 0;
  const load = Array.from({ length: 12 }, async (_, i) => {
    const agent = new http.Agent({ keepAlive: i % 2 === 0, maxSockets: 1 });
    while (going) {
      const id = randomUUID();
      const { status, text } = await (i % 3 ? deliver(agent, id) : list(agent)).catch((error) => ({ status: 0, text: String(error) }));
      if (status !== 200) failures.push(`${status} ${text}`);
      else if (i % 3) answered.push(id);
      else reads++;
    }
    agent.destroy();
  });
  let current = h.get('edge');
  for (let n = 1; n <= 3; n++) {
    const next = await h.launch('edge', { AS: `edge${n}`, PORT: h.edgePort });
    const before = answered.length;
    await until('the load goes on', () => answered.length > before + 100);
    await current.stop();
    const then = answered.length;
    await until('the load goes on without the old one', () => answered.length > then + 50);
    current = next;
  }
  going = false;
  await Promise.all(load);
  assert.deepEqual(failures, []);
  assert.ok(reads > 50);
  const [{ count }] = await h.rows(
    "select count(*)::int from deliveries d join outbox o on o.id = d.event_id where d.delivery_id = any($1) and d.outcome = 'published'", [answered]);
  assert.equal(count, answered.length);
});

/** How many of these connections a process has taken: the kernel gives an end that nobody has, not yet or no more, the inode 0. */
function taken(sockets) {
  const address = (port) => `0100007F:${Number(port).toString(16).toUpperCase().padStart(4, '0')}`;
  const edge = address(h.edgePort);
  const ours = new Set(sockets.map((socket) => address(socket.port)));
  const rows = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
  return rows.filter(([, local, remote, , , , , , , inode]) => local === edge && inode !== '0' && ours.has(remote)).length;
}

test('10,000 idle connections, and neighbours who do not feel them', async (t) => {
  const edge = [...h.programs.values()].findLast((p) => p.name.startsWith('edge') && p.isRunning);
  const limit = Number(/Max open files\s+\d+\s+(\d+)/.exec(fs.readFileSync(`/proc/${edge.child.pid}/limits`, 'utf8'))?.[1] ?? Infinity);
  const count = Math.min(10_000, limit - 512); // ours are as many as the edge's
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${edge.child.pid}/status`, 'utf8'))[1]);
  const before = rss();
  const crowd = [];
  let lost = 0;
  // A few hundred at a time: more than the backlog at once would wait for their second SYN.
  while (crowd.length < count) {
    const some = Array.from({ length: Math.min(250, count - crowd.length) }, (_, i) => {
      const socket = net.connect(h.edgePort, '127.0.0.1').on('close', () => { lost++; }).on('error', () => {});
      // Some say nothing at all, some have begun, some have been answered and linger.
      const bytes = [null, 'GET /healthz HTTP/1.1\r\nHost: ', 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'][i % 3];
      if (bytes) socket.write(bytes);
      socket.resume();
      crowd.push(socket);
      return new Promise((resolve) => socket.once('connect', () => { socket.port = socket.localPort; resolve(); }).once('close', resolve));
    });
    await Promise.all(some);
  }
  try {
    await until('all of them are there', () => taken(crowd) === count);
    const agent = new http.Agent({ keepAlive: false });
    for (let i = 0; i < 100; i++) {
      const answers = await Promise.all([deliver(agent, randomUUID()), list(agent), ask(agent, 'GET', '/healthz')]);
      for (const { status, text } of answers) assert.equal(status, 200, text);
    }
    assert.equal(lost, 0);
    const each = (rss() - before) / count;
    t.diagnostic(`${count} idle connections, ${each.toFixed(1)} KB each`);
    if (!process.env.RB_SANITIZED) assert.ok(each < 16, `${each} KB for each idle connection`);
  } finally {
    for (const socket of crowd) socket.destroy();
  }
  await until('they are gone', () => taken(crowd) === 0);
});

test('pipelined requests are answered each and in order, up to the one that is garbage', async () => {
  const one = (where) => `GET ${where} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const socket = net.connect(h.edgePort, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => { text += chunk; }).on('error', () => {});
  // The second waits for the database (a person is looked up); the others must not overtake it.
  socket.write(`${one('/healthz')}GET /api/v1/repos?connected=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${h.alice}\r\n\r\n${one('/nothing')}${one('/healthz')}\x01\x02 garbage\r\n\r\n${one('/healthz')}`);
  await new Promise((resolve) => socket.on('close', resolve));
  assert.deepEqual([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]), ['200', '200', '404', '200', '400']);
  assert.equal((await h.request('GET', '/healthz', { token: null })).status, 200);
});
