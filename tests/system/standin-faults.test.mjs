// The GitHub stand-in's faults, its record of requests, and what it does with requests that are no good. Answers are
// looked at byte by byte where a client would hide what came.

import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { after, beforeEach, before, test } from 'node:test';
import { conforms, described } from './github-description.mjs';
import { Receiver, Standin, makeAwkward } from './standin.mjs';
import { patience } from './harness.mjs';

const repo = '/repos/{owner}/{repo}';
const shop = { owner: 'acme', repo: 'shop' };
const start = () => Standin.start({
  repos: (base) => {
    makeAwkward(path.join(base, 'shop'));
    return { 'acme/shop': path.join(base, 'shop') };
  },
});
let s;
let alice;
before(async () => {
  s = await start();
  alice = s.client('alice');
});
after(() => s?.stop());
beforeEach(async () => {
  await s.control('DELETE', '/faults');
  await s.control('DELETE', '/requests');
});

const fault = (kind, more = {}) => s.control('POST', '/faults', { method: 'GET', path: '/repos/acme/shop', kind, ...more });
const requests = () => s.control('GET', '/requests');

/**
 * Sends `bytes` on a connection of its own and resolves with all that comes until the other side closes it. `isAll`
 * says that nothing more will come, so that the other side need not wait for the rest of a request.
 */
