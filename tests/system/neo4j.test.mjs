// The graph in a real Neo4j, read back with the official driver. Skipped, with the reason, where the server cannot
// be had; CI treats that as a failure.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import neo4j from 'neo4j-driver';
import { House, house, makeRepository, patience, until } from './harness.mjs';

let h;
let unavailable;
let settings;
before(async () => {
  unavailable = await House.neo4jMissing();
  if (unavailable) return;
  h = await House.start({ programs: ['edge', 'scanner'] });
  settings = await h.startNeo4j();
  await h.launch('grapher');
});
after(() => h?.stop());

async function query(cypher, parameters = {}) {
  // The driver speaks bolt; its address stands beside the HTTP one.
  const driver = neo4j.driver(settings.NEO4J_BOLT_URI, neo4j.auth.basic(settings.NEO4J_USERNAME, settings.NEO4J_PASSWORD), { disableLosslessIntegers: true });
  try {
    return (await driver.executeQuery(cypher, parameters)).records.map((record) => record.toObject());
  } finally {
    await driver.close();
  }
}

test('the graph of a repository', async (t) => {
  if (unavailable) return t.skip(unavailable);
  const { json } = await h.install();
  await h.untilDone(json.installation_id);
  const files = await query("match (r:Repository {full_name: 'acme/shop'})-[:CONTAINS]->(f:File) return f.path as path, f.language as language, f.size as size order by path");
  assert.equal(files.length, 7);
  assert.equal(files.find((f) => f.path === 'src/index.js').language, 'JavaScript');
  assert.equal(files.find((f) => f.path === 'README.md').size, 7);
  const judged = await query("match (:Repository {full_name: 'acme/shop'})-[:CONTAINS]->(f:File) where f.is_test return f.path as path, f.name as name, f.is_generated as generated, f.is_vendored as vendored");
  assert.deepEqual(judged, [{ path: 'test/cart.test.js', name: 'cart.test.js', generated: false, vendored: false }]);
  const [repository] = await query("match (r:Repository {full_name: 'acme/shop'}) return r.commit as commit, r.scanned_at as at");
  assert.equal(repository.commit, h.commit);
  assert.ok(repository.at);
  const [{ n }] = await query("match (:Directory {path: 'src'})-[:CONTAINS]->(f:File) return count(f) as n");
  assert.equal(n, 2);
});

test('docs/graph.md: its examples can be asked, and there is no property that it does not name', async (t) => {
  if (unavailable) return t.skip(unavailable);
  const text = fs.readFileSync(path.join(house, 'docs/graph.md'), 'utf8');
  const examples = (kind) => [...text.matchAll(/```(\w+)\n([^]*?)```/g)].filter((one) => one[1] === kind).map((one) => one[2]);
  const [languages, ...others] = examples('cypher');
  assert.deepEqual((await query(languages)).map(({ language }) => language).includes('JavaScript'), true);
  for (const one of others) await query(one);
  assert.ok(examples('sql').length > 0);
  for (const one of examples('sql')) await h.rows(one);
  const named = (label) => new Set([...(new RegExp(`^\\| \`${label}\` \\| (.*)$`, 'm').exec(text)?.[1] ?? '').matchAll(/`(\w+)`/g)].map((one) => one[1]));
  const writers = new Set(['writer', 'finished', 'building', 'written']);
  let seen = 0;
  for (const { labels, property } of await query('call db.schema.nodeTypeProperties() yield nodeLabels, propertyName return nodeLabels as labels, propertyName as property')) {
    if (!property || labels.includes('Lane')) continue;
    const label = labels.find((one) => one !== 'Graph') ?? 'Repository';
    assert.ok(named(label).has(property) || (label === 'Repository' && writers.has(property)), `${label}.${property}`);
    seen++;
  }
  assert.ok(seen > 15, `${seen} properties`);
});

test('kill -9 of the grapher half way: the same end', async (t) => {
  if (unavailable) return t.skip(unavailable);
  const files = {};
  for (let i = 0; i < 3000; i++) files[`src/d${i % 50}/f${i}.py`] = `${i}\n`;
  await makeRepository(`${h.dir}/large`, files);
  await h.control('POST', '/repos', { owner: 'acme', name: 'large', path: `${h.dir}/large` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'large', login: 'alice', permission: 'admin' });
  const { json } = await h.install('acme/large');
  await until('it writes', async () => (await h.runs(json.installation_id)).grapher);
  await h.get('grapher').kill();
  await h.launch('grapher');
  await h.untilDone(json.installation_id);
  const [{ n }] = await query("match (:Repository {full_name: 'acme/large'})-[:CONTAINS]->(f:File) return count(distinct f.path) as n");
  assert.equal(n, 3000);
});

test('Neo4j away: the grapher waits, says so, and goes on when it is back', async (t) => {
  if (unavailable) return t.skip(unavailable);
  await h.server('neo4j', 'stop');
  await makeRepository(`${h.dir}/later`, { 'a.go': 'package a\n' });
  await h.control('POST', '/repos', { owner: 'acme', name: 'later', path: `${h.dir}/later` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'later', login: 'alice', permission: 'admin' });
  const { json } = await h.install('acme/later');
  await until('it says what it waits for', async () => /waiting: Neo4j at http/.test((await h.runs(json.installation_id)).grapher?.note));
  const ready = () => fetch(`${h.get('grapher').url}/readyz`, { signal: AbortSignal.timeout(patience) });
  const away = await ready();
  assert.equal(away.status, 503);
  assert.match(await away.text(), /Neo4j at http/);
  await h.server('neo4j', 'start');
  const { grapher } = await h.untilDone(json.installation_id);
  assert.equal(grapher.attempt, 1, 'no delivery attempt is spent on waiting');
  await until('it is ready again', async () => (await ready()).status === 200);
});
