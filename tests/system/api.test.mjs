// The rest of the edge's HTTP: reading, server-sent events, health, metrics, and clear answers to bad input.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { checkAnswer } from './description.mjs';
import { House, patience, until } from './harness.mjs';

let h;
let id;
// One thread, so that what is limited per thread can be counted.
before(async () => {
  h = await House.start({ env: { EDGE_THREADS: '1' } });
  id = (await h.install()).json.installation_id;
  await h.untilDone(id);
});
after(() => h?.stop());

test('GET /api/v1/repos?connected=true lists this person\'s installations and nobody else\'s', async () => {
  const { status, json } = await h.request('GET', '/api/v1/repos?connected=true');
  assert.equal(status, 200);
  assert.equal(json.repos.length, 1);
  const [repo] = json.repos;
  assert.equal(repo.installation_id, id);
  assert.equal(repo.repo, 'acme/shop');
  assert.equal(repo.state, 'active');
  assert.equal(repo.default_branch, 'main');
  assert.match(repo.connected_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const bob = await h.token('bob');
  assert.deepEqual([repo.health, repo.health_reason, repo.health_since], ['ok', '', null]);
  assert.deepEqual((await h.request('GET', '/api/v1/repos?connected=true', { token: bob })).json, { repos: [], next: null });
  assert.equal((await h.request('GET', '/api/v1/repos/acme/shop', { token: bob })).status, 404);
  assert.equal((await h.request('GET', '/api/v1/repos', { token: null })).text, '{"detail":"Unauthorized"}');
});

/** A request whose path nobody normalises on the way. */
function raw(method, path, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(h.url, { method, path, headers: { authorization: `Bearer ${h.alice}`, ...headers }, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => { text += chunk; }).on('error', reject);
      response.on('end', () => {
        try {
          checkAnswer(method, path.split('?')[0], response.statusCode, new Headers(response.headers), text);
          resolve({ status: response.statusCode, headers: response.headers, text });
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

const badOwner = '{"detail":"The owner is no GitHub name: 1 to 39 letters, digits and single hyphens"}';
const badRepo = '{"detail":"The repository is no GitHub name: 1 to 100 letters, digits, \'-\', \'_\' and \'.\', not ending in .git"}';

test('names against GitHub\'s rules are told so', async () => {
  const names = {
    '-acme/shop': badOwner, 'acme-/shop': badOwner, [`${'a'.repeat(40)}/shop`]: badOwner, 'ac%2Fme/shop': badOwner, '%00/shop': badOwner, '../shop': badOwner,
    'a.b/shop': badOwner, '%C3%A9/shop': badOwner, 'acme%/shop': badOwner,
    'acme/..': badRepo, 'acme/.': badRepo, 'acme/%2e%2e': badRepo, 'acme/sh%20op': badRepo, [`acme/${'r'.repeat(101)}`]: badRepo, 'acme/%00': badRepo,
    'acme/shop%00': badRepo, 'acme/shop.git': badRepo, 'acme/sh%2Fop': badRepo, 'acme/sh%252Dop': badRepo, 'acme/%0d%0aX:': badRepo, 'acme/sh;op': badRepo,
  };
  await h.control('DELETE', '/requests');
  for (const [name, text] of Object.entries(names)) {
    for (const [method, tail] of [['POST', '/install'], ['DELETE', '/install'], ['GET', ''], ['GET', '/profile'], ['GET', '/events']]) {
      const answer = await raw(method, `/api/v1/repos/${name}${tail}`);
      assert.equal(answer.status, 422, `${method} ${name}`);
      assert.equal(answer.text, text, `${method} ${name}`);
      assert.equal(answer.headers['content-type'], 'application/json');
    }
  }
  assert.deepEqual((await h.control('GET', '/requests')).filter((r) => r.path.startsWith('/repos')), []);
});

test('percent-encoding means the same name', async () => {
  assert.equal((await raw('POST', '/api/v1/repos/%61cme/%73hop/install?x=/y')).text, '{"detail":"Repo already connected"}');
  assert.equal(JSON.parse((await raw('GET', '/api/v1/repos/acme/%53HOP')).text).installation_id, id);
});

test('unknown routes are 404', async () => {
  for (const path of ['/', '/api/v2/nothing', '/healthz/', '/api/v1/repos/', '/api/v1/repos/a', '/api/v1/repos/a/b/', '/api/v1/repos/a/b/install/', '/api//v1/repos', '*']) {
    const answer = await raw('GET', path);
    assert.equal(answer.status, 404, path);
    assert.equal(answer.text, '{"detail":"There is no such route: /docs shows those there are"}', path);
    assert.equal(answer.headers['content-type'], 'application/json', path);
  }
});

test('wrong methods are 405 with Allow; HEAD is GET without its body', async () => {
  const routes = {
    '/api/v1/repos/acme/shop/install': 'POST, DELETE', '/api/v1/repos/acme/shop/profile': 'GET, HEAD', '/api/v1/repos': 'GET, HEAD', '/api/v1/repos/acme/shop': 'GET, HEAD',
    '/api/v1/repos/acme/shop/events': 'GET, HEAD', '/healthz': 'GET, HEAD', '/readyz': 'GET, HEAD', '/metrics': 'GET, HEAD',
  };
  for (const [path, allow] of Object.entries(routes)) {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'LINK']) {
      if (allow.includes(method)) continue;
      const answer = await raw(method, path);
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.equal(answer.headers.allow, allow);
      assert.equal(answer.headers['content-type'], 'application/json');
      assert.equal(answer.text, method === 'HEAD' ? '' : `{"detail":"This route allows ${allow} only"}`);
    }
    if (!allow.includes('HEAD')) continue;
    const head = await raw('HEAD', path);
    assert.equal(head.status, 200, path);
    assert.equal(head.text, '');
    if (!/metrics|events/.test(path)) assert.equal(head.headers['content-length'], String(Buffer.byteLength((await raw('GET', path)).text)));
  }
});

test('too large is 413, and what is broken is 400, all as JSON', async () => {
  const chunked = { 'transfer-encoding': 'chunked' };
  const cases = [
    [{ body: 'x'.repeat(65_537) }, 413, '{"detail":"The body has more than 65536 bytes"}'],
    [{ body: 'x'.repeat(65_537), headers: chunked }, 413, '{"detail":"The body has more than 65536 bytes"}'],
    [{ body: 'x'.repeat(65_536) }, 400, '{"detail":"Repo already connected"}'],
    [{ headers: { 'content-length': '99999999' } }, 413, '{"detail":"The body is too large"}'],
    [{ headers: { 'content-length': '12x' } }, 400, '{"detail":"The request is not valid HTTP"}'],
    [{ headers: { 'transfer-encoding': 'gzip' } }, 400, '{"detail":"The request is not valid HTTP"}'],
    [{ headers: { 'content-length': '3', expect: '200-ok' } }, 417, '{"detail":"Unknown expectation"}'],
  ];
  for (const [{ headers = {}, body = '' }, status, text] of cases) {
    const length = headers === chunked || Object.keys(headers).length ? {} : { 'content-length': String(body.length) };
    const lines = Object.entries({ ...length, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const payload = headers === chunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body;
    const answers = await talk(`POST /api/v1/repos/acme/shop/install HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${h.alice}\r\n${lines}\r\n${payload}`);
    assert.match(answers, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(answers, /\r\ncontent-type: application\/json\r\n/i);
    assert.equal(answers.slice(answers.indexOf('\r\n\r\n') + 4), text);
  }
});

/** All that comes back for these bytes, until the edge closes. */
function talk(bytes) {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect(new URL(h.url).port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => { text += chunk; }).on('close', () => resolve(text)).on('error', reject);
  });
}

test('nothing that follows a body is taken for a request', async () => {
  const inner = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';
  const heads = [
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
    `Content-Length: 0\r\nContent-Length: ${inner.length}\r\n\r\n`,
  ];
  for (const head of heads) {
    const answers = await talk(`POST /api/v1/repos/acme/shop/install HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${h.alice}\r\n${head}${inner}`);
    assert.equal(answers.match(/HTTP\/1\.1 /g).length, 1, answers);
    assert.match(answers, /Repo already connected/);
  }
  // A body whose length is said once, and in one way, leaves no doubt: the connection lives on.
  const clear = await talk(`POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  assert.deepEqual(clear.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 405', 'HTTP/1.1 200']);
  // Pipelined requests without a body are answered one after another.
  const both = await talk(`GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  assert.equal(both.match(/HTTP\/1\.1 200/g).length, 2);
});

test('health, readiness, metrics', async () => {
  assert.equal((await h.request('GET', '/healthz', { token: null })).text, '{"status":"ok"}');
  const ready = await h.request('GET', '/readyz', { token: null });
  assert.equal(ready.status, 200);
  assert.deepEqual(ready.json, { ready: true, database: 'ok', nats: 'ok' });
  for (const url of [h.url, h.get('scanner').url, h.get('grapher').url]) {
    const metrics = await h.request('GET', '/metrics', { token: null, url });
    assert.equal(metrics.status, 200);
    assert.match(metrics.text, /^# TYPE \w+ counter$/m);
    assert.match(metrics.text, /^process_resident_memory_bytes \d+/m);
    assert.ok(!metrics.text.includes('token-alice'));
  }
  assert.equal((await h.request('GET', '/readyz', { token: null, url: h.get('scanner').url })).status, 200);
});

/** Reads a stream of events until `enough` says so. */
async function stream(headers, enough) {
  const response = await fetch(`${h.url}/api/v1/repos/acme/shop/events`, { headers: { authorization: `Bearer ${h.alice}`, ...headers } });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  const events = [];
  let text = '';
  for await (const chunk of response.body) {
    text += new TextDecoder().decode(chunk);
    let end;
    while ((end = text.indexOf('\n\n')) >= 0) {
      const fields = Object.fromEntries(text.slice(0, end).split('\n').filter((l) => !l.startsWith(':')).map((l) => [l.slice(0, l.indexOf(':')), l.slice(l.indexOf(':') + 1).trimStart()]));
      text = text.slice(end + 2);
      if (fields.event) events.push({ ...fields, data: fields.data && JSON.parse(fields.data) });
      if (enough(events)) return events; // which cancels the rest
    }
  }
  return events;
}

test('events start with the present state, and so does a reconnect', async () => {
  const [first] = await stream({}, (e) => e.length >= 1);
  assert.equal(first.event, 'state');
  assert.ok(first.id);
  assert.equal(first.data.installation_id, id);
  assert.equal(first.data.runs.length, 2);
  const [again] = await stream({ 'last-event-id': first.id }, (e) => e.length >= 1);
  assert.equal(again.event, 'state');
});

/** A stream of events on a socket of its own: text so far, and a promise of text that satisfies. */
function watch(token = h.alice, url = h.url) {
  const socket = net.connect(new URL(url).port, '127.0.0.1');
  const watcher = { socket, text: '', closed: false, check: () => {} };
  socket.on('data', (chunk) => { watcher.text += chunk; watcher.check(); }).on('error', () => {});
  socket.on('close', () => { watcher.closed = true; watcher.check(); });
  socket.write(`GET /api/v1/repos/acme/shop/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  watcher.until = (what, done) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: ${watcher.text.slice(-500)}`)), patience);
    watcher.check = () => done(watcher) && (clearTimeout(timer), resolve(watcher));
    watcher.check();
  });
  return watcher;
}

/** One who left is noticed by what is sent next. */
function untilNobodyWatches() {
  return until('nobody watches', async () => {
    await h.rows("select pg_notify('runs', json_build_object('installation_id', id)::text) from installations");
    return /^repobus_streams_open 0$/m.test((await h.request('GET', '/metrics')).text);
  });
}

test('ids grow over a reconnect, whatever the clock says', async () => {
  const ahead = (BigInt(Date.now() + 3_600_000) * 1000n).toString();
  const [event] = await stream({ 'last-event-id': ahead }, (e) => e.length >= 1);
  assert.ok(BigInt(event.id) > BigInt(ahead));
  for (const strange of ['99999999999999999999999', '-1', 'x', '']) {
    assert.ok(BigInt((await stream({ 'last-event-id': strange }, (e) => e.length >= 1))[0].id) < BigInt(ahead));
  }
});

test('a person has a limit of streams, others are not disturbed by it', async () => {
  await untilNobodyWatches();
  const mine = Array.from({ length: 16 }, () => watch());
  await Promise.all(mine.map((w) => w.until('a state', ({ text }) => text.includes('event: state'))));
  const more = await h.request('GET', '/api/v1/repos/acme/shop/events');
  assert.equal(more.status, 429);
  assert.equal(more.text, '{"detail":"You have 16 event streams open: close one first"}');
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login: 'bob', permission: 'admin' });
  const bob = await h.token('bob');
  assert.equal((await h.install('acme/shop', { token: bob })).status, 200);
  await h.untilDone((await h.request('GET', '/api/v1/repos/acme/shop', { token: bob })).json.installation_id);
  const other = await watch(bob).until('a state', ({ text }) => text.includes('event: state'));
  other.socket.destroy();
  for (const w of mine) w.socket.destroy();
  await untilNobodyWatches();
  const again = await watch().until('a state', ({ text }) => text.includes('event: state'));
  again.socket.destroy();
});

test('a client that reads nothing is let go; one that reads is told everything', async () => {
  const slow = watch();
  await slow.until('a state', ({ text }) => text.includes('event: state'));
  slow.socket.pause();
  const quick = await watch().until('a state', ({ text }) => text.includes('event: state'));
  // Far more than sockets hold, in bursts of less than the edge keeps.
  for (let batch = 0; batch < 100; batch++) {
    quick.text = '';
    await h.rows("select pg_notify('runs', jsonb_build_object('installation_id', $1::bigint, 'b', $2::int, 'i', i, 'pad', repeat('x', 7000))::text) from generate_series(1, 20) i", [id, batch]);
    await quick.until(`batch ${batch}`, ({ text }) => text.split(`"b": ${batch}, `).length === 21);
  }
  await h.get('edge').line(/reads too slowly and is let go/);
  assert.equal(quick.closed, false);
  slow.socket.resume();
  await slow.until('the end', ({ closed, text }) => closed || text.endsWith('\r\n0\r\n\r\n'));
  assert.ok(slow.text.split('event: run').length <= 2000, 'it missed some');
  for (const w of [slow, quick]) w.socket.destroy();
});

test('many threads are told at once, and none treads on another', async () => {
  const second = await h.launch('edge', { AS: 'edge2', PORT: '0', EDGE_THREADS: '8' });
  const watcher = await watch(h.alice, second.url).until('a state', ({ text }) => text.includes('event: state'));
  for (let batch = 0; batch < 20; batch++) {
    watcher.text = '';
    await h.rows("select pg_notify('runs', jsonb_build_object('installation_id', $1::bigint, 'b', $2::int, 'i', i)::text) from generate_series(1, 500) i", [id, batch]);
    await watcher.until(`batch ${batch}`, ({ text, closed }) => closed || text.split(`"b": ${batch}, `).length === 501);
  }
  assert.equal(watcher.closed, false);
  watcher.socket.destroy();
  await second.stop();
});

test('with nothing to do the edge sleeps, and a quiet stream is kept alive by comments', async () => {
  // One that has no sweeps to make.
  const edge = await h.launch('edge', { AS: 'idle', PORT: '0', RECONCILE_SECONDS: '3600' });
  const since = Date.now();
  const watcher = await watch(h.alice, edge.url).until('a state', ({ text }) => text.includes('event: state'));
  const { pid } = edge.child;
  const ticks = () => {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };
  const before = ticks();
  await watcher.until('a comment', ({ text }) => /\r\n:\n\n/.test(text));
  const [used, seconds] = [ticks() - before, (Date.now() - since) / 1000];
  assert.ok(seconds > 5, 'every fifteen seconds');
  assert.ok(used < 45, `${used} ticks of 10 ms in ${seconds} s`); // 3 % of fifteen seconds, however late we look
  watcher.socket.destroy();
  await edge.stop();
});

test('events carry the runs as they change, and end with bye', async () => {
  await h.control('POST', '/repos', { owner: 'acme', name: 'live', path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'live', login: 'alice', permission: 'admin' });
  await h.fault({ method: 'GET', path: '/repos/acme/live/commits', kind: 'hang', count: 0 });
  const { json } = await h.install('acme/live');
  await until('running', async () => Object.keys(await h.runs(json.installation_id)).length === 2);
  const response = await fetch(`${h.url}/api/v1/repos/acme/live/events`, { headers: { authorization: `Bearer ${h.alice}` } });
  const reader = response.body.getReader();
  let text = '';
  const more = async () => {
    const { value, done } = await reader.read();
    if (!done) text += new TextDecoder().decode(value);
    return !done;
  };
  while (!text.includes('event: state')) assert.ok(await more());
  await h.control('DELETE', '/faults');
  while ((text.match(/"state":\s*"done"/g) ?? []).length < 2) assert.ok(await more(), text);
  assert.match(text, /event: run/);
  const stopped = h.get('edge').stop();
  while (await more());
  assert.match(text, /event: bye/);
  await stopped;
  await h.launch('edge');
});

test('broken HTTP does not disturb the neighbours', async () => {
  for (const bytes of ['\0\0\0\0', 'GET / HTTP/9.9\r\n\r\n', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n\r\n`, 'POST /api/v1/repos/a/b/install HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
    await new Promise((resolve) => {
      const socket = net.connect(new URL(h.url).port, '127.0.0.1', () => socket.end(bytes));
      socket.on('close', resolve).on('error', resolve).resume();
    });
  }
  assert.equal((await h.request('GET', '/healthz')).status, 200);
});

test('several edges share the work; each event is published once', async () => {
  const second = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  await h.control('POST', '/repos', { owner: 'acme', name: 'both', path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'both', login: 'alice', permission: 'admin' });
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => h.install('acme/both', { url: i % 2 ? second.url : h.url })));
  assert.equal(answers.filter((a) => a.status === 200).length, 1, JSON.stringify(answers.map((a) => a.text)));
  const done = answers.find((a) => a.status === 200).json;
  await h.untilDone(done.installation_id);
  await second.stop();
});

test('wrong configuration is told line by line, without the secret', async () => {
  const { spawnSync } = await import('node:child_process');
  const { bin } = await import('./harness.mjs');
  const result = spawnSync(`${bin}/repobus-edge`, [], { encoding: 'utf8', env: { PATH: process.env.PATH, SECRET_KEY: 'short-secret-value', PORT: 'many', ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' } });
  assert.notEqual(result.status, 0);
  for (const name of ['SECRET_KEY', 'PORT', 'DATABASE_URL', 'NATS_URL', 'BACKEND_URL']) assert.match(result.stderr, new RegExp(name));
  assert.ok(!result.stderr.includes('short-secret-value'));
});
