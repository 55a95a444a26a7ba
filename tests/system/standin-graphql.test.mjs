// Queries of the stand-in: GitHub's own client asks, GitHub's own schema judges what Repobus asks, and what is no query
// of that schema is refused here too.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { schema as described } from '@octokit/graphql-schema';
import { buildSchema, parse, validate } from 'graphql';
import { Standin, binary, gitText, makeAwkward } from './standin.mjs';

const schema = buildSchema(described.idl, { assumeValid: true });

let s, alice, repo;
before(async () => {
  s = await Standin.start({
    repos: (dir) => {
      repo = `${dir}/awkward`;
      makeAwkward(repo);
      return { 'acme/awkward': repo };
    },
  });
  alice = s.client('alice');
});
after(() => s?.stop());

const oid = (path) => gitText(repo, 'rev-parse', `HEAD:${path}`);
const blobs = (names) => `query($o:String!,$n:String!){repository(owner:$o,name:$n){${Object.entries(names)
  .map(([alias, sha]) => `${alias}:object(oid:"${sha}"){...f}`).join('')}}rateLimit{cost remaining resetAt}}fragment f on Blob{byteSize isBinary isTruncated text}`;
const query = async (text, variables, token = 'token-alice') => {
  const { status, text: body, headers } = await s.raw('POST', '/graphql', { token, body: JSON.stringify({ query: text, variables }) });
  return { ...JSON.parse(body), status, headers };
};