function exchange(bytes, { port = s.port, isAll = false } = {}) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    const socket = net.connect(port, '127.0.0.1', () => (isAll ? socket.end(bytes) : socket.write(bytes)));
    socket.setTimeout(patience, () => socket.destroy(new Error('the connection was not closed')));
    socket.on('data', (chunk) => chunks.push(chunk));
    // A reset is an end as well: what came before it counts.
    socket.on('error', (error) => (['ECONNRESET', 'EPIPE'].includes(error.code) ? resolve(Buffer.concat(chunks)) : reject(error)));
    socket.on('end', () => {
      socket.end();
      resolve(Buffer.concat(chunks));
    });
  });
}
/** A whole request as bytes; the connection is to be closed after the answer. */
function bytesOf(method, where, { headers = {}, body = '' } = {}) {
  const all = { host: `127.0.0.1:${s.port}`, 'user-agent': 'raw', authorization: 'Bearer token-alice', connection: 'close', ...(body ? { 'content-length': Buffer.byteLength(body) } : {}), ...headers };
  return `${method} ${where} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}
function parsed(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  assert.notEqual(end, -1, `no whole head in ${JSON.stringify(bytes.toString().slice(0, 200))}`);
  const [line, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  return { status: Number(line.split(' ')[1]), headers: Object.fromEntries(lines.map((l) => l.toLowerCase().split(': '))), body: bytes.subarray(end + 4) };
}
const isWell = async () => assert.equal((await s.raw('GET', '/user')).status, 200, 'still at work');

test('cut before the answer: not one byte', async () => {
  await fault('cut-before');
  assert.equal((await exchange(bytesOf('GET', '/repos/acme/shop'))).length, 0);
  assert.equal((await requests())[0].status, 0);
  assert.equal((await s.raw('GET', '/repos/acme/shop')).status, 200, 'once means once');
});

test('cut within the head, and within the body', async () => {
  await fault('cut-headers');
  const head = await exchange(bytesOf('GET', '/repos/acme/shop'));
  assert.ok(head.length > 0 && head.toString().startsWith('HTTP/1.1 200') && !head.includes('\r\n\r\n'), head.toString());
  await fault('cut-body');
  const { status, headers, body } = parsed(await exchange(bytesOf('GET', '/repos/acme/shop')));
  assert.equal(status, 200);
  assert.ok(body.length > 0 && body.length < Number(headers['content-length']), `${body.length} of ${headers['content-length']}`);
  await fault('cut-body');
  await assert.rejects(s.raw('GET', '/repos/acme/shop'), TypeError);
});

test('latency: the answer is the usual one, later', async () => {
  await fault('latency', { ms: 300 });
  const begun = performance.now();
  const response = await s.ask(alice, `GET ${repo}`, shop);
  assert.equal(response.status, 200);
  assert.ok(performance.now() - begun >= 295, `${performance.now() - begun} ms`);
});

test('a hang lasts until faults are removed; others are answered meanwhile; who left is forgotten', async () => {
  await fault('hang', { count: 2 });
  const waiting = s.raw('GET', '/repos/acme/shop');
  const leaving = net.connect(s.port, '127.0.0.1', () => leaving.write(bytesOf('GET', '/repos/acme/shop/branches')));
  for (;;) {
    // Both are written down before they hang.
    const all = await requests();
    if (all.length === 2) {
      assert.deepEqual(all.map((r) => r.status), [null, null]);
      break;
    }
  }
  leaving.destroy();
  await isWell();
  await s.control('DELETE', '/faults');
  const { status, text } = await waiting;
  assert.equal(status, 200);
  described(`GET ${repo}`, { status, headers: { 'content-type': 'application/json' }, data: JSON.parse(text) });
  await isWell();
});

test('garbage: 200, and no JSON', async () => {
  await fault('garbage');
  const { status, headers, text } = await s.raw('GET', '/repos/acme/shop');
  assert.deepEqual([status, headers['content-type']], [200, 'application/json; charset=utf-8']);
  assert.throws(() => JSON.parse(text), SyntaxError);
});

test('any status, in GitHub\'s shape, with a body of the test\'s own, or without one where HTTP has none', async () => {
  for (const status of [400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504]) {
    await fault('status', { status });
    const response = await s.raw('GET', '/repos/acme/shop');
    assert.equal(response.status, status);
    const data = JSON.parse(response.text);
    conforms(data, { $ref: '#/components/schemas/basic-error' }, `a fault of ${status}`);
    assert.equal(data.status, String(status));
  }
  const body = { message: 'Repository access blocked', block: { reason: 'dmca', created_at: '2026-01-01T00:00:00Z', html_url: 'https://example.com/' } };
  await fault('status', { status: 403, body });
  await s.ask(alice, `GET ${repo}`, shop).then(({ status, data }) => assert.deepEqual([status, data], [403, { ...body }]), (error) => assert.match(error.message, /block/));
  await fault('status');
  assert.equal((await s.raw('GET', '/repos/acme/shop')).status, 500, 'the default');
  for (const status of [204, 304]) {
    await fault('status', { status });
    const answer = parsed(await exchange(bytesOf('GET', '/repos/acme/shop')));
    assert.deepEqual([answer.status, answer.body.length], [status, 0]);
  }
});

test('the primary rate limit: 403, nothing remaining, reset when asked for', async () => {
  await fault('rate-limit', { seconds: 90 });
  const asked = Math.floor(Date.now() / 1000);
  const { status, data, headers } = await s.ask(alice, `GET ${repo}`, shop);
  assert.equal(status, 403);
  assert.match(data.message, /^API rate limit exceeded for user ID \d+\./);
  const reset = Number(headers['x-ratelimit-reset']);
  assert.ok(asked + 90 <= reset && reset <= Date.now() / 1000 + 90, `asked at ${asked}, reset at ${reset}`);
  assert.match(data.message, new RegExp(`ID ${(await alice.rest.users.getAuthenticated()).data.id}\\.`));
  assert.deepEqual([headers['x-ratelimit-limit'], headers['x-ratelimit-remaining'], headers['x-ratelimit-used'], headers['x-ratelimit-resource']], ['5000', '0', '5000', 'core']);
  assert.equal(headers['retry-after'], undefined);
});

test('the secondary limit: 403 with retry-after, requests remaining', async () => {
  await fault('secondary-limit', { seconds: 7 });
  const { status, data, headers } = await s.ask(alice, `GET ${repo}`, shop);
  assert.equal(status, 403);
  assert.match(data.message, /^You have exceeded a secondary rate limit/);
  assert.equal(headers['retry-after'], '7');
  assert.ok(Number(headers['x-ratelimit-remaining']) > 0);
});

test('the answer lost: the hook is made, the client does not hear of it', async () => {
  await s.control('POST', '/faults', { method: 'POST', path: '/repos/acme/shop/hooks', kind: 'answer-lost' });
  const body = JSON.stringify({ config: { url: 'https://repobus.example.com/lost' } });
  assert.equal((await exchange(bytesOf('POST', '/repos/acme/shop/hooks', { body }))).length, 0);
  const [hook] = await s.control('GET', '/hooks');
  assert.equal(hook.config.url, 'https://repobus.example.com/lost');
  await s.control('POST', '/faults', { method: 'DELETE', path: '/repos/acme/shop/hooks', kind: 'answer-lost' });
  assert.equal((await exchange(bytesOf('DELETE', `/repos/acme/shop/hooks/${hook.id}`))).length, 0);
  assert.deepEqual(await s.control('GET', '/hooks'), []);
});

test('which requests a fault meets: method, prefix of the path, skip, count, for ever; the oldest fault first', async () => {
  const statuses = async (...all) => {
    const got = [];
    for (const [method, where] of all) got.push((await s.raw(method, where)).status);
    return got;
  };
  const here = ['GET', '/repos/acme/shop'];
  await fault('status', { status: 503, skip: 1, count: 2 });
  assert.deepEqual(await statuses(here, ['GET', '/user'], ['HEAD', '/repos/acme/shop'], here, ['GET', '/repos/acme/shop/branches'], here), [200, 200, 200, 503, 503, 200]);
  await s.control('POST', '/faults', { kind: 'status', status: 502, count: 0 });
  assert.deepEqual(await statuses(here, ['GET', '/user'], ['DELETE', '/nothing'], here), [502, 502, 502, 502]);
  await s.control('DELETE', '/faults');
  await fault('status', { status: 500 });
  await fault('status', { status: 501 });
  assert.deepEqual(await statuses(here, here, here), [500, 501, 200]);
});

test('a fault that makes no sense is refused with a reason', async () => {
  const reasons = [
    [{ kind: 'fire' }, /kind/], [{}, /kind/], [{ kind: 'status', status: 600 }, /status/], [{ kind: 'status', status: 100 }, /status/], [{ kind: 'status', status: '500' }, /status/],
    [{ kind: 'hang', count: -1 }, /count/], [{ kind: 'latency', ms: 1e12 }, /ms/], [{ kind: 'hang', skip: 1.5 }, /skip/],
  ];
  for (const [body, pattern] of reasons) {
    const { status, text } = await s.raw('POST', '/_control/faults', { body: JSON.stringify(body) });
    assert.equal(status, 422, JSON.stringify(body));
    assert.match(JSON.parse(text).message, pattern);
  }
  assert.equal((await s.raw('POST', '/_control/faults', { body: 'x' })).status, 400);
  assert.equal((await s.raw('GET', '/repos/acme/shop')).status, 200);
});

test('every request is written down, without the token', async () => {
  await s.raw('POST', '/repos/acme/shop/hooks?a=b%20c', { body: '{"ü":1}', headers: { 'X-Custom': 'Yes' } });
  await s.raw('GET', '/user', { token: 'wrong' });
  await s.raw('GET', '/nothing/%ff', { token: null });
  await fault('status', { status: 500 });
  await s.raw('GET', '/repos/acme/shop', { token: 'token-bob' });
  const all = await requests();
  assert.deepEqual(all.map((r) => [r.method, r.path, r.query, r.status, r.login, r.body]), [
    ['POST', '/repos/acme/shop/hooks', 'a=b%20c', 422, 'alice', '{"ü":1}'],
    ['GET', '/user', '', 401, null, ''],
    ['GET', '/nothing/%ff', '', 404, null, ''],
    ['GET', '/repos/acme/shop', '', 500, 'bob', ''],
  ]);
  assert.deepEqual([all[0].headers['x-custom'], all[0].headers['user-agent'], all[0].headers.host], ['Yes', 'standin-test', `127.0.0.1:${s.port}`]);
  assert.ok(all.every((r) => Math.abs(r.at_ms - Date.now()) < 60_000));
  assert.ok(!/token-|authorization/i.test(JSON.stringify(all)));
  await s.control('DELETE', '/requests');
  assert.deepEqual(await requests(), []);
});

test('bodies: of any size up to the limit, the first 64 KB of them written down', async () => {
  const large = await s.raw('POST', '/repos/acme/shop/hooks', { body: JSON.stringify({ junk: 'x'.repeat(20 * 1024 * 1024) }) });
  assert.equal(large.status, 422);
  assert.equal((await requests())[0].body.length, 64 * 1024);
  // Refused by the length it announces, before it is sent.
  const { status } = parsed(await exchange(bytesOf('POST', '/repos/acme/shop/hooks', { headers: { 'content-length': 27 * 1024 * 1024 } })));
  assert.equal(status, 413);
  await isWell();
});

test('paths that want out, and names that are none, find nothing', async () => {
  const blob = '/repos/acme/shop/contents';
  for (const where of [
    '/repos/acme/../../../etc/passwd', '/repos/acme/shop/contents/../../../../etc/passwd', `${blob}/%2e%2e/%2e%2e/etc/passwd`, `${blob}//etc/passwd`, `${blob}/.git/config`, `${blob}/src%00/main.c`,
    '/repos/acme/shop%00x', '/repos/acme%2fshop', '/repos//shop', '/repos/acme/', '/repos/acme', '/repos/', '/repositories/', '/repositories/x', '/repositories/99999999999999999999999/hooks', `/${'a/'.repeat(3000)}`,
    '/repos/acme/shop/git/trees/..%2f..%2fHEAD', '/repos/acme/shop/git/trees/@%7b1%7d', '/repos/acme/shop/git/trees/main~1', `/repos/acme/shop/git/trees/${'f'.repeat(5000)}`, '/repos/acme/shop/git/blobs', '/repos/%ff/%fe', '/repos/acme/shop/', '/%', '/%zz',
  ]) {
    const { status, body } = parsed(await exchange(bytesOf('GET', where)));
    assert.equal(status, where === '/repos/acme/shop/' ? 200 : 404, where);
    assert.ok(!body.includes('root:'), where);
    JSON.parse(body.toString()); // JSON also where the path was no UTF-8
  }
  const message = JSON.parse((await s.raw('GET', '/repos/acme/shop/commits/%ff')).text).message;
  assert.equal(message, 'No commit found for SHA: \ufffd');
  assert.equal((await s.raw('GET', `/repositories/${(await alice.rest.repos.get(shop)).data.id}x/branches`)).status, 404);
});

