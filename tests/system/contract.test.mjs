// The contract as a document: edge/web/openapi.json is valid, complete, and what is served. That answers are as it says
// is checked in every other test (description.mjs).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { checkAnswer, description, operations, profileErrors, profileSchema, responsesOf, schemaErrors } from './description.mjs';
import { House, house } from './harness.mjs';

let h;
before(async () => {
  h = await House.start({ programs: ['edge', 'scanner', 'grapher'], env: { GITHUB_CLIENT_ID: 'app-id', GITHUB_CLIENT_SECRET: 'app-secret', LOG_LEVEL: 'info' } });
});
after(() => h?.stop());

test('the description is valid OpenAPI 3.1', async () => {
  const result = await new Validator().validate(structuredClone(description));
  assert.deepEqual(result.errors ?? [], []);
  assert.equal(result.valid, true);
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  const tags = description.tags.map(({ name }) => name);
  for (const { operation } of operations) assert.ok(operation.summary && operation.tags.length === 1 && tags.includes(operation.tags[0]), operation.operationId);
});

test('the schema of a profile is a valid JSON Schema, and the example of a profile is one by it', () => {
  const ajv = new Ajv2020({ strict: true, strictRequired: false });
  assert.equal(ajv.validateSchema(profileSchema), true, ajv.errorsText());
  const { example } = description.paths['/api/v1/repos/{owner}/{repo}/profile'].get.responses[200].content['application/json'];
  assert.equal(profileErrors(example.profile), '');
  for (const wrong of [{ version: 1 }, { commit: 'main' }, { unknown: 1 }, { workspaces: [] }]) assert.notEqual(profileErrors({ ...example.profile, ...wrong }), '', JSON.stringify(wrong));
  const named = description.components.schemas.Profile;
  assert.deepEqual(Object.keys(named.properties).sort(), Object.keys(profileSchema.properties).sort());
  assert.deepEqual(named.required, profileSchema.required);
});

test('it describes every route of edge/routes.c, and no other', () => {
  const table = fs.readFileSync(path.join(house, 'edge/routes.c'), 'utf8');
  const rows = [...table.matchAll(/^ *\{"([A-Z]+)",\s*"([^"]+)",\s*edge_\w+,\s*"[^"]+",\s*([A-Z_| 0-9]+)/gm)];
  assert.ok(rows.length > 10);
  const has = rows.map(([, method, pattern, flags]) => `${method} ${pattern}${flags.includes('EDGE_PUBLIC') ? ' (public)' : ''}`).sort();
  const described = operations.map(({ method, template, operation }) => `${method.toUpperCase()} ${template}${operation.security?.length === 0 ? ' (public)' : ''}`).sort();
  assert.deepEqual(described, has);
});

test('its examples are what it says, and every JSON answer has one', () => {
  for (const operation of operations) {
    for (const { status, at, pointer } of responsesOf(operation)) {
      for (const [type, media] of Object.entries(at.content ?? {})) {
        const examples = media.examples ? Object.values(media.examples).map(({ value }) => value) : 'example' in media ? [media.example] : [];
        const what = `${operation.operation.operationId} ${status}`;
        if (type === 'application/json' && operation.template !== '/openapi.json') assert.ok(examples.length, `${what} has no example`);
        if (type === 'application/json') for (const example of examples) assert.equal(schemaErrors(`${pointer}/content/${type.replace('/', '~1')}/schema`, example), '', what);
      }
    }
  }
});

test('an answer that is not described is noticed', () => {
  const json = (more = {}) => new Headers({ 'content-type': 'application/json', ...more });
  const good = [
    ['GET', '/healthz', 200, json(), '{"status":"ok"}'],
    ['POST', '/api/v1/repos/a/b/install', 400, json(), '{"detail":"Repo already connected"}'],
    ['GET', '/nowhere', 404, json(), '{"detail":"There is no such route"}'],
    ['PUT', '/healthz', 405, json({ allow: 'GET, HEAD' }), '{"detail":"This route allows GET, HEAD only"}'],
    ['OPTIONS', '/api/v1/repos/a/b/install', 204, new Headers({ allow: 'POST, DELETE' }), ''],
    ['HEAD', '/healthz', 200, json(), ''],
    ['POST', '/auth/logout', 204, new Headers(), ''],
  ];
  for (const answer of good) checkAnswer(...answer);
  const bad = {
    'a status': ['GET', '/healthz', 500, json(), '{"detail":"x"}'],
    'a field': ['GET', '/healthz', 200, json(), '{"status":"ok","more":1}'],
    'a missing field': ['GET', '/readyz', 200, json(), '{"ready":true,"nats":"ok"}'],
    'another type': ['POST', '/api/v1/repos/a/b/install', 200, json(), '{"status":"connected","installation_id":"42","repo":"a/b"}'],
    'other words': ['POST', '/api/v1/repos/a/b/install', 400, json(), '{"detail":"It is connected"}'],
    'another content type': ['GET', '/healthz', 200, new Headers({ 'content-type': 'text/html' }), '{"status":"ok"}'],
    'no content type': ['GET', '/healthz', 200, new Headers(), '{"status":"ok"}'],
    'a body where none is': ['POST', '/auth/logout', 204, new Headers(), 'x'],
    'no JSON': ['GET', '/healthz', 200, json(), 'ok'],
    'a wrong Allow': ['PUT', '/healthz', 405, json({ allow: 'GET' }), '{"detail":"x"}'],
    'a method that is there': ['GET', '/healthz', 405, json({ allow: 'GET, HEAD' }), '{"detail":"x"}'],
    'OPTIONS with a wrong Allow': ['OPTIONS', '/api/v1/repos/a/b/install', 204, new Headers({ allow: 'POST' }), ''],
    'an unknown route': ['GET', '/nowhere', 200, json(), '{}'],
    'no ETag': ['GET', '/openapi.json', 200, json({ 'cache-control': 'public' }), JSON.stringify(description)],
  };
  for (const [what, answer] of Object.entries(bad)) assert.throws(() => checkAnswer(...answer), /as edge\/web\/openapi\.json has it/, what);
});

