// The GitHub stand-in's hooks and deliveries: answers held against GitHub's description, deliveries taken by a server
// and verified with GitHub's own library.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { verify } from '@octokit/webhooks-methods';
import { describedWebhook } from './github-description.mjs';
import { Receiver, Standin, git, makeAwkward } from './standin.mjs';

const route = '/repos/{owner}/{repo}/hooks';
const one = `${route}/{hook_id}`;
const shop = { owner: 'acme', repo: 'shop' };
const secret = 'a secret that is long enough';
let s;
let receiver;
let alice;
before(async () => {
  receiver = await Receiver.start();
  s = await Standin.start({
    repos: (base) => {
      makeAwkward(path.join(base, 'shop'));
      return { 'acme/shop': path.join(base, 'shop') };
    },
  });
  alice = s.client('alice');
});
after(async () => {
  await s?.stop();
  await receiver?.stop();
});
afterEach(async () => {
  for (const hook of await s.control('GET', '/hooks')) {
    await alice.rest.repos.deleteWebhook({ ...shop, hook_id: hook.id });
  }
  assert.deepEqual(receiver.arrived.splice(0), [], 'every delivery was looked at');
  receiver.status = 200;
});

const at = (params) => ({ ...shop, ...params });
// An address that nothing is sent to: the stand-in does not reach out into the world.
const far = (n = 0) => `https://repobus.example.com/${n}`;
const config = (more = {}) => ({ url: far(), content_type: 'json', insecure_ssl: '0', secret, ...more });
const create = (body) => s.ask(alice, `POST ${route}`, at(body));
async function made(body) {
  const response = await create(body);
  assert.equal(response.status, 201);
  return response;
}
async function refused(status, message, promise) {
  const { data, status: got } = await promise;
  assert.equal(got, status);
  assert.equal(data.errors?.[0]?.message ?? data.message, message);
  assert.match(data.documentation_url, /^https:\/\/docs\.github\.com\/rest\//);
  return data;
}
/** A hook that is delivered to, its ping taken. */
async function listening(body = {}) {
  const { data } = await made({ config: config({ url: receiver.url }), events: ['pull_request', 'issues'], ...body });
  return { hook: data, ping: await receiver.next() };
}

test('a hook is made as asked for, its secret masked, its ping delivered', async () => {
  const { data, headers } = await made({ name: 'web', active: true, events: ['pull_request', 'issues'], config: config() });
  assert.deepEqual([data.active, data.events, data.config], [true, ['pull_request', 'issues'], config({ secret: '********' })]);
  assert.deepEqual(data.last_response, { code: null, status: 'unused', message: null });
  assert.equal(headers.location, `${s.url}/repos/acme/shop/hooks/${data.id}`);
  assert.equal(headers['x-accepted-oauth-scopes'], 'admin:repo_hook, public_repo, repo, write:repo_hook');
  const read = await s.ask(alice, `GET ${one}`, at({ hook_id: data.id }));
  // The ping to an address far away has failed by now, as it would at GitHub.
  assert.deepEqual({ ...read.data, last_response: null }, { ...data, last_response: null });
  assert.deepEqual(read.data.last_response, { code: 0, status: 'failed', message: 'failed to connect to host' });
  const [held] = await s.control('GET', '/hooks');
  assert.deepEqual([held.config.secret, held.repo, held.hidden], [secret, 'acme/shop', false]);
});

test('defaults: push, active, form, secure; without a secret none is shown', async () => {
  const { data } = await made({ config: { url: far() } });
  assert.deepEqual([data.events, data.active, data.config], [['push'], true, { url: far(), content_type: 'form', insecure_ssl: '0' }]);
  const numbers = await made({ config: { url: far(1), insecure_ssl: 1 }, active: false, events: ['*', '*'] });
  assert.deepEqual([numbers.data.events, numbers.data.active, numbers.data.config.insecure_ssl], [['*'], false, '1']);
});

test('what GitHub refuses, with its words', async () => {
  await made({ config: config() });
  await refused(422, 'Hook already exists on this repository', create({ config: config() }));
  await refused(422, 'Hook already exists on this repository', create({ config: config({ secret: 'other' }), events: ['issues'] }));
  await refused(422, 'Config must contain URL for webhooks', create({ config: {} }));
  await refused(422, 'Config must contain URL for webhooks', create({ name: 'web' }));
  await refused(422, 'url is missing a scheme', create({ config: { url: 'repobus.example.com' } }));
  await refused(422, 'url is missing a scheme', create({ config: { url: 'file:///etc/passwd' } }));
  await refused(422, 'The name parameter must be web', create({ name: 'email', config: config({ url: far(1) }) }));
  await refused(422, 'content_type must be json or form', create({ config: config({ url: far(1), content_type: 'xml' }) }));
  await refused(422, 'insecure_ssl must be 0 or 1', create({ config: config({ url: far(1), insecure_ssl: '2' }) }));
  await refused(422, 'Events contains an unknown event', create({ config: config({ url: far(1) }), events: ['pull_request', 'nonsense'] }));
  await refused(422, 'url is too long (maximum is 2048 characters)', create({ config: config({ url: `${far()}${'x'.repeat(2100)}` }) }));
  for (const [key, value, wanted] of [['active', '"yes"', 'a boolean'], ['events', '"push"', 'an array'], ['config', '[]', 'an object'], ['name', '7', 'a string'], ['events', 'null', 'an array']]) {
    await refused(422, `Invalid request.\n\nFor 'properties/${key}', ${value === 'null' ? 'nil' : value} is not ${wanted}.`, create({ config: config({ url: far(2) }), [key]: JSON.parse(value) }));
  }
  for (const body of ['', '{', '{"config"', 'nonsense', '"\\ud800"', `{"a":${'['.repeat(5000)}`, '{"name":"web\\u0000"}']) {
    const { status, text } = await s.raw('POST', '/repos/acme/shop/hooks', { body });
    assert.deepEqual([status, JSON.parse(text).message], [400, 'Problems parsing JSON'], body.slice(0, 40));
  }
  const list = await s.raw('POST', '/repos/acme/shop/hooks', { body: '[]' });
  assert.deepEqual([list.status, JSON.parse(list.text).message], [400, 'Body should be a JSON object']);
  assert.equal((await s.control('GET', '/hooks')).length, 1, 'nothing of this was made');
});

test('hooks are for admins whose token may see them: everyone else gets 404', async () => {
  const { data } = await made({ config: config() });
  const people = { reader: ['read', 'repo'], writer: ['write', 'repo'], unscoped: ['admin', 'read:user'], looker: ['admin', 'read:repo_hook'], keeper: ['admin', 'write:repo_hook'] };
  for (const [login, [permission, scopes]] of Object.entries(people)) {
    await s.control('POST', '/users', { login, token: `token-${login}`, scopes });
    await s.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login, permission });
  }
  for (const login of [undefined, 'reader', 'writer', 'unscoped']) {
    const client = s.client(login);
    await refused(404, 'Not Found', s.ask(client, `GET ${route}`, shop));
    await refused(404, 'Not Found', s.ask(client, `POST ${route}`, at({ config: config({ url: far(1) }) })));
    await refused(404, 'Not Found', s.ask(client, `DELETE ${one}`, at({ hook_id: data.id })));
  }
  const looker = s.client('looker');
  assert.equal((await s.ask(looker, `GET ${one}`, at({ hook_id: data.id }))).status, 200);
  await refused(404, 'Not Found', s.ask(looker, `PATCH ${one}`, at({ hook_id: data.id, active: false })));
  assert.equal((await s.ask(s.client('keeper'), `DELETE ${one}`, at({ hook_id: data.id }))).status, 204);
});

