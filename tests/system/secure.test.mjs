// NATS with TLS, and a JWT and NKey for each program that lets it do what it must and nothing else
// (deploy/nats/permissions, read by deploy/nats/users). Only nsc is stood in for: its JWTs are made here.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { connect, credsAuthenticator, nkeys } from '@nats-io/transport-node';
import { bin, House, house, patience, Program, until } from './harness.mjs';
import { permissions } from './nats.mjs';

let h, dir;
const text = new TextEncoder();
const b64 = (bytes) => Buffer.from(bytes).toString('base64url');

/** A JWT of NATS: `claims` about `subject`, signed by `issuer`. */
function natsJwt(issuer, subject, name, nats) {
  const payload = { jti: name, iat: Math.floor(Date.now() / 1000), iss: issuer.getPublicKey(), name, sub: subject.getPublicKey(), nats: { version: 2, ...nats } };
  const signed = `${b64('{"typ":"JWT","alg":"ed25519-nkey"}')}.${b64(JSON.stringify(payload))}`;
  return `${signed}.${b64(issuer.sign(text.encode(signed)))}`;
}

const creds = (name) => path.join(dir, 'creds', `${name}.creds`);

/** Operator, accounts and users; their credentials in files, what the server needs as lines of its configuration. */
function makeAccounts() {
  const operator = nkeys.createOperator(), system = nkeys.createAccount(), account = nkeys.createAccount();
  const none = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const all = { ...none, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const users = permissions(dir, 'notifier', 'labeller+github', 'metrics-exporter');
  // As it was before each had its inbox: programs of now get along with it until it is made anew.
  users['operator-of-before'] = { pub: users.operator.pub, sub: { allow: ['_INBOX.>'] } };
  for (const [name, allowed] of Object.entries(users)) {
    const user = nkeys.createUser();
    const jwt = natsJwt(account, user, name, { type: 'user', subs: -1, data: -1, payload: -1, ...allowed });
    const seed = new TextDecoder().decode(user.getSeed());
    fs.writeFileSync(creds(name), `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`);
  }
  return [
    `operator: ${natsJwt(operator, operator, 'repobus', { type: 'operator', system_account: system.getPublicKey() })}`,
    `system_account: ${system.getPublicKey()}`, 'resolver: MEMORY', 'resolver_preload: {',
    `  ${system.getPublicKey()}: ${natsJwt(operator, system, 'SYS', { type: 'account', limits: none })}`,
    `  ${account.getPublicKey()}: ${natsJwt(operator, account, 'REPOBUS', { type: 'account', limits: all })}`, '}',
  ];
}

/** An authority, and a certificate of the server for localhost. */
function makeCertificates() {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Repobus tests');
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
  fs.writeFileSync(`${dir}/san`, 'subjectAltName=DNS:localhost');
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'server.pem', '-days', '2', '-extfile', 'san');
}

before(async () => {
  h = await House.start({ programs: [] });
  dir = path.join(h.dir, 'nats');
  await h.server('nats', 'stop');
  fs.mkdirSync(path.join(dir, 'creds'));
  makeCertificates();
  fs.writeFileSync(path.join(dir, 'more.conf'), ['tls {', `  cert_file: "${dir}/server.pem"`, `  key_file: "${dir}/server.key"`, '}', ...makeAccounts(), ''].join('\n'));
  h.natsUrl = (await h.server('nats', 'start')).replace('127.0.0.1', 'localhost');
  Object.assign(h.env, { NATS_URL: h.natsUrl, NATS_CA: path.join(dir, 'ca.pem'), RB_WATCH_MS: '200' });
  for (const name of ['edge', 'scanner', 'grapher']) await h.launch(name, { NATS_CREDS: creds(name) });
  h.alice = await h.token('alice');
});
after(() => h?.stop());

const as = (name) => connect({ servers: h.natsUrl, tls: { caFile: h.env.NATS_CA }, authenticator: credsAuthenticator(fs.readFileSync(creds(name))), inboxPrefix: `_INBOX.${name}` });
const log = () => fs.readFileSync(path.join(dir, 'log'), 'utf8');

