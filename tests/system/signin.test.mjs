// Signing in with GitHub, from the first redirect to the logout, and everything that can go wrong in between.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { House, jwt, until } from './harness.mjs';

let h;
const app = { client_id: 'app-id', client_secret: 'app-secret' };
const backend = 'https://repobus.example.com';
const frontend = 'https://app.example.com/start';
const unauthorized = { detail: 'Unauthorized' };

/** A browser as far as this flow needs one: it keeps cookies and follows nothing by itself. */
class Browser {
  cookies = new Map();

  async get(where, { method = 'GET', headers = {}, url = h.url } = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url + where, { method, redirect: 'manual', headers: { accept: 'text/html', ...(cookie ? { cookie } : {}), ...headers } });
    // Not getSetCookie(), which Debian's Node.js 18 does not have.
    for (const line of response.headers.get('set-cookie')?.split(/, (?=[\w-]+=)/) ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      assert.match(line, /; HttpOnly; SameSite=Lax; Secure$/);
      if (/Max-Age=0/.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const text = await response.text();
    return { status: response.status, location: response.headers.get('location'), text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
  }

  /** To GitHub's page and back to the address that GitHub names. */
  async toGithub() {
    const start = await this.get('/auth/github');
    assert.equal(start.status, 302, start.text);
    const page = await fetch(start.location, { redirect: 'manual' });
    const back = new URL(page.headers.get('location'));
    assert.equal(back.origin + back.pathname, `${backend}/auth/github/callback`);
    return { start: new URL(start.location), back: back.pathname + back.search };
  }

  async signIn(options) {
    return this.get((await this.toGithub()).back, options);
  }
}

const person = (more = {}) => h.control('POST', '/oauth', { ...app, callback: `${backend}/auth/github/callback`, login: 'carol', ...more });
const carol = () => h.rows(`select * from users where login = 'carol'`);

before(async () => {
  h = await House.start({ programs: [], env: { GITHUB_CLIENT_ID: app.client_id, GITHUB_CLIENT_SECRET: app.client_secret, BACKEND_URL: backend, FRONTEND_URL: frontend } });
  await h.launch('edge');
  await h.control('POST', '/users', { login: 'carol', token: 'token-carol', scopes: 'repo' });
});
after(() => h?.stop());

test('GitHub is asked for what is needed, with a state and a challenge', async () => {
  await person();
  const browser = new Browser();
  const { start } = await browser.toGithub();
  assert.equal(start.pathname, '/login/oauth/authorize');
  assert.equal(start.searchParams.get('scope'), 'repo read:user user:email');
  assert.equal(start.searchParams.get('client_id'), app.client_id);
  assert.equal(start.searchParams.get('redirect_uri'), `${backend}/auth/github/callback`);
  assert.equal(start.searchParams.get('code_challenge_method'), 'S256');
  assert.match(start.searchParams.get('state'), /^[\w-]{43}$/);
  assert.match(start.searchParams.get('code_challenge'), /^[\w-]{43}$/);
  const cookie = browser.cookies.get('repobus_sign_in');
  assert.ok(!cookie.includes(start.searchParams.get('state')));
  const again = await new Browser().toGithub();
  assert.notEqual(again.start.searchParams.get('state'), start.searchParams.get('state'));
});

for (const [what, arrange, change, code, status] of [
  ['a denied consent', () => person({ denies: true }), (x) => x, 'denied', 403],
  ['missing scopes', () => person({ scopes: 'read:user' }), (x) => x, 'scopes', 403],
  ['a forged state', () => person(), (back) => back.replace(/state=[^&]*/, `state=${'A'.repeat(43)}`), 'state', 400],
  ['no state', () => person(), (back) => back.replace(/&state=[^&]*/, ''), 'state', 400],
  ['a code of somebody else', () => person(), (back) => back.replace(/code=[^&]*/, 'code=x'), 'code', 400],
  ['no code', () => person(), (back) => back.replace(/code=[^&]*/, ''), 'github', 502],
  ['GitHub down for the code', () => person().then(() => h.fault({ path: '/login/oauth/access_token', kind: 'status', status: 503 })), (x) => x, 'github', 502],
  ['GitHub silent in the middle', () => person().then(() => h.fault({ path: '/login/oauth/access_token', kind: 'cut-body' })), (x) => x, 'github', 502],
  ['rubbish for the code', () => person().then(() => h.fault({ path: '/login/oauth/access_token', kind: 'garbage' })), (x) => x, 'github', 502],
  ['GitHub down for the person', () => person().then(() => h.fault({ path: '/user', kind: 'cut-before', count: 0 })), (x) => x, 'github', 502],
]) {
  test(`${what} has a clear end and leaves nobody`, async () => {
    for (const accept of ['text/html', 'application/json']) {
      await arrange();
      const browser = new Browser();
      const { back } = await browser.toGithub();
      const end = await browser.get(change(back), { headers: { accept } });
      await h.control('DELETE', '/faults');
      if (accept === 'text/html') {
        assert.equal(end.status, 302, end.text);
        assert.equal(end.location, `${frontend}?sign_in_error=${code}`);
      } else {
        assert.equal(end.status, status, end.text);
        assert.ok(end.json.detail.length > 20);
        assert.ok(!/token-carol|app-secret/.test(end.text));
      }
      assert.equal(browser.cookies.size, 0);
      assert.deepEqual(await carol(), []);
    }
  });
}

test('an expired code, a foreign browser and a lost cookie begin again', async () => {
  await person();
  const browser = new Browser();
  const { back } = await browser.toGithub();
  await person({ expire_codes: true });
  assert.match((await browser.get(back)).location, /sign_in_error=code$/);
  const other = await new Browser().toGithub();
  assert.match((await new Browser().get(other.back)).location, /sign_in_error=expired$/);
  const forged = new Browser();
  await forged.toGithub();
  const cookie = forged.cookies.get('repobus_sign_in');
  forged.cookies.set('repobus_sign_in', cookie.slice(0, 40) + (cookie[40] === 'A' ? 'B' : 'A') + cookie.slice(41));
  assert.match((await forged.get(other.back)).location, /sign_in_error=expired$/);
  assert.deepEqual(await carol(), []);
});

test('a person signs in, is known, writes only from our pages, and logs out everywhere', async () => {
  await person();
  const browser = new Browser();
  const { back } = await browser.toGithub();
  const cookies = new Map(browser.cookies);
  const end = await browser.get(back);
  assert.deepEqual([end.status, end.location], [302, frontend]);
  assert.deepEqual([...browser.cookies.keys()], ['repobus_session']);
  const [user] = await carol();
  assert.equal(user.scopes, 'repo,read:user,user:email');
  assert.ok(!user.token_sealed.includes('token-carol'));

  // The same address again, with the same cookie: spent.
  const thief = new Browser();
  thief.cookies = cookies;
  assert.match((await thief.get(back)).location, /sign_in_error=state$/);

  const me = await browser.get('/auth/me');
  assert.equal(me.status, 200, me.text);
  assert.deepEqual([me.json.id, me.json.login, me.json.scopes], [Number(user.id), 'carol', ['repo', 'read:user', 'user:email']]);
  assert.ok(Math.abs(new Date(me.json.expires_at) - Date.now() - 604800e3) < 600e3);

  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login: 'carol', permission: 'admin' });
  const install = (headers) => browser.get('/api/v1/repos/acme/shop/install', { method: 'POST', headers });
  for (const headers of [{}, { origin: 'https://evil.example' }, { origin: `${backend}.evil.example` }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { referer: 'https://evil.example/' }]) {
    const refused = await install(headers);
    assert.equal(refused.status, 403, JSON.stringify(headers));
  }
  assert.deepEqual(await h.rows('select 1 from installations'), []);
  assert.equal((await install({ origin: new URL(frontend).origin })).status, 200);
  assert.equal((await install({ origin: backend })).status, 400);
  assert.equal((await install({ 'sec-fetch-site': 'same-origin' })).status, 400);
  assert.equal((await browser.get('/api/v1/repos')).status, 200);

  const other = await h.launch('edge', { AS: 'edge2', PORT: '0' });
  try {
    const token = browser.cookies.get('repobus_session');
    const asked = (url, headers = { authorization: `Bearer ${token}` }) => h.request('GET', '/auth/me', { token: null, url, headers });
    assert.equal((await asked(other.url)).status, 200);
    assert.equal((await browser.get('/auth/logout', { method: 'POST' })).status, 403);
    const out = await browser.get('/auth/logout', { method: 'POST', headers: { origin: backend } });
    assert.equal(out.status, 204);
    assert.equal(browser.cookies.size, 0);
    for (const url of [h.url, other.url]) {
      assert.deepEqual((await asked(url)).json, unauthorized);
      assert.deepEqual((await asked(url, { cookie: `repobus_session=${token}` })).json, unauthorized);
    }
    for (const [method, where] of [['POST', '/api/v1/repos/acme/shop/install'], ['POST', '/api/v1/repos/acme/shop/rescan'], ['GET', '/api/v1/repos'], ['GET', '/api/v1/repos/acme/shop'], ['GET', '/api/v1/repos/acme/shop/deliveries'], ['POST', '/auth/logout']]) {
      const answer = await h.request(method, where, { token, url: other.url });
      assert.deepEqual([answer.status, answer.json], [401, unauthorized], where);
    }
    await h.get('edge').stop();
    await h.launch('edge');
    assert.deepEqual((await asked(h.url)).json, unauthorized);
  } finally {
    await other.stop();
  }
});