test('a Host header that is none is not repeated in addresses', async () => {
  for (const host of ['evil"<b>', 'a b', '\xff\xfe', 'x'.repeat(5000)]) {
    const { status, body } = parsed(await exchange(Buffer.from(bytesOf('GET', '/repos/acme/shop/branches', { headers: { host } }), 'latin1')));
    assert.equal(status, 200, host);
    assert.equal(JSON.parse(body.toString())[0].commit.url.startsWith(`http://127.0.0.1:${s.port}/`), true, host);
  }
});

test('what is no HTTP is refused or dropped, and the next one is served', async () => {
  const head = 'GET /user HTTP/1.1\r\nhost: x\r\n';
  for (const bytes of [
    'nonsense\r\n\r\n', '\r\n\r\n\r\n\0\0\0', Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 31) % 256)), 'GET\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', `${head}broken header\r\n\r\n`,
    `${head}content-length: -1\r\n\r\n`, `${head}content-length: x\r\n\r\n`, `${head}transfer-encoding: chunked\r\n\r\nZZ\r\n`, `${head}content-length: 999999999999999999999\r\n\r\n`,
    `GET /${'x'.repeat(300_000)} HTTP/1.1\r\n\r\n`, `${head}${Array.from({ length: 500 }, (_, i) => `h${i}: v\r\n`).join('')}\r\n`, `${head}big: ${'x'.repeat(300_000)}\r\n\r\n`,
  ]) {
    const answer = (await exchange(bytes, { isAll: true })).toString();
    assert.ok(answer === '' || /^HTTP\/1\.1 4\d\d |^HTTP\/1\.1 50[015] /.test(answer), `${JSON.stringify(bytes.toString().slice(0, 60))}: ${answer.slice(0, 100)}`);
    await isWell();
  }
  // Absolute addresses, two requests at once, and a client that leaves in the middle of its request.
  const both = (await exchange(bytesOf('GET', '/user', { headers: { connection: 'keep-alive' } }) + bytesOf('GET', '/rate_limit'))).toString();
  assert.equal(both.match(/HTTP\/1\.1 200/g)?.length, 2);
  await new Promise((resolve) => {
    const socket = net.connect(s.port, '127.0.0.1', () => socket.write('POST /repos/acme/shop/hooks HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"con', () => socket.destroy()));
    socket.on('close', resolve);
  });
  for (const method of ['PUT', 'TRACE', 'OPTIONS', 'BREW']) {
    assert.equal(parsed(await exchange(bytesOf(method, '/repos/acme/shop'))).status, 404, method);
  }
  await isWell();
});

