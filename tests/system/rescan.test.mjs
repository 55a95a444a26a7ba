// Rescan: what changed in the repository since it was connected, in the profile and the graph.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { House, makeRepository, until } from './harness.mjs';

let h;
before(async () => { h = await House.start(); });
after(() => h?.stop());

const graphFiles = async () => (await h.rows('select path from graph_files order by path collate "C"')).map((row) => row.path);

test('a rescan brings profile and graph to the commit of now', async () => {
  const { json } = await h.install();
  const before = await h.untilDone(json.installation_id);
  // A second commit: one file gone, one new, one changed.
  const commit = await makeRepository(h.repository, { 'src/main.go': 'package main\n', 'README.md': '# Another shop\n' }, ['tools/report.py']);
  const answer = await h.request('POST', '/api/v1/repos/Acme/Shop/rescan');
  assert.equal(answer.status, 202, answer.text);
  assert.deepEqual(answer.json, { status: 'accepted', installation_id: json.installation_id, repo: 'acme/shop', generation: answer.json.generation });
  assert.ok(answer.json.generation > Number(before.scanner.generation));
  await until('both have done the new generation', async () => {
    const runs = await h.runs(json.installation_id);
    return ['scanner', 'grapher'].every((name) => runs[name].state === 'done' && Number(runs[name].generation) === answer.json.generation);
  });
  const { json: repo } = await h.request('GET', '/api/v1/repos/acme/shop');
  assert.equal(repo.profile.commit, commit);
  assert.ok(repo.profile.languages.some((language) => language.name === 'Go'));
  assert.deepEqual(await graphFiles(), ['.github/workflows/ci.yml', 'README.md', 'package.json', 'src/cart.js', 'src/index.js', 'src/main.go', 'test/cart.test.js']);
  const [{ commit_sha: graphed }] = await h.rows('select commit_sha from graph_repositories');
  assert.equal(graphed, commit);
});

test('a rescan of what has not changed asks GitHub for nothing but the commit', async () => {
  await h.control('DELETE', '/requests');
  const { code, stdout, stderr } = await h.cli(['rescan', 'acme/shop']);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /scanning again +acme\/shop/);
  const asked = (await h.control('GET', '/requests')).map((request) => request.path);
  assert.equal(asked.filter((path) => path.includes('/commits/')).length, 1, asked.join(' '));
  assert.equal(asked.filter((path) => path.includes('/git/trees/')).length, 0, asked.join(' '));
});

test('many rescans at once: the last generation is what ends, each has its event', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => h.request('POST', '/api/v1/repos/acme/shop/rescan')));
  const accepted = answers.filter(({ status }) => status === 202).map(({ json }) => json.generation);
  assert.ok(accepted.length >= 1);
  assert.ok(answers.every(({ status }) => status === 202 || status === 409), answers.map(({ status }) => status).join(' '));
  const [installation] = await h.rows('select id, generation from installations');
  assert.ok(accepted.includes(Number(installation.generation)));
  const events = (await h.rows("select (body::jsonb #>> '{data,generation}')::bigint as generation from outbox where subject = 'repo.rescan'")).map((row) => Number(row.generation));
  assert.ok(accepted.every((generation) => events.filter((each) => each === generation).length === 1));
  await until('the last one is done', async () => {
    const runs = await h.runs(installation.id);
    return ['scanner', 'grapher'].every((name) => runs[name].state === 'done' && runs[name].generation === installation.generation);
  });
});

test('who may not, and what is not connected', async () => {
  assert.equal((await h.request('POST', '/api/v1/repos/acme/other/rescan')).status, 404);
  assert.equal((await h.request('POST', '/api/v1/repos/acme/shop/rescan', { token: null })).status, 401);
  assert.equal((await h.request('POST', '/api/v1/repos/acme/shop/rescan', { token: await h.token('bob') })).status, 404);
  assert.equal((await h.cli(['rescan', 'acme/other'])).code, 7);
});