test('a client that asks for JSON gets the token', async () => {
  await person();
  const browser = new Browser();
  const end = await browser.signIn({ headers: { accept: 'application/json' } });
  assert.equal(end.status, 200, end.text);
  assert.deepEqual(Object.keys(end.json), ['token', 'expires_in', 'user']);
  assert.equal(browser.cookies.size, 0);
  const me = await h.request('GET', '/auth/me', { token: end.json.token });
  assert.deepEqual([me.json.login, me.json.id], ['carol', end.json.user.id]);
});

test('the same person twice at once is one person, and a login that changed hands is the new one\'s', async () => {
  await h.control('POST', '/users', { login: 'dave', token: 'token-dave', scopes: 'repo' });
  await person({ login: 'dave' });
  const browsers = Array.from({ length: 8 }, () => new Browser());
  const ends = await Promise.all(browsers.map((browser) => browser.signIn({ headers: { accept: 'application/json' } })));
  assert.deepEqual(ends.map((end) => end.status), Array(8).fill(200), JSON.stringify(ends.map((end) => end.json)));
  assert.equal(new Set(ends.map((end) => end.json.user.id)).size, 1);
  await h.rows(`update users set github_id = 77 where login = 'dave'`); // somebody else had the login once
  const end = await new Browser().signIn({ headers: { accept: 'application/json' } });
  assert.equal(end.status, 200, end.text);
  const rows = await h.rows(`select id, login, github_id from users where login in ('dave', 'user-77') order by login`);
  assert.deepEqual(rows.map((row) => row.login), ['dave', 'user-77']);
  assert.equal(Number(rows[0].id), end.json.user.id);
});