test('it is served as it lies in the repository, public and cacheable, and so is its page', async () => {
  const types = { 'openapi.json': 'application/json', 'profile.schema.json': 'application/schema+json', docs: 'text/html; charset=utf-8', 'docs.js': 'text/javascript; charset=utf-8', 'docs.css': 'text/css; charset=utf-8' };
  for (const [name, type] of Object.entries(types)) {
    const { status, text, headers } = await h.request('GET', `/${name}`, { token: null });
    assert.equal(status, 200, name);
    assert.equal(text, fs.readFileSync(path.join(house, 'edge/web', name === 'docs' ? 'docs.html' : name), 'utf8'), name);
    assert.equal(headers.get('content-type'), type);
    assert.match(headers.get('cache-control'), /^public, max-age=\d+$/);
    const etag = headers.get('etag');
    assert.match(etag, /^"[0-9a-f]{24}"$/);
    for (const known of [etag, `"other", W/${etag}`, '*']) {
      const again = await h.request('GET', `/${name}`, { token: null, headers: { 'if-none-match': known } });
      assert.deepEqual([again.status, again.text, again.headers.get('etag')], [304, '', etag], known);
    }
    assert.equal((await h.request('GET', `/${name}`, { token: null, headers: { 'if-none-match': '"other"' } })).status, 200);
  }
});

// ---- Schemathesis ----

const seed = process.env.SEED ?? '1';

/** Has all of Schemathesis' checks made on the running edge, so many made-up requests a route; fails with its report when it finds anything. */
async function schemathesis(token, examples, args) {
  const [{ id, secret }] = (await h.hooks()).filter(({ repo }) => repo === 'acme/hooked');
  const child = spawn(path.join(house, 'tests/venv'), { stdio: ['ignore', 'pipe', 'inherit'] });
  const [venv] = await once(child.stdout.setEncoding('utf8'), 'data');
  const program = spawn(path.join(venv.trim(), 'bin/st'), [
    '--config-file', path.join(house, 'tests/system/schemathesis.toml'), 'run', `${h.url}/openapi.json`, '--checks', 'all', '--seed', seed,
    '--max-examples', String(examples), '--generation-database', 'none', '--no-color', '-H', `Authorization: Bearer ${token}`, ...args,
  ], {
    cwd: h.dir, stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOOK_ID: String(id), HOOK_SECRET: secret, SCHEMATHESIS_HOOKS: 'schemathesis_hooks', PYTHONPATH: path.join(house, 'tests/system'), PYTHONDONTWRITEBYTECODE: '1' },
  });
  let report = '';
  for (const stream of [program.stdout, program.stderr]) stream.setEncoding('utf8').on('data', (text) => { report += text; });
  const [code] = await once(program, 'close');
  assert.equal(code, 0, report);
  const [, cases] = /^ *(\d+) generated, \1 passed/m.exec(report) ?? [];
  return { cases: Number(cases), report };
}

test('Schemathesis finds nothing', async () => {
  await h.control('POST', '/limits', { rate_remaining: 1_000_000 });
  await h.control('POST', '/repos', { owner: 'acme', name: 'hooked', path: h.repository });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'hooked', login: 'alice', permission: 'admin' });
  const { json } = await h.install('acme/hooked');
  await h.untilDone(json.installation_id, ['scanner']);
  const all = await schemathesis(h.alice, 50, ['--exclude-operation-id', 'logOut']);
  assert.ok(all.cases > 500, all.report);
  // By itself, since its token is good for nothing afterwards.
  const logout = await schemathesis(await h.token('alice'), 50, ['--include-operation-id', 'logOut']);
  assert.ok(logout.cases > 10, logout.report);
  assert.ok(h.get('edge').isRunning);
});
