// How a scan reads: how many requests it takes, what a rescan asks for, what it does at limits and without GraphQL, and
// how much memory it needs, whatever the repository holds.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { schema as described } from '@octokit/graphql-schema';
import { buildSchema, parse, validate } from 'graphql';
import { House, makeRepository, until } from './harness.mjs';
import { listen } from './nats.mjs';

let h;
before(async () => { h = await House.start({ programs: ['edge', 'scanner'] }); });
after(() => h?.stop());

/** A repository of one commit, made without a working tree: `files` is a list of [path, content]; equal contents are stored once.
 * Meanwhile others run: fetch() has to notice connections that are closed for being idle, and would use them otherwise. */
async function importRepository(dir, files) {
  const marks = new Map();
  const parts = [];
  for (const [, content] of files) {
    if (marks.has(content)) continue;
    marks.set(content, marks.size + 1);
    const bytes = Buffer.from(content);
    parts.push(Buffer.from(`blob\nmark :${marks.size}\ndata ${bytes.length}\n`), bytes, Buffer.from('\n'));
  }
  parts.push(Buffer.from('commit refs/heads/main\ncommitter t <t@example.com> 1700000000 +0000\ndata 5\nStart\n'));
  for (const [name, content] of files) parts.push(Buffer.from(`M 100644 :${marks.get(content)} ${JSON.stringify(name)}\n`));
  execFileSync('git', ['init', '-q', '-b', 'main', dir]);
  const git = spawn('git', ['-C', dir, 'fast-import', '--quiet'], { stdio: ['pipe', 'inherit', 'inherit'] });
  git.stdin.end(Buffer.concat(parts));
  assert.deepEqual(await once(git, 'close'), [0, null]);
}

/** Serves the repository in `dir` as acme/NAME, with alice as its admin. */
async function serve(name, dir) {
  await h.control('POST', '/repos', { owner: 'acme', name, path: dir });
  await h.control('POST', '/permissions', { owner: 'acme', repo: name, login: 'alice', permission: 'admin' });
}