test('twenty hooks of an event and no more; listed page by page', async () => {
  const ids = [];
  for (let i = 0; i < 20; i++) ids.push((await made({ config: config({ url: far(i) }), events: ['issues'] })).data.id);
  await refused(422, 'The "issues" event cannot have more than 20 hooks', create({ config: config({ url: far(20) }), events: ['push', 'issues'] }));
  const other = await made({ config: config({ url: far(20) }), events: ['push'] });
  await refused(422, 'The "issues" event cannot have more than 20 hooks', s.ask(alice, `PATCH ${one}`, at({ hook_id: other.data.id, add_events: ['issues'] })));
  // One of the twenty may still be changed.
  assert.equal((await s.ask(alice, `PATCH ${one}`, at({ hook_id: ids[0], active: false }))).status, 200);

  const first = await s.ask(alice, `GET ${route}`, at({ per_page: 4 }));
  const { id } = (await alice.rest.repos.get(shop)).data;
  const link = (page, rel) => `<${s.url}/repositories/${id}/hooks?per_page=4&page=${page}>; rel="${rel}"`;
  assert.equal(first.headers.link, `${link(2, 'next')}, ${link(6, 'last')}`);
  const middle = await s.ask(alice, `GET ${route}`, at({ per_page: 4, page: 3 }));
  assert.equal(middle.headers.link, `${link(2, 'prev')}, ${link(4, 'next')}, ${link(6, 'last')}, ${link(1, 'first')}`);
  assert.deepEqual((await alice.paginate(`GET ${route}`, at({ per_page: 4 }))).map((hook) => hook.id), [...ids, other.data.id]);
  assert.equal((await s.ask(alice, `GET ${route}`, at({ per_page: 100 }))).headers.link, undefined);
  // Nonsense means the default, and more than a hundred means a hundred.
  for (const [per_page, length] of [['x', 21], ['0', 1], ['-1', 1], ['1000', 21], ['99999999999999999999', 21]]) {
    assert.equal((await s.ask(alice, `GET ${route}`, at({ per_page }))).data.length, length, per_page);
  }
});