test('many blobs in one request, by the official client: text, size, binary, cut, unknown', async () => {
  const text = blobs({ b0: oid('src/main.c'), b1: oid('data.bin'), b2: oid('big.txt'), b3: '1'.repeat(40), b4: oid('ünï/ç.txt'), b5: oid('empty'), b6: oid('src') });
  assert.deepEqual(validate(schema, parse(text)), []);
  const { repository, rateLimit } = await alice.graphql(text, { o: 'acme', n: 'awkward' });
  assert.deepEqual(repository.b0, { byteSize: 29, isBinary: false, isTruncated: false, text: 'int main(void) { return 0; }\n' });
  assert.deepEqual(repository.b1, { byteSize: binary.length, isBinary: true, isTruncated: false, text: null });
  assert.equal(repository.b2.byteSize, 1_200_000);
  assert.equal(repository.b2.isTruncated, true);
  assert.equal(repository.b2.text.length, 512_000);
  assert.equal(repository.b3, null);
  assert.equal(repository.b4.text, 'ü\n');
  assert.deepEqual(repository.b5, { byteSize: 0, isBinary: false, isTruncated: false, text: '' });
  assert.deepEqual(repository.b6, {}); // no Blob: the fragment does not apply
  assert.equal(rateLimit.cost, 1);
  assert.match(rateLimit.resetAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
});

test('points are counted apart from REST, in answers and headers', async () => {
  const before = (await s.ask(alice, 'GET /rate_limit')).data.resources;
  const { headers, data } = await query('{viewer{login} rateLimit{remaining}}');
  assert.equal(data.viewer.login, 'alice');
  assert.equal(headers['x-ratelimit-resource'], 'graphql');
  assert.equal(Number(headers['x-ratelimit-remaining']), before.graphql.remaining - 1);
  assert.equal(data.rateLimit.remaining, before.graphql.remaining - 1);
  const after = (await s.ask(alice, 'GET /rate_limit')).data.resources;
  assert.deepEqual([after.core.used, after.graphql.used], [before.core.used, before.graphql.used + 1]);
});

test('no points left: 200 with an error, and REST goes on', async () => {
  await s.control('POST', '/limits', { points_remaining: 0 });
  const { status, headers, errors, data } = await query('{viewer{login}}');
  assert.equal(status, 200);
  assert.equal(data, undefined);
  assert.equal(errors[0].type, 'RATE_LIMIT');
  assert.equal(headers['x-ratelimit-remaining'], '0');
  assert.equal((await s.raw('GET', '/user')).status, 200);
  await s.control('POST', '/limits', { points_remaining: 5000 });
});

test('who may not see a repository, or names none, is told NOT_FOUND beside the data', async () => {
  await s.control('POST', '/permissions', { owner: 'acme', repo: 'awkward', login: 'bob', permission: 'none' });
  await s.control('POST', '/repos', { owner: 'acme', name: 'secret', path: repo, private: true });
  for (const [name, token] of [['none', 'token-alice'], ['secret', 'token-bob']]) {
    const { status, data, errors } = await query('query($n:String!){r:repository(owner:"acme",name:$n){name}}', { n: name }, token);
    assert.equal(status, 200);
    assert.deepEqual(data, { r: null });
    assert.deepEqual(errors.map((e) => [e.type, e.path, e.message]), [['NOT_FOUND', ['r'], `Could not resolve to a Repository with the name 'acme/${name}'.`]]);
  }
  assert.equal((await query('{viewer{login}}', {}, null)).status, 401);
  assert.equal((await query('{viewer{login}}', {}, 'nobody')).status, 401);
});

test('a renamed repository is followed', async () => {
  await s.control('POST', '/repos', { owner: 'acme', name: 'old', path: repo });
  await s.control('POST', '/permissions', { owner: 'acme', repo: 'old', login: 'alice', permission: 'admin' });
  await s.control('POST', '/repos/acme/old/rename', { owner: 'acme', name: 'new' });
  const { data } = await query('{repository(owner:"acme",name:"old"){nameWithOwner}}');
  assert.equal(data.repository.nameWithOwner, 'acme/new');
  const strict = await query('{repository(owner:"acme",name:"old",followRenames:false){nameWithOwner}}');
  assert.equal(strict.data.repository, null);
});

test('what GitHub does not understand is refused with an error and no data', async () => {
  const wrong = [
    ['{', /end of document/], ['{viewer{login}', /end of document/], ['{viewer{login}}}', /Parse error on "}"/], ['', /end of document/],
    ['{viewer}', /must have selections/], ['{viewer{login{x}}}', /Selections can't be made/], ['{nothing}', /Field 'nothing' doesn't exist on type 'Query'/],
    ['{repository(owner:"a"){name}}', /missing required arguments: name/], ['{repository(owner:"a",name:"b",x:1){name}}', /doesn't accept argument 'x'/],
    ['{repository(owner:"a",name:"b"){object(oid:"x"){...on Blob{bytes}}}}', /Field 'bytes' doesn't exist on type 'Blob'/],
    ['{repository(owner:"a",name:"b"){object(oid:"x"){...g}}}', /Fragment g was used, but not defined/], ['query{repository(owner:$o,name:"b"){name}}', /Parse error/],
    [`${'{viewer'.repeat(100)}`, /Parse error/],
  ];
  for (const [text, message] of wrong) {
    const { status, data, errors } = await query(text);
    assert.equal(status, 200, text);
    assert.equal(data, undefined, text);
    assert.match(errors[0].message, message, text);
    assert.ok(errors[0].locations[0].line >= 1, text);
  }
  assert.equal((await s.raw('POST', '/graphql', { body: '{"query":' })).status, 400);
  assert.match((await s.raw('POST', '/graphql', { body: '{}' })).text, /A query attribute must be specified/);
  assert.equal((await s.raw('GET', '/graphql')).status, 404);
});

test('a query for more than GitHub can do in its time is a 502; half an answer is a fault', async () => {
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`b${i}`, oid('big.txt')]));
  const { status, data, errors } = await query(blobs(many), { o: 'acme', n: 'awkward' });
  assert.equal(status, 502);
  assert.equal(data, null);
  assert.match(errors[0].message, /Something went wrong/);
  await s.control('POST', '/faults', { path: '/graphql', kind: 'half-answer' });
  const half = await query(blobs({ b0: oid('empty'), b1: oid('src/main.c') }), { o: 'acme', n: 'awkward' });
  assert.equal(half.data.repository.b0.text, '');
  assert.equal(half.data.repository.b1, null);
  assert.deepEqual(half.errors.map((e) => [e.type, e.path]), [['RESOURCE_LIMITS_EXCEEDED', ['repository', 'b1']]]);
});