/** The requests that reading has cost: [REST, GraphQL]. */
async function asked() {
  const requests = await h.control('GET', '/requests');
  const rest = requests.filter((r) => /\/(commits|git)\//.test(r.path));
  const queries = requests.filter((r) => r.path === '/graphql');
  return { rest: rest.length, graphql: queries.length, queries: queries.map((r) => JSON.parse(r.body)) };
}

async function profileOf(installation) {
  const [row] = await h.rows('select profile from profiles where installation_id = $1 order by generation desc limit 1', [installation]);
  return row.profile;
}

async function connected(name) {
  await h.control('DELETE', '/requests');
  const { json, text } = await h.install(`acme/${name}`);
  assert.ok(json?.installation_id, text);
  await h.untilDone(json.installation_id, ['scanner']);
  return { id: json.installation_id, profile: await profileOf(json.installation_id), ...await asked() };
}

/** A rescan that is accepted: what waits for its end. */
async function rescan(name) {
  const { json, status, text } = await h.request('POST', `/api/v1/repos/acme/${name}/rescan`);
  assert.equal(status, 202, text);
  return () => until('the new generation is scanned', async () => {
    const { scanner } = await h.runs(json.installation_id);
    return scanner.state === 'done' && Number(scanner.generation) === json.generation;
  });
}

async function rescanned(name, id) {
  await h.control('DELETE', '/requests');
  await (await rescan(name))();
  return { profile: await profileOf(id), ...await asked() };
}

test('a common repository takes three requests beyond the hook, and GitHub understands the query', async () => {
  const { profile, rest, graphql, queries } = await connected('shop');
  assert.deepEqual([rest, graphql], [2, 1]);
  assert.deepEqual(profile.read.requests, { rest, graphql });
  assert.ok(profile.read.files >= 2 && profile.read.bytes > 100 && profile.read.cached === 0);
  assert.deepEqual(profile.read.skipped, []);
  const schema = buildSchema(described.idl, { assumeValid: true });
  assert.deepEqual(validate(schema, parse(queries[0].query)), []);
  assert.deepEqual(queries[0].variables, { o: 'acme', n: 'shop' });
});

test('500 manifests take at most 12 requests; a rescan asks for what changed', async () => {
  const files = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [
    `packages/p${i}/package.json`, JSON.stringify({ name: `p${i}`, dependencies: { [`dep-${i}`]: '^1.0.0' }, description: 'x'.repeat(500) })]));
  await makeRepository(`${h.dir}/many`, files);
  await serve('many', `${h.dir}/many`);
  const { id, profile, rest, graphql } = await connected('many');
  assert.ok(rest + graphql <= 12, `${rest} + ${graphql}`);
  assert.equal(profile.read.files, 500);
  assert.deepEqual(profile.read.requests, { rest, graphql });
  assert.equal(profile.dependencies.length, 500);
  assert.deepEqual(profile.dependencies[0], { ecosystem: 'npm', name: 'dep-0', requirement: '^1.0.0', kind: 'runtime', manifest: 'packages/p0/package.json', purl: 'pkg:npm/dep-0' });

  await makeRepository(`${h.dir}/many`, { 'packages/p7/package.json': '{"name":"p7","dependencies":{"new-one":"2"}}' });
  const again = await rescanned('many', id);
  assert.deepEqual([again.rest, again.graphql], [2, 1]);
  assert.equal(again.queries[0].query.match(/object\(/g).length, 1);
  assert.equal(again.profile.read.cached, 499);
  assert.ok(again.profile.dependencies.some((d) => d.name === 'new-one'));
  assert.equal(again.profile.dependencies.length, 500);

  const same = await rescanned('many', id);
  assert.deepEqual([same.rest, same.graphql], [1, 0]);
  assert.equal(same.profile.read.cached, 500);
});

test('a limit on queries: the run says until when, REST is not held up, and the scan resumes with what it has', async (t) => {
  const files = Object.fromEntries(Array.from({ length: 450 }, (_, i) => [`p${i}/go.mod`, `module example.com/p${i}\n\nrequire example.com/d${i} v1.0.0\n`]));
  await makeRepository(`${h.dir}/limited`, files);
  await serve('limited', `${h.dir}/limited`);
  await h.fault({ path: '/graphql', kind: 'rate-limit', seconds: 6, skip: 4, count: 1 });
  await h.control('DELETE', '/requests');
  const told = await listen(t, h.natsUrl);
  const { json } = await h.install('acme/limited');
  const waits = await until('it waits', () => told.find((run) => run.installation_id === json.installation_id && run.state === 'retrying'));
  const limit = /rate limit is reached: try again after (\S+Z)/.exec(waits.error)?.[1];
  assert.ok(Date.parse(limit) > waits.at_ms - 1000 && Date.parse(limit) < waits.at_ms + 10_000, `${waits.error}, at ${waits.at_ms}`);
  const noted = /waiting for GitHub's limit until (\S+Z)/.exec(waits.note)?.[1];
  assert.ok(Math.abs(Date.parse(noted) - Date.parse(limit)) <= 2_000, waits.note);
  // Somebody's REST request goes through meanwhile.
  const untilRescanned = await rescan('shop');
  const runs = await h.untilDone(json.installation_id, ['scanner']);
  assert.equal(runs.scanner.attempt, 2);
  await untilRescanned(); // or its requests would be counted with those of the next test
  const profile = await profileOf(json.installation_id);
  assert.equal(profile.read.files, 450);
  assert.ok(profile.read.cached >= 400, `${profile.read.cached} were in the cache`);
  assert.equal(profile.dependencies.length, 450);
});