test('a hook made through another app is not shown, yet in the way', async () => {
  await s.control('POST', '/repos', { owner: 'acme', name: 'haunted', path: path.join(s.dir, 'shop') });
  await s.control('POST', '/permissions', { owner: 'acme', repo: 'haunted', login: 'alice', permission: 'admin' });
  const { id } = await s.control('POST', '/hooks/acme/haunted', { url: far(), secret, hidden: true });
  const haunted = { owner: 'acme', repo: 'haunted' };
  assert.deepEqual((await s.ask(alice, `GET ${route}`, haunted)).data, []);
  await refused(404, 'Not Found', s.ask(alice, `GET ${one}`, { ...haunted, hook_id: id }));
  await refused(422, 'Hook already exists on this repository', s.ask(alice, `POST ${route}`, { ...haunted, config: config() }));
  await s.control('DELETE', '/repos/acme/haunted');
});

test('update: events whole, added and removed; config whole takes the secret away; the rest stays', async () => {
  const { data } = await made({ config: config(), events: ['issues'] });
  const change = (body) => s.ask(alice, `PATCH ${one}`, at({ hook_id: data.id, ...body }));
  const held = async () => (await s.control('GET', '/hooks')).find((hook) => hook.id === data.id);
  assert.deepEqual((await change({ add_events: ['push', 'issues'] })).data.events, ['issues', 'push']);
  assert.deepEqual((await change({ remove_events: ['issues', 'fork'] })).data.events, ['push']);
  assert.deepEqual((await change({ events: ['pull_request'] })).data.events, ['pull_request']);
  assert.equal((await change({ active: false })).data.active, false);
  assert.equal((await held()).secret, secret);
  const { data: changed } = await change({ config: { url: far(1) } });
  assert.deepEqual(changed.config, { url: far(1), content_type: 'form', insecure_ssl: '0' });
  assert.equal(changed.active, false);
  assert.equal((await held()).secret, null);
  await refused(422, 'Events contains an unknown event', change({ add_events: ['nonsense'] }));
  await refused(422, "Invalid request.\n\nFor 'properties/active', 1 is not a boolean.", change({ active: 1 }));
  const other = await made({ config: config({ url: far(2) }), events: ['issues'] });
  await refused(422, 'Hook already exists on this repository', s.ask(alice, `PATCH ${one}`, at({ hook_id: other.data.id, config: { url: far(1) } })));
});

