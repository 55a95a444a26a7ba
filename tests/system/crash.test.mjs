// kill -9 of each process in the middle of its work, and SIGTERM under work: the end state is right each time.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { House, makeRepository, until } from './harness.mjs';

let h;
let repositories = 0;
before(async () => { h = await House.start(); });
after(() => h?.stop());
beforeEach(() => h.control('DELETE', '/faults'));

async function another() {
  const name = `repo${++repositories}`;
  const files = { 'package.json': '{"dependencies":{"react":"^18.0.0"}}' };
  for (let i = 0; i < 40; i++) files[`src/m${i % 5}/file${i}.ts`] = `export const n${i} = ${i};\n`;
  await makeRepository(`${h.dir}/${name}`, files);
  await h.control('POST', '/repos', { owner: 'acme', name, path: `${h.dir}/${name}` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: name, login: 'alice', permission: 'admin' });
  return { name, full: `acme/${name}`, path: `/repos/acme/${name}`, files: 41 };
}

async function assertRight(repo, installation) {
  await h.untilDone(installation);
  const [profile, ...more] = await h.rows('select * from profiles where installation_id = $1', [installation]);
  assert.equal(more.length, 0);
  assert.equal(profile.profile.files, repo.files);
  const [graph] = await h.rows('select g.*, (select count(*) from graph_files f where f.repo_id = g.repo_id) as held from graph_repositories g join installations i using (repo_id) where i.id = $1', [installation]);
  assert.equal(Number(graph.files), repo.files);
  assert.equal(Number(graph.held), repo.files);
}

const hooksOf = async (repo) => (await h.hooks()).filter((hook) => JSON.stringify(hook).includes(`/${repo.name}/`) || hook.repo === repo.full || hook.repository === repo.full);

/** The edge dies while `fault` holds an install at GitHub; afterwards nothing is orphaned and connecting works. */
async function killEdgeDuring(fault) {
  const repo = await another();
  await h.control('DELETE', '/requests');
  await h.fault({ ...fault, path: repo.path + fault.path });
  const answer = h.install(repo.full).catch(() => null);
  await until('GitHub asked', async () => (await h.control('GET', '/requests')).some((r) => r.path === repo.path + fault.path && (!fault.method || r.method === fault.method))
    || (await h.rows("select 1 from installations where state = 'reserved'")).length > 0);
  await h.get('edge').kill();
  await answer;
  await h.control('DELETE', '/faults');
  await h.launch('edge');
  await h.runOut(repo.full);
  await until('the reservation and its hook are gone', async () =>
    (await h.rows("select 1 from installations where state = 'reserved'")).length === 0 && (await hooksOf(repo)).length === 0);
  const again = await h.install(repo.full);
  assert.equal(again.status, 200, again.text);
  await assertRight(repo, again.json.installation_id);
}

test('kill -9 of the edge while it reads the repository', () => killEdgeDuring({ method: 'GET', path: '', kind: 'hang' }));
test('kill -9 of the edge while it makes the hook', () => killEdgeDuring({ method: 'POST', path: '/hooks', kind: 'hang' }));

test('kill -9 of the edge after GitHub made the hook, before the answer came', async () => {
  const repo = await another();
  // The hook is made and the answer lost; from then on the edge cannot look for it either.
  await h.fault({ method: 'POST', path: `${repo.path}/hooks`, kind: 'answer-lost' });
  await h.fault({ method: 'GET', path: `${repo.path}/hooks`, kind: 'hang', count: 0 });
  const answer = h.install(repo.full).catch(() => null);
  await until('the hook exists', async () => (await hooksOf(repo)).length === 1);
  await h.get('edge').kill();
  await answer;
  await h.control('DELETE', '/faults');
  await h.launch('edge');
  await h.runOut(repo.full);
  await until('undone', async () => (await hooksOf(repo)).length === 0 && (await h.rows("select 1 from installations where state = 'reserved'")).length === 0);
});

test('kill -9 of the edge right after the answer: the event is published by the next one', async () => {
  const repo = await another();
  await h.server('nats', 'stop');
  const { json, status } = await h.install(repo.full);
  assert.equal(status, 200);
  await h.get('edge').kill();
  await h.server('nats', 'start');
  await h.launch('edge');
  await assertRight(repo, json.installation_id);
});

for (const name of ['scanner', 'grapher']) {
  for (const [point, where] of Object.entries({ 'waiting for the commit': '/commits', 'waiting for the tree': '/git/trees' })) {
    test(`kill -9 of the ${name} ${point}`, async () => {
      const repo = await another();
      await h.fault({ method: 'GET', path: repo.path + where, kind: 'hang', count: 0 });
      const { json } = await h.install(repo.full);
      await until('it runs', async () => (await h.runs(json.installation_id))[name]?.state === 'running');
      await h.get(name).kill();
      await h.control('DELETE', '/faults');
      await h.launch(name);
      await assertRight(repo, json.installation_id);
    });
  }

  test(`SIGTERM of the ${name} under work: it finishes or hands back`, async () => {
    const repo = await another();
    await h.fault({ method: 'GET', path: `${repo.path}/commits`, kind: 'hang', count: 0 });
    const { json } = await h.install(repo.full);
    await until('it runs', async () => (await h.runs(json.installation_id))[name]?.state === 'running');
    const stopped = h.get(name).stop();
    await h.control('DELETE', '/faults');
    await stopped;
    await h.launch(name);
    await assertRight(repo, json.installation_id);
  });
}

test('kill -9 of nats-server under work', async () => {
  const repo = await another();
  await h.fault({ method: 'GET', path: `${repo.path}/commits`, kind: 'hang', count: 0 });
  const { json } = await h.install(repo.full);
  await until('both run', async () => Object.keys(await h.runs(json.installation_id)).length === 2);
  await h.server('nats', 'kill');
  await h.control('DELETE', '/faults');
  await h.server('nats', 'start');
  await assertRight(repo, json.installation_id);
});

test('kill -9 of PostgreSQL under work', async () => {
  const repo = await another();
  await h.fault({ method: 'GET', path: `${repo.path}/commits`, kind: 'hang', count: 0 });
  const { json } = await h.install(repo.full);
  await until('both run', async () => Object.keys(await h.runs(json.installation_id)).length === 2);
  await h.server('postgres', 'kill');
  await h.server('postgres', 'start');
  await h.control('DELETE', '/faults');
  await until('the database is back', () => h.rows('select 1'));
  await assertRight(repo, json.installation_id);
});