test('a person made offline before is the same person', async () => {
  await h.control('POST', '/users', { login: 'erin', token: 'token-erin', scopes: 'repo' });
  await h.token('erin', { args: ['--offline'] });
  await person({ login: 'erin' });
  const end = await new Browser().signIn({ headers: { accept: 'application/json' } });
  assert.equal(end.status, 200, end.text);
  const rows = await h.rows(`select id, github_id from users where login = 'erin'`);
  assert.deepEqual(rows.map((row) => Number(row.id)), [end.json.user.id]);
  assert.ok(rows[0].github_id);
});

test('without an OAuth app the answer says what to set', async () => {
  const other = await h.launch('edge', { AS: 'edge3', PORT: '0', GITHUB_CLIENT_ID: '', GITHUB_CLIENT_SECRET: '' });
  try {
    for (const where of ['/auth/github', '/auth/github/callback']) {
      const answer = await h.request('GET', where, { token: null, url: other.url });
      assert.equal(answer.status, 503);
      assert.match(answer.json.detail, /GITHUB_CLIENT_ID/);
    }
  } finally {
    await other.stop();
  }
});

test('a new SECRET_KEY with the old one beside it keeps everybody signed in', async () => {
  await person();
  const { json } = await new Browser().signIn({ headers: { accept: 'application/json' } });
  const next = 'n'.repeat(40);
  const rotated = await h.launch('edge', { AS: 'edge4', PORT: '0', SECRET_KEY: next, SECRET_KEY_PREVIOUS: h.secretKey });
  try {
    assert.equal((await h.request('GET', '/auth/me', { token: json.token, url: rotated.url })).status, 200);
    const sub = String(json.user.id);
    const exp = Math.floor(Date.now() / 1000) + 60;
    assert.equal((await h.request('GET', '/auth/me', { token: jwt({ sub, exp }, next), url: rotated.url })).status, 200);
    assert.equal((await h.request('GET', '/auth/me', { token: jwt({ sub, exp }, next) })).status, 401);
    // What is used is sealed anew, the rest by the command; what neither key opens is counted.
    const sealed = async () => (await h.rows('select token_sealed from users where id = $1', [json.user.id]))[0].token_sealed;
    const before = await sealed();
    assert.match((await h.install('acme/unknown', { token: json.token, url: rotated.url })).json.detail, /^Failed to install webhook: /);
    await until('the token is sealed anew', async () => !(await sealed()).equals(before));
    const [{ count }] = await h.rows('select count(*) from users where token_sealed is not null');
    await h.rows(`insert into users (login, token_sealed) values ('lost', '\\x00')`);
    const env = { SECRET_KEY: next, SECRET_KEY_PREVIOUS: h.secretKey };
    const first = await h.cli(['reseal', '--json'], env);
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual(JSON.parse(first.stdout.split('\n')[0]), { what: 'tokens of people', resealed: count - 1, current: 1, do_not_open: 1 });
    assert.deepEqual(JSON.parse(first.stdout.split('\n')[1]), { what: 'secrets of hooks', resealed: 1, current: 0, do_not_open: 0 });
    const again = await h.cli(['reseal', '--json'], env);
    assert.deepEqual(JSON.parse(again.stdout.split('\n')[0]), { what: 'tokens of people', resealed: 0, current: Number(count), do_not_open: 1 });
    assert.equal((await h.cli(['reseal'], { SECRET_KEY: next })).code, 2);
  } finally {
    await rotated.stop();
  }
  // Another key still, and nothing of before beside it.
  const other = 'o'.repeat(40);
  const alone = await h.launch('edge', { AS: 'edge5', PORT: '0', SECRET_KEY: other });
  try {
    assert.equal((await h.request('GET', '/auth/me', { token: json.token, url: alone.url })).status, 401);
    // The token of this person does not open any more: the contract's answer, and signing in repairs it.
    const token = jwt({ sub: String(json.user.id), exp: Math.floor(Date.now() / 1000) + 60 }, other);
    const answer = await h.install('acme/unknown', { token, url: alone.url });
    assert.deepEqual([answer.status, answer.json.detail], [401, 'Session expired — please log out and sign in again.']);
    const browser = new Browser();
    const start = await browser.get('/auth/github', { url: alone.url });
    const page = await fetch(start.location, { redirect: 'manual' });
    const back = new URL(page.headers.get('location'));
    const end = await browser.get(back.pathname + back.search, { url: alone.url, headers: { accept: 'application/json' } });
    assert.equal(end.status, 200, end.text);
    assert.match((await h.install('acme/unknown', { token: end.json.token, url: alone.url })).json.detail, /^Failed to install webhook: /);
  } finally {
    await alone.stop();
  }
});
