// The commands of the one who operates the bus, on real servers: subscribers, pause and resume, events, dead letters,
// replay. The subscriber they act on is the shortest one; the scanner stands beside it and must not notice.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bin, House, Program, until } from './harness.mjs';
import { bus } from './nats.mjs';

let h, nc, js, jsm;
before(async () => {
  h = await House.start({ programs: ['edge', 'scanner'] });
  ({ nc, js, jsm } = await bus(h.natsUrl));
});
after(async () => {
  await nc?.close();
  await h?.stop();
});

async function startHello() {
  const { NATS_URL, ASAN_OPTIONS, UBSAN_OPTIONS, LSAN_OPTIONS } = h.env;
  const env = { NATS_URL, ASAN_OPTIONS, UBSAN_OPTIONS, LSAN_OPTIONS, HEALTH_PORT: '0', WORKERS: '3', RB_ACK_WAIT_MS: '5000' };
  const hello = new Program('hello', spawn(path.join(bin, 'hello-subscriber'), { env, stdio: ['ignore', 'pipe', 'pipe'] }), path.join(h.dir, 'hello.log'));
  h.programs.set('hello', hello);
  hello.url = `http://${/listening=(\S+)/.exec(await hello.line(/listening=/))[1]}`;
  await until('hello is ready', async () => (await fetch(`${hello.url}/readyz`)).status === 200);
  return hello;
}

const greetings = (hello) => hello.lines.filter((line) => line.startsWith('hello, ')).map((line) => line.slice(7));