test("a hook's config alone: read, and changed without touching what is not named", async () => {
  const { data } = await made({ config: config(), events: ['issues'] });
  const read = await s.ask(alice, `GET ${one}/config`, at({ hook_id: data.id }));
  assert.deepEqual(read.data, config({ secret: '********' }));
  const changed = await s.ask(alice, `PATCH ${one}/config`, at({ hook_id: data.id, secret: 'new secret' }));
  assert.deepEqual(changed.data, config({ secret: '********' }));
  const [held] = await s.control('GET', '/hooks').then((all) => all.filter((hook) => hook.id === data.id));
  assert.deepEqual([held.secret, held.events], ['new secret', ['issues']]);
});

test('delete; what is not there answers 404', async () => {
  const { data } = await made({ config: config() });
  assert.equal((await s.ask(alice, `DELETE ${one}`, at({ hook_id: data.id }))).status, 204);
  for (const hook_id of [data.id, 1, 'x', `${data.id}x`, '99999999999999999999999', '-1']) {
    await refused(404, 'Not Found', s.ask(alice, `DELETE ${one}`, at({ hook_id })));
    await refused(404, 'Not Found', s.ask(alice, `GET ${one}`, at({ hook_id })));
    await refused(404, 'Not Found', s.ask(alice, `PATCH ${one}`, at({ hook_id, active: true })));
    await refused(404, 'Not Found', s.ask(alice, `POST ${one}/pings`, at({ hook_id })));
  }
});

test('a ping is what GitHub describes, with its headers, signed', async () => {
  const { hook, ping } = await listening();
  const repository = (await alice.rest.repos.get(shop)).data;
  for (const delivery of [ping, await s.ask(alice, `POST ${one}/pings`, at({ hook_id: hook.id })).then(() => receiver.next())]) {
    const payload = JSON.parse(delivery.body);
    describedWebhook('ping', { headers: delivery.headers, payload });
    assert.deepEqual([payload.hook_id, payload.hook.id, payload.repository.full_name, payload.repository.id], [hook.id, hook.id, 'acme/shop', repository.id]);
    assert.equal(payload.hook.config.secret, '********');
    assert.equal(delivery.method, 'POST');
    const { headers } = delivery;
    assert.deepEqual(
      [headers['x-github-event'], headers['x-github-hook-id'], headers['x-github-hook-installation-target-id'], headers['x-github-hook-installation-target-type'], headers['content-type']],
      ['ping', String(hook.id), String(repository.id), 'repository', 'application/json']);
    assert.match(headers['x-github-delivery'], /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.match(headers['user-agent'], /^GitHub-Hookshot\//);
    assert.equal(headers.expect, undefined);
    assert.ok(await verify(secret, delivery.body, headers['x-hub-signature-256']));
    assert.ok(!(await verify('another', delivery.body, headers['x-hub-signature-256'])));
    assert.equal(headers['x-hub-signature'], `sha1=${createHmac('sha1', secret).update(delivery.body).digest('hex')}`);
  }
});

test('an event goes to the hooks that want it, under one delivery id, as it is', async () => {
  const { hook } = await listening();
  const second = (await made({ config: config({ url: `${receiver.url}/second`, secret: 'second', content_type: 'form' }), events: ['*'] })).data;
  await receiver.next();
  await made({ config: config({ url: `${receiver.url}/third` }), events: ['push'] });
  await receiver.next();
  await made({ config: config({ url: `${receiver.url}/asleep` }), events: ['issues'], active: false });
  await receiver.next(); // the ping: it comes even so
  const payload = { action: 'opened', issue: { number: 1, title: 'Ünï "quoted" \u2028 💥' }, list: [1, null, true] };
  const results = await s.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload });
  assert.deepEqual(results.map((r) => [r.hook_id, r.status]).sort(), [[hook.id, 200], [second.id, 200]]);
  const came = [await receiver.next(), await receiver.next()].sort((a, b) => a.path.length - b.path.length);
  assert.deepEqual(JSON.parse(came[0].body), payload);
  assert.ok(await verify(secret, came[0].body, came[0].headers['x-hub-signature-256']));
  assert.equal(came[1].headers['content-type'], 'application/x-www-form-urlencoded');
  assert.deepEqual(JSON.parse(new URLSearchParams(came[1].body).get('payload')), payload);
  assert.ok(await verify('second', came[1].body, came[1].headers['x-hub-signature-256']));
  assert.equal(came[0].headers['x-github-delivery'], came[1].headers['x-github-delivery']);
  assert.equal(results[0].delivery, came[0].headers['x-github-delivery']);
  // Without a secret there is no signature.
  await alice.rest.repos.updateWebhook(at({ hook_id: hook.id, config: { url: receiver.url, content_type: 'json' } }));
  await s.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'pull_request', payload: {} });
  const unsigned = [await receiver.next(), await receiver.next()].find((d) => d.path === '/');
  assert.deepEqual([unsigned.headers['x-hub-signature-256'], unsigned.headers['x-hub-signature']], [undefined, undefined]);
});