test('control requests that make no sense are refused with a reason', async () => {
  const cases = [
    ['POST', '/repos', { owner: 'acme', name: 'x', path: '/nowhere' }, 422, /no git repository/], ['POST', '/repos', { owner: 'acme' }, 422, /name is missing/],
    ['POST', '/repos', { owner: 'a/b', name: 'x', path: '/' }, 422, /cannot be called/], ['POST', '/repos', { owner: 'acme', name: '..', path: '/' }, 422, /cannot be called/], ['POST', '/repos', { owner: 'acme', name: 'x'.repeat(101), path: '/' }, 422, /cannot be called/],
    ['POST', '/repos/acme/none/rename', {}, 404, /no such repository/], ['POST', '/repos/acme/shop/rename', { name: 'a b' }, 422, /cannot be called/], ['DELETE', '/repos/acme/none', undefined, 404, /no such repository/],
    ['POST', '/users', { login: 'x' }, 422, /token is missing/], ['POST', '/permissions', { owner: 'acme', repo: 'shop', login: 'bob', permission: 'king' }, 422, /permission must be/],
    ['POST', '/hooks/acme/shop', {}, 422, /url is missing/], ['POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues' }, 422, /payload must be an object/], ['GET', '/nothing', undefined, 404, /no such control route/],
  ];
  for (const [method, where, body, expected, pattern] of cases) {
    const { status, text } = await s.raw(method, `/_control${where}`, { body: body && JSON.stringify(body) });
    assert.equal(status, expected, `${method} ${where} ${JSON.stringify(body)}: ${text}`);
    assert.match(JSON.parse(text).message, pattern);
  }
  await s.control('POST', '/limits', { rate_remaining: 999999999, tree_entries: -5, rate_reset: 'x' });
  assert.equal((await s.ask(alice, 'GET /rate_limit')).data.rate.remaining, 5000);
});

test('SIGTERM ends it cleanly with requests parked, connections open and deliveries under way', async () => {
  const other = await start();
  const receiver = await Receiver.start();
  const { port } = other;
  const hung = [];
  receiver.server.removeAllListeners('request');
  const arrived = new Promise((resolve) => receiver.server.on('request', resolve)); // and is never answered
  await other.control('POST', '/hooks/acme/shop', { url: receiver.url, secret: 'x' });
  hung.push(exchange('', { port }), other.raw('POST', '/_control/deliver', { body: JSON.stringify({ owner: 'acme', repo: 'shop', event: 'issues', payload: {} }) }).catch(() => null));
  await arrived;
  await other.control('POST', '/faults', { kind: 'hang' });
  await other.control('POST', '/faults', { kind: 'latency', ms: 3_600_000 });
  hung.push(other.raw('GET', '/user').catch(() => null), other.raw('GET', '/user').catch(() => null));
  while ((await other.control('GET', '/requests')).length < 2);
  await other.stop();
  await Promise.all(hung);
  await receiver.stop();
});
