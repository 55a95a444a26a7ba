// The rest of the edge's HTTP: reading, server-sent events, health, metrics, and clear answers to bad input.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { House, until } from './harness.mjs';

let h;
let id;
before(async () => {
  h = await House.start();
  id = (await h.install()).json.installation_id;
  await h.untilDone(id);
});
after(() => h?.stop());

test('GET /api/v1/repos lists this person\'s installations and nobody else\'s', async () => {
  const { status, json } = await h.request('GET', '/api/v1/repos');
  assert.equal(status, 200);
  assert.equal(json.repos.length, 1);
  const [repo] = json.repos;
  assert.equal(repo.installation_id, id);
  assert.equal(repo.repo, 'acme/shop');
  assert.equal(repo.state, 'active');
  assert.equal(repo.default_branch, 'main');
  assert.match(repo.connected_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const bob = await h.token('bob');
  assert.deepEqual((await h.request('GET', '/api/v1/repos', { token: bob })).json, { repos: [] });
  assert.equal((await h.request('GET', '/api/v1/repos/acme/shop', { token: bob })).status, 404);
  assert.equal((await h.request('GET', '/api/v1/repos', { token: null })).text, '{"detail":"Unauthorized"}');
});

test('names against GitHub\'s rules are told so', async () => {
  for (const name of ['-acme/shop', 'acme-/shop', `${'a'.repeat(40)}/shop`, 'acme/..', 'acme/sh%20op', `acme/${'r'.repeat(101)}`, 'acme/%00']) {
    const answer = await h.install(name);
    assert.equal(answer.status, 422, name);
    assert.ok(answer.json.detail, name);
  }
});

test('unknown routes 404, wrong methods 405 with Allow, too large 413', async () => {
  const unknown = await h.request('GET', '/api/v2/nothing');
  assert.equal(unknown.status, 404);
  assert.ok(unknown.json.detail);
  assert.match(unknown.headers.get('content-type'), /^application\/json/);
  const wrong = await h.request('DELETE', '/healthz');
  assert.equal(wrong.status, 405);
  assert.match(wrong.headers.get('allow'), /GET/);
  assert.equal((await h.request('GET', '/api/v1/repos/acme/shop/install')).headers.get('allow'), 'POST');
  const large = await h.install('acme/shop', { body: 'x'.repeat(200_000) });
  assert.equal(large.status, 413);
  assert.ok(large.json.detail);
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
  const controller = new AbortController();
  const response = await fetch(`${h.url}/api/v1/repos/acme/shop/events`, { headers: { authorization: `Bearer ${h.alice}`, ...headers }, signal: controller.signal });
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
      if (enough(events)) {
        controller.abort();
        return events;
      }
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