async function operate(...args) {
  const { code, stdout, stderr } = await h.cli([...args, '--json']);
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  return stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

async function standing(name) {
  const [list] = await operate('subscribers');
  return list.find((each) => each.subscriber === name);
}

const event = (repo, id = randomUUID()) => ({
  specversion: '1.0', id, source: '/test', type: 'dev.repobus.repo.connected', time: new Date().toISOString(), datacontenttype: 'application/json',
  data: { installation_id: 999, generation: 1, repo_id: 1, repo, user_id: 1, webhook_id: 1 },
});

async function publish(repo) {
  const message = event(repo);
  await js.publish('repo.connected', JSON.stringify(message), { msgID: message.id });
  return message.id;
}

const handledByScanner = async () => [...(await (await fetch(`${h.get('scanner').url}/metrics`)).text()).matchAll(/^repobus_events_handled_total\{.*\} (\d+)/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
const scannerIsDone = () => until('the scanner has nothing left', async () => {
  const { waiting, in_flight } = await standing('scanner');
  return waiting === 0 && in_flight === 0;
});

test('subscribers: each with its place; none of that name is an error of its own', async () => {
  const connected = await h.cli(['connect', '--wait-for=scanner', 'acme/shop']);
  assert.equal(connected.code, 0, connected.stderr);
  await scannerIsDone();
  const scanner = await standing('scanner');
  assert.deepEqual({ ...scanner, readers: 0 }, {
    subscriber: 'scanner', filter: 'repo.*', waiting: 0, in_flight: 0, redelivered: 0, readers: 0, paused: false, paused_at: null,
    oldest_at: null, error: null, error_at: null, error_event: null,
  });
  assert.match((await h.cli(['subscribers'])).stdout, /^SUBSCRIBER +STATE .*\nscanner +running +0 +0 +0 +- +-\n$/);
  assert.equal((await h.cli(['pause', 'nobody'])).code, 7);
  assert.equal((await h.cli(['pause'])).code, 2);
  assert.equal((await h.cli(['dead', 'burn'])).code, 2);
  assert.equal((await h.cli(['subscribers', '--timeout=1'], { NATS_URL: 'nats://127.0.0.1:1' })).code, 6);
});

test('a server that takes the call and hangs up, as a busy one does, is called again', async () => {
  let calls = 0;
  const busy = net.createServer((socket) => {
    socket.on('error', () => {});
    if (++calls === 1) return socket.destroy();
    const server = net.connect(new URL(h.natsUrl).port, '127.0.0.1').on('error', () => {});
    socket.pipe(server).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(busy, 'listening');
  try {
    const { code, stderr } = await h.cli(['subscribers'], { NATS_URL: `nats://127.0.0.1:${busy.address().port}` });
    assert.equal(code, 0, stderr);
    assert.ok(calls > 1);
  } finally {
    busy.close();
  }
});

test('replay: what was connected before a feature existed, to that feature alone', async () => {
  await jsm.streams.purge('REPOBUS');
  const hello = await startHello();
  const before = await handledByScanner();
  assert.match((await h.cli(['replay'], { DATABASE_URL: '' })).stderr, /to whom\? /, 'what is wrong with the words comes first');
  assert.match((await h.cli(['replay', '--subscriber=hallo', '--from=2999-01-01'])).stderr, /no subscriber "hallo" has run yet/);
  assert.equal((await h.cli(['replay', '--subscriber=hello', '--from=yesterday'])).code, 2);
  assert.deepEqual(await operate('replay', '--subscriber=hello', '--from=2999-01-01'), [{ events: 0, subscriber: 'hello', last: 0 }]);
  const [{ events }] = await operate('replay', '--subscriber=hello', '--from=1d');
  assert.equal(events, 1);
  await hello.line(/^hello, acme\/shop$/);
  await scannerIsDone();
  assert.equal(await handledByScanner(), before, 'the scanner was given nothing to do');
  const [tail] = await operate('events', 'tail', '--no-wait', '--since=1d');
  assert.equal(tail.to, 'hello');
  const [row] = await h.rows("select * from installations where state = 'active'");
  assert.deepEqual(tail.event.data, {
    installation_id: Number(row.id), generation: Number(row.generation), repo_id: Number(row.repo_id), repo: 'acme/shop', owner: 'acme', name: 'shop',
    user_id: Number(row.user_id), webhook_id: Number(row.webhook_id), default_branch: 'main',
  });
  await hello.stop();
});

test('pause: nothing is taken, over a restart, until it is resumed', async () => {
  let hello = await startHello();
  await operate('pause', 'hello');
  const paused = async () => (await (await fetch(`${hello.url}/readyz`)).json()).reason === 'paused by the operator';
  await until('hello says that it is paused', paused);
  await publish('acme/paused');
  await until('the event waits', async () => {
    const { waiting, in_flight, paused: flag, oldest_at } = await standing('hello');
    return flag && waiting + in_flight === 1 && oldest_at;
  });
  assert.match((await h.cli(['subscribers'])).stdout, /^hello +paused +/m);
  assert.deepEqual(greetings(hello), []);
  await hello.stop();
  hello = await startHello();
  await until('hello is still paused', paused);
  assert.deepEqual(greetings(hello), []);
  await operate('resume', 'hello');
  await hello.line(/^hello, acme\/paused$/);
  await publish('acme/resumed');
  await hello.line(/^hello, acme\/resumed$/);
  assert.deepEqual(greetings(hello), ['acme/paused', 'acme/resumed']);
  assert.match(await (await fetch(`${hello.url}/metrics`)).text(), /^repobus_subscriber_paused\{subscriber="hello"\} 0$/m);
  await hello.stop();
});

test('events: what was there, and one of them whole', async () => {
  const id = await publish('acme/looked-at');
  const lines = await operate('events', 'tail', '--no-wait', '--since=1h', '--subject=repo.connected');
  const line = lines.find((each) => each.id === id);
  assert.equal(line.event.data.repo, 'acme/looked-at');
  assert.equal((await operate('events', 'tail', '--limit=1', `--after=${line.sequence - 1}`))[0].id, id, 'it ends without waiting for more');
  for (const key of [id, String(line.sequence)]) assert.deepEqual((await operate('events', 'show', key))[0], line);
  assert.equal((await h.cli(['events', 'show', randomUUID()])).code, 7);
  assert.match((await h.cli(['events', 'tail', '--no-wait', '--since=1h'])).stdout, new RegExp(`^ +${line.sequence}  \\S+Z  repo\\.connected +${id}  acme/looked-at$`, 'm'));
});

test('dead letters: listed with their reason, given again to whom they belong, dropped', async () => {
  const hello = await startHello();
  await js.publish('repo.connected', 'no event at all');
  const letter = await until('hello gives up what is no event', async () => (await operate('dead', 'list', '--subscriber=hello'))[0]);
  assert.equal(letter.attempts, 1);
  assert.match(letter.reason, /event/);
  assert.equal(Buffer.from(letter.body_base64, 'base64').toString(), 'no event at all');
  assert.deepEqual((await operate('dead', 'show', String(letter.id)))[0], letter);
  assert.match((await h.cli(['dead', 'list', '--subscriber=hello'])).stdout, new RegExp(`^ +${letter.id}  \\S+Z +hello +repo\\.connected +1  .+$`, 'm'));
  await until('the last error is shown', async () => (await standing('hello')).error === letter.reason);
  // Again it is no event: a letter anew, in place of the one before.
  assert.deepEqual(await operate('dead', 'replay', String(letter.id)), [{ replayed: 1, failed: 0 }]);
  const again = await until('it is given up again', async () => (await operate('dead', 'list', '--subscriber=hello')).find((each) => each.id !== letter.id));
  assert.equal((await operate('dead', 'list', '--subscriber=hello')).length, 1);
  assert.equal((await h.cli(['dead', 'show', String(letter.id)])).code, 7);
  assert.deepEqual(await operate('dead', 'drop', String(again.id)), [{ dropped: 1, failed: 0 }]);

  // What was given up and can be done now, of this subscriber and of another.
  await scannerIsDone();
  const before = await handledByScanner();
  for (const [subscriber, repo] of [['hello', 'acme/one'], ['hello', 'acme/two'], ['gone', 'acme/three']]) {
    const body = { subscriber, subject: 'repo.connected', reason: 'it was Monday', attempts: 8, at: new Date().toISOString(), stream: 'REPOBUS', sequence: 1, event: event(repo) };
    await js.publish(`dead.${subscriber}.repo.connected`, JSON.stringify(body));
  }
  assert.equal((await h.cli(['dead', 'replay'])).code, 2, 'which ones must be said');
  assert.deepEqual(await operate('dead', 'replay', '--subscriber=hello', '--subject=repo.*', '--since=1h'), [{ replayed: 2, failed: 0 }]);
  await hello.line(/^hello, acme\/one$/);
  await hello.line(/^hello, acme\/two$/);
  await scannerIsDone();
  assert.equal(await handledByScanner(), before, 'the scanner was given nothing to do');
  assert.deepEqual((await operate('dead', 'list')).filter(({ subscriber }) => subscriber !== 'scanner').map(({ event: { data } }) => data.repo), ['acme/three']);
  await operate('dead', 'drop', '--all');
  assert.deepEqual(await operate('dead', 'list'), []);
  await hello.stop();
});
