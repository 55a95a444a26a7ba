// Edge, scanner and grapher together: what a repository depends on, what was open before it was connected, and how far
// its graph is behind. Both stores of the graph are held to it by tests/unit/graph_packages_test.c.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { sign } from '@octokit/webhooks-methods';
import { House, makeRepository, until } from './harness.mjs';

const run = promisify(execFile);
let h;
let repoId;
before(async () => {
  h = await House.start();
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login: 'bob', permission: 'admin' });
});
after(() => h?.stop());

const at = (second) => `2026-03-01T10:00:${String(second).padStart(2, '0')}Z`;
const topic = (number, more = {}) => ({ number, title: `Topic ${number}`, body: null, login: 'ann', created_at: at(0), updated_at: at(10), ...more });
const opened = (open) => h.control('POST', '/topics', { owner: 'acme', repo: 'shop', open });
const packages = async () => (await h.rows('select purl, scope, requirement from graph_dependencies where repo_id = $1 order by purl, scope', [repoId])).map((row) => Object.values(row).join(' '));
const pulls = () => h.rows('select number::int, title, state, head_sha <> \'\' as has_files from graph_pull_requests where repo_id = $1 order by number', [repoId]);
const issues = () => h.rows('select number::int, title, state from graph_issues where repo_id = $1 order by number', [repoId]);
const freshness = async () => (await h.request('GET', '/api/v1/repos/acme/shop')).json.freshness;
const asked = async (pattern) => (await h.control('GET', '/requests')).map(({ path }) => path).filter((path) => pattern.test(path));

async function install(login) {
  const { json, status, text } = await h.install('acme/shop', { token: await h.token(login) });
  assert.equal(status, 200, text);
  await h.untilDone(json.installation_id);
  return json.installation_id;
}
async function rescan() {
  const { status, json, text } = await h.request('POST', '/api/v1/repos/acme/shop/rescan');
  assert.equal(status, 202, text);
  await until('it is scanned and graphed', async () => {
    const runs = await h.runs(json.installation_id);
    return ['scanner', 'grapher'].every((name) => runs[name].state === 'done' && Number(runs[name].generation) === json.generation);
  });
}
/** As GitHub delivers it, signed, to the hook of ours. */
async function deliver(event, payload) {
  const body = JSON.stringify({ ...payload, repository: { id: repoId, full_name: 'acme/shop', default_branch: 'main' } });
  const [hook] = await h.hooks();
  const { status, text } = await h.request('POST', '/api/v1/webhooks/github', {
    token: null, body,
    headers: {
      'content-type': 'application/json', 'x-github-event': event, 'x-github-delivery': randomUUID(), 'x-github-hook-id': String(hook.id),
      'x-hub-signature-256': await sign(hook.secret, body),
    },
  });
  assert.equal(status, 200, text);
}
const merged = (number, sha, when, base = 'main') => deliver('pull_request', {
  action: 'closed', number,
  pull_request: {
    number, title: `Topic ${number}`, body: '', state: 'closed', merged: true, merged_at: when, merge_commit_sha: sha, base: { ref: base, sha },
    head: { sha: 'e'.repeat(40) }, user: { id: 501, login: 'ann' }, created_at: at(0), updated_at: when, html_url: `https://github.com/acme/shop/pull/${number}`,
  },
});

test('what was open before the connect is there after it, and what an event told meanwhile wins', async () => {
  const git = (...args) => run('git', args, { cwd: h.repository });
  const sha = await makeRepository(h.repository, { 'package.json': JSON.stringify({ dependencies: { express: '^4.19.0' }, devDependencies: { jest: '^29.0.0' } }) });
  await git('checkout', '-q', '--detach');
  const head = await makeRepository(h.repository, { 'src/new.js': 'one\n' });
  await git('update-ref', 'refs/pull/102/head', head);
  await git('checkout', '-q', 'main');
  assert.notEqual(head, sha);
  const many = Array.from({ length: 101 }, (_, i) => topic(i + 1));
  await opened([...many, topic(102, { pull: true, body: 'Fixes #7' })]);
  await install('alice');
  repoId = Number((await h.rows('select repo_id from installations'))[0].repo_id);
  assert.equal((await issues()).length, 101);
  assert.deepEqual(await pulls(), [{ number: 102, title: 'Topic 102', state: 'open', has_files: true }]);
  assert.deepEqual(await h.rows('select path, additions::int from graph_touches'), [{ path: 'src/new.js', additions: 1 }]);
  assert.deepEqual(await h.rows('select issue_number::int as n from graph_closes'), [{ n: 7 }]);
  assert.equal((await asked(/\/(issues|pulls)/)).length, 4, 'two pages of issues, one of pull requests, one of files');
  assert.match((await h.runs((await h.rows('select id from installations'))[0].id)).grapher.note, /^\d+ files and \d+ links in the graph$/);
  // The same second: the event says more than the list.
  await deliver('issues', { action: 'edited', issue: { ...topic(5), title: 'Told', state: 'open', user: null, html_url: 'https://github.com/acme/shop/issues/5' } });
  await until('the event is graphed', async () => (await issues()).some(({ title }) => title === 'Told'));
});