test('everything works with what each program is allowed, and none asks for more', async () => {
  const answer = await h.install();
  assert.equal(answer.status, 200, answer.text);
  await h.untilDone(answer.json.installation_id);
  const graph = await h.readGraph('/api/v1/repos/acme/shop/files'); // the grapher answers it
  assert.equal(graph.status, 200, graph.text);
  const operate = (...args) => h.cli(args, { NATS_CREDS: creds('operator') });
  for (const args of [['subscribers'], ['pause', 'scanner']]) {
    const { code, stderr } = await operate(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}\n${log().split('\n').filter((line) => line.includes('Violation')).join('\n')}`);
  }
  await until('the scanner hears that it is paused', async () => (await (await fetch(`${h.get('scanner').url}/readyz`)).text()).includes('paused'));
  assert.equal((await operate('resume', 'scanner')).code, 0);
  assert.equal((await operate('replay', '--subscriber=scanner')).code, 0);
  assert.match((await operate('events', 'tail', '--no-wait', '--since=1h')).stdout, /repo\.scanned/);
  assert.equal((await operate('dead', 'list')).stdout, 'no dead letters\n');
  assert.doesNotMatch(log(), /Violation/, 'nobody was refused anything');
});

test('a subscriber can neither speak for another nor take what is another\'s', async () => {
  const nats = await as('labeller');
  const refused = async (subject, body = '') => {
    nats.publish(subject, body);
    await until(`${subject} is refused`, () => log().includes(`Subject "${subject}"`));
  };
  await refused('repo.connected', '{}');
  await refused('run.1.scanner', '{}');
  await refused('control.pause.scanner', '{}');
  await refused('$JS.API.STREAM.DELETE.REPOBUS');
  await refused('$JS.API.CONSUMER.MSG.NEXT.REPOBUS.scanner', '1');
  await refused('$JS.API.CONSUMER.DELETE.REPOBUS.scanner');
  // A stream of one's own could collect the answers to others, copy their buckets, and publish in their names.
  await refused('$JS.API.STREAM.CREATE.KV_repobus_lease_labeller', JSON.stringify({ name: 'KV_repobus_lease_labeller', subjects: ['_INBOX.>'], num_replicas: 1 }));
  await refused('$JS.API.STREAM.UPDATE.KV_repobus_lease_labeller', '{}');
  await refused('$JS.API.CONSUMER.CREATE.REPOBUS.spy', '{}');
  await refused('$JS.API.CONSUMER.CREATE.REPOBUS', '{}');
  await refused('$JS.API.CONSUMER.CREATE.RUNS.labeller', '{}');
  await refused('$JS.ACK.REPOBUS.scanner.1.1.1.1.0', '+ACK');
  await refused('$JS.API.STREAM.MSG.GET.RUNS', '{"seq":1}');
  await refused('$JS.API.STREAM.MSG.GET.DEAD', '{"seq":1}');
  await refused('$JS.API.STREAM.INFO.KV_repobus_lease_notifier');
  await refused('$JS.API.DIRECT.GET.KV_repobus_done_notifier.$KV.repobus_done_notifier.x');
  await refused('$KV.repobus_lease_notifier.11', 'free');
  await refused('wake.scanner');
  // People's tokens work for whoever was made with +github, and for nobody else.
  const question = JSON.stringify({ installation_ids: [1], method: 'GET', path: '' });
  assert.match((await nats.request('installation.github', question, { timeout: 30_000 })).string(), /"status":200/);
  const notifier = await as('notifier');
  notifier.publish('installation.github', question);
  await until('the notifier is refused', () => /"installation\.github"/.test(log()));
  await notifier.close();
  nats.publish('run.1.labeller', '{}');
  await nats.flush();
  assert.ok(!log().includes('Subject "run.1.labeller"'), 'its own run it may tell');
  await nats.close();
});

test('nobody hears what is answered to another, nor answers in a third one\'s place', async () => {
  const spy = await as('notifier'), labeller = await as('labeller');
  const heard = [], refused = new Set();
  for (const subject of ['_INBOX.>', '_INBOX.*.>', '_INBOX.labeller.>', '_INBOX.labeller.*.*', '_INBOX.edge.>', 'installation.github', 'delivery.payload', 'graph.>', 'run.>', 'repo.>', '$JS.API.>', '>']) {
    spy.subscribe(subject, { callback: (error, message) => error ? refused.add(subject) : heard.push(message.subject) });
    await until(`the subscription to ${subject} is refused`, () => refused.has(subject) || heard.length);
  }
  const question = JSON.stringify({ installation_ids: [1], method: 'GET', path: '' });
  const answer = await labeller.request('installation.github', question, { timeout: 30_000 });
  assert.match(answer.string(), /"status":200/);
  assert.match(answer.subject, /^_INBOX\.labeller\./);
  await spy.flush();
  assert.deepEqual(heard, []);
  spy.publish(answer.subject, '{"status":200,"body":"forged"}');
  await until('a forged answer is refused', () => log().includes(`Subject "${answer.subject}"`));
  await spy.close();
  await labeller.close();
});

test('the metrics exporter listens to all of it with credentials of its own, and does nothing else', async () => {
  const venv = execFileSync(path.join(house, 'tests/venv'), { encoding: 'utf8' }).trim();
  const child = spawn(path.join(venv, 'bin/python3'), [path.join(house, 'examples/metrics-exporter/exporter.py')],
    { env: { ...h.env, NATS_CREDS: creds('metrics-exporter'), PORT: '0', EVERY_SECONDS: '0.1' }, stdio: ['ignore', 'pipe', 'pipe'] });
  const exporter = new Program('exporter', child, path.join(dir, 'exporter.log'));
  try {
    const url = /listening=(\S+)/.exec(await exporter.line(/listening=/))[1];
    const labeller = await as('labeller');
    labeller.publish('run.1.labeller', '{"state":"done"}');
    for (const line of ['repobus_bus_up 1.0', 'repobus_bus_runs_total{state="done",subscriber="labeller"} 1.0', 'repobus_bus_waiting{subscriber="scanner"} 0.0']) {
      await until(line, async () => (await (await fetch(url)).text()).split('\n').includes(line));
    }
    await labeller.close();
  } finally {
    await exporter.stop();
  }
  assert.doesNotMatch(exporter.tail(), /Violation/i);
});

test('one that marks what it has done gets along with the buckets that the operator made', async () => {
  const made = await h.cli(['buckets', 'notifier'], { NATS_CREDS: creds('operator') });
  assert.equal(made.code, 0, made.stderr);
  const posts = [];
  const chat = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    posts.push(JSON.parse(body).text);
    response.end();
  }).listen(0, '127.0.0.1');
  await once(chat, 'listening');
  const child = spawn(path.join(bin, 'notifier'), { env: { ...h.env, NATS_CREDS: creds('notifier'), HEALTH_PORT: '0', WEBHOOK_URL: `http://127.0.0.1:${chat.address().port}/` }, stdio: ['ignore', 'pipe', 'pipe'] });
  const notifier = new Program('notifier', child, path.join(dir, 'notifier.log'));
  try {
    await until('it has posted', () => posts.includes('acme/shop is connected'));
    await notifier.stop();
  } finally {
    await notifier.kill();
    chat.closeAllConnections();
    chat.close();
  }
  assert.doesNotMatch(notifier.tail(), /Violation|missing/);
});

test('credentials of another program are an error at once, those of before are good', async () => {
  const operate = (name) => h.cli(['subscribers'], { NATS_CREDS: creds(name) });
  const wrong = await operate('scanner');
  assert.equal(wrong.code, 3, wrong.stderr);
  assert.match(wrong.stderr, /these credentials may not listen on _INBOX\.operator\.>/);
  const before = await operate('operator-of-before');
  assert.equal(before.code, 0, before.stderr);
  const grapher = spawnSync(path.join(bin, 'repobus-grapher'), [], { env: { ...h.env, HEALTH_PORT: '0', NATS_CREDS: creds('scanner') }, timeout: patience });
  assert.equal(grapher.status, 1);
  assert.match(String(grapher.stdout) + grapher.stderr, /these credentials may not listen on _INBOX\.grapher\.>/);
});

test('no credentials, another authority, another host name: no connection', async () => {
  const operate = (args, env) => h.cli(['subscribers', ...args], { NATS_CREDS: creds('operator'), ...env });
  const right = await operate([], {});
  assert.equal(right.code, 0, right.stderr);
  const code = async (env) => (await operate(['--timeout=5'], env)).code;
  assert.notEqual(await code({ NATS_CREDS: '' }), 0);
  assert.equal(await code({ NATS_CREDS: path.join(dir, 'nothing') }), 2);
  assert.notEqual(await code({ NATS_URL: h.natsUrl.replace('localhost', '127.0.0.1') }), 0, 'the certificate is of localhost');
  const other = path.join(dir, 'other.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path.join(dir, 'other.key'), '-out', other, '-days', '2', '-subj', '/CN=other'], { stdio: 'pipe' });
  assert.notEqual(await code({ NATS_CA: other }), 0);
});