test('where GitHub answers no queries, files come one by one', async () => {
  await makeRepository(`${h.dir}/enterprise`, { 'go.mod': 'module example.com/e\n', 'package.json': '{"name":"e","dependencies":{"express":"4"}}' });
  await serve('enterprise', `${h.dir}/enterprise`);
  await h.fault({ path: '/graphql', kind: 'status', status: 404, count: 0 });
  const { profile, rest, graphql } = await connected('enterprise');
  await h.control('DELETE', '/faults');
  assert.deepEqual([rest, graphql], [4, 1]);
  assert.ok(profile.dependencies.some((d) => d.name === 'express'));
});

test('contents go with the last connection', async () => {
  const count = async () => Number((await h.rows('select count(*) from blobs b join installations i using (repo_id) where i.repo_full_name = $1', ['acme/enterprise']))[0].count);
  assert.equal(await count(), 2);
  assert.equal((await h.request('DELETE', '/api/v1/repos/acme/enterprise/install')).status, 200);
  await until('they are gone', async () => await count() === 0);
});

test('100,000 files, 2,000 manifests and everything that is wrong with files: all that can be read is', async () => {
  const source = 'int x;\n'.repeat(40);
  const files = [];
  for (let i = 0; i < 98_000; i++) files.push([`src/d${i % 500}/f${i}.c`, source]);
  for (let i = 0; i < 2_000; i++) files.push([`packages/p${String(i).padStart(4, '0')}/package.json`, `{"name":"p${i}","dependencies":{"dep-${i % 3000}":"^${i}.0.0"}}`]);
  files.push(['package.json', '{"name":"root","dependencies":{"express":"4"}}']);
  files.push(['a/package.json', '{"name":\n\n oops}']); // line 3
  files.push(['b/package.json', `{"x":"${'y'.repeat(50_000_000)}"}`]); // a line of 50 MB
  files.push(['c/package.json', `{"dependencies":{"long-line":"1"},"x":"${'y'.repeat(900_000)}"}`]);
  files.push(['d\n\t"/package.json', '{"dependencies":{"in-odd-folder":"1"}}']);
  files.push(['e/package.json', Buffer.from('7b22646570656e64656e63696573223a7b22e9223a2231227d7d', 'hex')]); // é in Latin-1
  files.push(['f/package.json', '{"dependencies":{"with\u0000zero":"1"}}']);
  files.push(['g/package.json', '{"dependencies":{"windows":"1"}}\r\n']);
  await importRepository(`${h.dir}/huge`, files);
  await serve('huge', `${h.dir}/huge`);
  const { profile, rest, graphql } = await connected('huge');
  const memory = Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${h.get('scanner').child.pid}/status`, 'utf8'))[1]) / 1024;
  console.log(`# 100,000 files: ${memory.toFixed(0)} MB at most, ${rest} REST requests and ${graphql} queries, ${h.get('scanner').lines.findLast((l) => /scanned repo=acme\/huge/.test(l))}`);
  assert.equal(profile.files, 100_008);
  assert.equal(profile.complete, true);
  assert.deepEqual([profile.manifests.length, profile.manifests_left_out], [2_008, 0]);
  const names = new Set(profile.dependencies.map((d) => d.name));
  for (const name of ['express', 'long-line', 'in-odd-folder', 'windows', 'dep-0', 'dep-1999']) assert.ok(names.has(name), name);
  const { skips, skipped } = profile.read;
  assert.equal(skips.size, 1);
  assert.ok(skips.limit === 0 && skips.parse >= 2, JSON.stringify(skips));
  const why = (path) => skipped.find((s) => s.path === path);
  assert.equal(why('b/package.json').why, 'size');
  assert.deepEqual([why('a/package.json').why, why('a/package.json').line], ['parse', 3]);
  assert.equal(why('e/package.json').why, 'parse');
  // A sanitizer's own memory is not the program's.
  if (!/asan/.test(process.env.RB_BIN ?? '')) assert.ok(memory < 256, `${memory} MB`);
});