test('what it depends on follows its manifests', async () => {
  await until('the packages are there', async () => (await packages()).length === 2);
  assert.deepEqual(await packages(), ['pkg:npm/express runtime ^4.19.0', 'pkg:npm/jest dev ^29.0.0']);
  await makeRepository(h.repository, {
    'package.json': JSON.stringify({ dependencies: { express: '^5.0.0', lodash: '^4.0.0' } }),
    'docs/package.json': JSON.stringify({ dependencies: { vuepress: '^2.0.0' } }),
  });
  await h.control('DELETE', '/requests');
  await rescan();
  await until('the packages are those of now', async () => (await packages()).includes('pkg:npm/lodash runtime ^4.0.0'));
  assert.deepEqual(await packages(), ['pkg:npm/express runtime ^5.0.0', 'pkg:npm/lodash runtime ^4.0.0']);
  assert.deepEqual(await asked(/\/(issues|pulls)/), [], 'what is open is listed once');
});

test('a merge into the default branch leaves the graph behind until the next scan', async () => {
  const fresh = await freshness();
  assert.deepEqual([fresh.head, fresh.head_from, fresh.behind_since], [fresh.commit, 'tree', null]);
  const files = await h.readGraph('/api/v1/repos/acme/shop/files');
  assert.deepEqual(files.json.freshness, fresh);
  const soon = new Date(Date.now() + 1000).toISOString().replace(/\.\d+/, '');
  await merged(200, 'd'.repeat(40), soon, 'other');
  await merged(201, 'c'.repeat(40), soon);
  const behind = await until('it is behind', async () => { const now = await freshness(); return now.behind_since && now; });
  assert.deepEqual(behind, { ...fresh, head: 'c'.repeat(40), head_at: soon.replace('Z', '.000Z'), head_from: 'merge', behind_since: soon.replace('Z', '.000Z') });
  const { stdout } = await h.cli(['status', 'acme/shop']);
  assert.match(stdout, /behind: the graph shows .{12}, GitHub has cccccccccccc since /);
  await until('its second is over', () => Date.now() > Date.parse(soon) + 1000);
  await rescan();
  const again = await freshness();
  assert.deepEqual([again.head, again.head_from, again.behind_since], [again.commit, 'tree', null]);
});

test('two people share one set; with the last of them all of it goes', async () => {
  await install('bob');
  assert.equal((await h.request('DELETE', '/api/v1/repos/acme/shop/install')).status, 200);
  const left = async (name) => (await h.rows(`select count(*)::int as n from ${name} where repo_id = $1`, [repoId]))[0].n;
  await until('the grapher has seen alice go', async () => (await h.rows("select 1 from runs r join installations i on i.id = r.installation_id where i.state = 'disconnected' and r.subscriber = 'grapher' and r.generation = i.generation and r.state = 'done'")).length === 1);
  assert.deepEqual(await packages(), ['pkg:npm/express runtime ^5.0.0', 'pkg:npm/lodash runtime ^4.0.0']);
  assert.equal((await h.request('DELETE', '/api/v1/repos/acme/shop/install', { token: await h.token('bob') })).status, 200);
  await until('nothing is left', async () => {
    const counts = await Promise.all(['graph_dependencies', 'graph_states', 'graph_pull_requests', 'graph_issues', 'graph_touches', 'graph_repositories'].map(left));
    return counts.every((count) => count === 0);
  });
});