test('an event that nobody wants is delivered to nobody', async () => {
  assert.deepEqual(await s.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload: {} }), []);
});

test('deliveries are listed, latest first, with cursor; one is shown whole; one is sent again under the same id', async () => {
  const { hook, ping } = await listening();
  receiver.status = 503;
  const [failed] = await s.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload: { action: 'opened' } });
  assert.equal(failed.status, 503);
  await receiver.next();
  receiver.status = 200;
  const deliveries = `${one}/deliveries`;
  const list = async () => (await s.ask(alice, `GET ${deliveries}`, at({ hook_id: hook.id }))).data;
  const [latest, first] = await list();
  assert.deepEqual([latest.event, latest.action, latest.status_code, latest.status, latest.redelivery, latest.guid], ['issues', 'opened', 503, 'Invalid HTTP Response', false, failed.delivery]);
  assert.deepEqual([first.event, first.action, first.status, first.guid], ['ping', null, 'OK', ping.headers['x-github-delivery']]);
  assert.deepEqual((await alice.rest.repos.getWebhook(at({ hook_id: hook.id }))).data.last_response, { code: 503, status: 'failed', message: 'Invalid HTTP Response' });

  const whole = (await s.ask(alice, `GET ${deliveries}/{delivery_id}`, at({ hook_id: hook.id, delivery_id: latest.id }))).data;
  assert.equal(whole.request.headers['X-GitHub-Delivery'], latest.guid);
  assert.match(whole.request.headers['User-Agent'], /^GitHub-Hookshot/);
  assert.deepEqual(whole.request.payload, { action: 'opened' });
  assert.deepEqual([whole.response.payload, whole.response.headers['x-answer']], ['taken', 'yes']);

  assert.equal((await s.ask(alice, `POST ${deliveries}/{delivery_id}/attempts`, at({ hook_id: hook.id, delivery_id: latest.id }))).status, 202);
  const again = await receiver.next();
  assert.equal(again.headers['x-github-delivery'], latest.guid);
  assert.ok(await verify(secret, again.body, again.headers['x-hub-signature-256']));
  // The delivery after it is in the list only when this one is: one thread takes them in in order.
  await s.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload: { action: 'closed' }, delivery: '01234567-89ab-cdef-0123-456789abcdef' });
  await receiver.next();
  const after = await list();
  const redelivered = after.find((d) => d.redelivery);
  assert.deepEqual([redelivered.guid, redelivered.status_code, redelivered.id > latest.id], [latest.guid, 200, true]);
  assert.deepEqual(after.filter((d) => d.action === 'closed').map((d) => [d.guid, d.redelivery]), [['01234567-89ab-cdef-0123-456789abcdef', false]]);

  const page = await s.ask(alice, `GET ${deliveries}`, at({ hook_id: hook.id, per_page: 2 }));
  assert.deepEqual(page.data.map((d) => d.id), after.slice(0, 2).map((d) => d.id));
  assert.deepEqual((await alice.paginate(`GET ${deliveries}`, at({ hook_id: hook.id, per_page: 1 }))).map((d) => d.id), after.map((d) => d.id));
  for (const delivery_id of [1, `${latest.id}x`, 'x']) {
    await refused(404, 'Not Found', s.ask(alice, `GET ${deliveries}/{delivery_id}`, at({ hook_id: hook.id, delivery_id }), { beyond: true }));
    await refused(404, 'Not Found', s.ask(alice, `POST ${deliveries}/{delivery_id}/attempts`, at({ hook_id: hook.id, delivery_id }), { beyond: true }));
  }
});

test('the last hundred deliveries are kept', async () => {
  const { hook } = await listening({ config: config({ url: `${receiver.url}/many` }) });
  for (let i = 0; i < 110; i++) {
    await s.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload: { action: `n${i}` } });
    await receiver.next();
  }
  const all = await alice.paginate(`GET ${one}/deliveries`, at({ hook_id: hook.id, per_page: 30 }));
  assert.deepEqual(all.map((d) => d.action), Array.from({ length: 100 }, (_, i) => `n${109 - i}`));
});

test('a delivery to where nobody listens has failed; a hook removed meanwhile is no harm', async () => {
  const gone = await Receiver.start();
  const { data } = await made({ config: config({ url: gone.url }), events: ['issues'] });
  await gone.next();
  await gone.stop();
  const [result] = await s.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload: {} });
  assert.equal(result.status, 0);
  const [latest] = (await s.ask(alice, `GET ${one}/deliveries`, at({ hook_id: data.id }))).data;
  assert.deepEqual([latest.status_code, latest.status], [0, 'failed to connect to host']);
  const [pinged] = await Promise.all([s.ask(alice, `POST ${one}/pings`, at({ hook_id: data.id })), s.ask(alice, `DELETE ${one}`, at({ hook_id: data.id }))]);
  assert.ok([204, 404].includes(pinged.status));
});

test('a payload of 25 MB is delivered, a larger one is not', async () => {
  await listening({ config: config({ url: `${receiver.url}/large` }) });
  const text = 'x'.repeat(25 * 1024 * 1024 - 100);
  const [result] = await s.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload: { text } });
  assert.equal(result.status, 200);
  assert.equal((await receiver.next()).body.length, text.length + '{"text":""}'.length);
  assert.deepEqual(await s.control('POST', '/deliver', { owner: 'acme', repo: 'shop', event: 'issues', payload: { text: `${text}${'x'.repeat(200)}` } }), []);
});

test('renamed: hooks stay, deliveries name the repository by its number', async () => {
  git(s.dir, 'init', '-q', '-b', 'main', 'moving');
  const { id } = await s.control('POST', '/repos', { owner: 'acme', name: 'moving', path: path.join(s.dir, 'moving') });
  await s.control('POST', '/permissions', { owner: 'acme', repo: 'moving', login: 'alice', permission: 'admin' });
  const { data } = await s.ask(alice, `POST ${route}`, { owner: 'acme', repo: 'moving', config: config({ url: `${receiver.url}/moving` }), events: ['issues'] });
  await receiver.next();
  await s.control('POST', '/repos/acme/moving/rename', { name: 'moved' });
  const listed = await s.ask(alice, `GET ${route}`, { owner: 'acme', repo: 'moving' });
  assert.deepEqual(listed.data.map((hook) => hook.id), [data.id]);
  assert.equal(listed.data[0].url, `${s.url}/repos/acme/moved/hooks/${data.id}`);
  await s.control('POST', '/deliver', { owner: 'acme', repo: 'moved', event: 'issues', payload: {} });
  assert.equal((await receiver.next()).headers['x-github-hook-installation-target-id'], String(id));
  await s.control('DELETE', '/repos/acme/moved');
  await refused(404, 'Not Found', s.ask(alice, `GET ${route}`, { owner: 'acme', repo: 'moved' }));
});
