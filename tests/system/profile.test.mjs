// The profile of a repository with several packages, from GitHub to the schema, to CycloneDX and to the terminal.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { profileErrors } from './description.mjs';
import { House, house } from './harness.mjs';

const mit = fs.readFileSync(path.join(house, 'tests/system/data/MIT.txt'), 'utf8');
const files = {
  'package.json': JSON.stringify({ name: 'farm', private: true, license: 'MIT', packageManager: 'pnpm@9.1.0', workspaces: ['packages/*'], scripts: { build: 'turbo build', test: 'turbo test' } }),
  'pnpm-lock.yaml': 'lockfileVersion: "9.0"\n',
  'dev-requirements.txt': 'tomli; python_version < "3.11"\n', // held to the description, which knows markers
  'packages/web/package.json': JSON.stringify({ name: '@farm/web', version: '1.2.3', license: 'MIT', dependencies: { react: '^18.0.0' }, devDependencies: { vitest: '^1.0.0' }, scripts: { dev: 'vite', test: 'vitest' } }),
  'packages/web/src/main.tsx': 'export const App = () => null;\n'.repeat(20),
  'packages/web/src/main.test.tsx': 'test("x", () => {});\n',
  'api/go.mod': 'module example.com/farm/api\n\ngo 1.22\n\nrequire github.com/gin-gonic/gin v1.9.1\n',
  'api/main.go': 'package main\n\nfunc main() {}\n'.repeat(10),
  'api/main_test.go': 'package main\n',
  'api/Dockerfile': 'ARG PORT=9000\nFROM golang:1.22 AS build\nRUN go build \\\n  -o /api .\nFROM alpine:3.20\nCOPY --from=build /api /api\nEXPOSE ${PORT} 9001/udp\nENTRYPOINT ["/api", "--listen", ":9000"]\n',
  'compose.yaml': 'services:\n  api:\n    build: ./api\n    ports: ["127.0.0.1:8080:9000"]\n    depends_on: [db]\n    command: ["--token", "hunter2", "--db=$DB"]\n  db:\n    image: postgres:${PG:-16}\n    ports:\n      - target: 5432\n        published: "5433"\n',
  Makefile: '.PHONY: build lint\nbuild: api\n\tgo build\nlint:\n\tgolangci-lint run\nobj.o: obj.c\n\tcc -c obj.c\nVERSION := 1\n',
  LICENSE: mit,
  '.github/CODEOWNERS': '# who\n*  @farm/all\n/api/ @gopher nobody ops@example.com # and more\n\n/docs/\n',
  CODEOWNERS: '* @somebody-else\n',
  '.github/workflows/ci.yml': 'name: CI\non:\n  push:\n  pull_request:\njobs:\n  test:\n    name: Test\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n',
  '.github/workflows/broken.yml': 'name: Broken\non: push\njobs: [\n',
  'README.md': '# Farm\n',
};

let h, profile, at;
before(async () => {
  h = await House.start({ files });
  const { json } = await h.install();
  await h.untilDone(json.installation_id);
  at = '/api/v1/repos/acme/shop';
  profile = (await h.request('GET', `${at}/profile`)).json.profile;
});
after(() => h?.stop());

const workspace = (where) => profile.workspaces.find((one) => one.path === where);
const commandsOf = (where) => Object.fromEntries([...workspace(where).commands].reverse().map((one) => [one.kind, one.command]));

test('it is valid by its schema, with everything it can have', () => {
  assert.equal(profileErrors(profile), '');
  assert.equal(profile.version, 2);
  for (const list of ['workspaces', 'tasks', 'services', 'workflows', 'dependencies']) assert.ok(profile[list].length > 0, list);
});

test('workspaces: each with its own name, language, frameworks and commands', () => {
  assert.deepEqual(profile.workspaces.map((one) => [one.path, one.name, one.ecosystem, one.language]), [
    ['', 'farm', 'npm', 'TypeScript'], ['api', 'example.com/farm/api', 'go', 'Go'], ['packages/web', '@farm/web', 'npm', 'TypeScript'],
  ]);
  assert.deepEqual(workspace('packages/web').frameworks, ['React', 'Vitest']);
  assert.deepEqual(workspace('api').frameworks, ['Gin']);
  assert.equal(workspace('packages/web').packages[0].license, 'MIT');
  assert.equal(workspace('packages/web').files, 3);
  assert.equal(workspace('api').test_files, 1);
  assert.equal(workspace('').files + workspace('api').files + workspace('packages/web').files, profile.files);
  assert.deepEqual(commandsOf('api'), { build: 'go build ./...', test: 'go test ./...', start: 'go run .' });
  assert.equal(commandsOf('').install, 'pnpm install');
  assert.equal(commandsOf('').lint, 'make lint');
  assert.equal(commandsOf('').start, 'docker compose up');
  assert.deepEqual(profile.structure.monorepo, true);
});

test('what is run and served: tasks, services with their ports, workflows', () => {
  assert.deepEqual(profile.tasks.map(({ runner, name, line }) => [runner, name, line]), [['make', 'build', 2], ['make', 'lint', 4]]);
  const services = Object.fromEntries(profile.services.map((one) => [`${one.kind} ${one.name}`, one]));
  assert.deepEqual(Object.keys(services).sort(), ['compose api', 'compose db', 'image api']);
  assert.deepEqual(services['compose api'].ports, [{ port: 9000, protocol: 'tcp', published: 8080 }]);
  assert.deepEqual(services['compose api'].build, { context: './api' });
  assert.deepEqual(services['compose api'].depends_on, ['db']);
  assert.equal(services['compose api'].command, '--token *** --db=$DB');
  assert.deepEqual(services['compose db'].ports, [{ port: 5432, protocol: 'tcp', published: 5433 }]);
  assert.equal(services['compose db'].image, 'postgres:16');
  assert.deepEqual(services['image api'].ports, [{ port: 9000, protocol: 'tcp' }, { port: 9001, protocol: 'udp' }]);
  assert.equal(services['image api'].base, 'alpine:3.20');
  assert.equal(services['image api'].entrypoint, '/api --listen :9000');
  assert.deepEqual(profile.workflows, [{ file: '.github/workflows/ci.yml', name: 'CI', triggers: ['push', 'pull_request'], jobs: [{ id: 'test', name: 'Test' }] }]);
  assert.doesNotMatch(JSON.stringify(profile), /hunter2/);
});

test('licence, owners, tests, and what was not read', () => {
  assert.deepEqual(profile.license, {
    spdx: 'MIT', sources: [{ file: 'LICENSE', by: 'text', spdx: 'MIT' }, { file: 'package.json', by: 'manifest', declared: 'MIT', spdx: 'MIT' }],
  });
  assert.deepEqual(profile.owners, {
    file: '.github/CODEOWNERS', truncated: false, errors: [{ line: 3, text: '"nobody" is no owner' }],
    rules: [{ pattern: '*', owners: ['@farm/all'], line: 2 }, { pattern: '/api/', owners: ['@gopher', 'ops@example.com'], line: 3 }, { pattern: '/docs/', owners: [], line: 5 }],
  });
  assert.deepEqual(profile.testing.tools.map(({ name }) => name).sort(), ['Vitest', 'go test']);
  assert.equal(profile.testing.beside_code, 2);
  const broken = profile.read.skipped.find((one) => one.path === '.github/workflows/broken.yml');
  assert.equal(broken.why, 'parse');
  assert.equal(broken.line, 4);
  assert.equal(profile.read.skips.parse, 1);
  assert.deepEqual(profile.readme, { path: 'README.md', bytes: 7 });
});

// ---- CycloneDX ----

const require = createRequire(import.meta.url);
const schemas = path.join(path.dirname(require.resolve('@cyclonedx/cyclonedx-library/package.json')), 'res/schema');
const schema = (name) => JSON.parse(fs.readFileSync(path.join(schemas, `${name}.SNAPSHOT.schema.json`), 'utf8'));
/** The official schema says "iri-reference" and "idn-email", which ajv-formats does not know. */
function cyclonedxErrors(document) {
  const ajv = addFormats.default(new Ajv({ strict: false, allErrors: true }));
  ajv.addFormat('iri-reference', /^[^\s<>"{}|\\^`]*$/).addFormat('idn-email', /^[^\s@]+@[^\s@]+$/);
  for (const name of ['spdx', 'jsf-0.82', 'cryptography-defs']) ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  const validate = ajv.compile(schema('bom-1.6'));
  return validate(document) ? '' : ajv.errorsText(validate.errors, { separator: '\n' });
}

test('CycloneDX: valid, with its own media type and ETag', async () => {
  const answer = await h.request('GET', `${at}/profile?format=cyclonedx`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/vnd.cyclonedx+json; version=1.6');
  const document = JSON.parse(answer.text);
  assert.equal(cyclonedxErrors(document), '');
  assert.notEqual(cyclonedxErrors({ ...document, specVersion: 1.6 }), '');
  assert.equal(document.metadata.component.name, 'acme/shop');
  assert.equal(document.metadata.component.version, profile.commit);
  assert.deepEqual(document.metadata.component.licenses, [{ expression: 'MIT' }]);
  assert.equal(document.metadata.tools.components[0].name, 'repobus-scanner');
  const direct = profile.dependencies.filter((one) => one.purl && !one.indirect && !one.local && !one.offered).map(({ purl }) => purl);
  assert.deepEqual(document.dependencies[0].dependsOn, [...new Set(direct)].sort());
  const etag = answer.headers.get('etag');
  assert.notEqual(etag, (await h.request('GET', `${at}/profile`)).headers.get('etag'));
  const again = await h.request('GET', `${at}/profile?format=cyclonedx`, { headers: { 'if-none-match': etag } });
  assert.deepEqual([again.status, again.text], [304, '']);
  const unknown = await h.request('GET', `${at}/profile?format=spdx`);
  assert.deepEqual([unknown.status, unknown.text], [422, '{"detail":"format is json or cyclonedx"}']);
});

test('CycloneDX: one component a package and version, whoever asks for it', async () => {
  const dependency = (more) => ({ ecosystem: 'npm', name: 'a', requirement: '^1', version: '1.0.1', purl: 'pkg:npm/a@1.0.1', kind: 'dev', manifest: 'package.json', ...more });
  const dependencies = [
    dependency({}), dependency({ kind: 'runtime', manifest: 'web/package.json' }),
    dependency({ name: '@s/b', purl: 'pkg:npm/%40s/b@2', version: '2' }),
    dependency({ name: 'c', purl: 'pkg:npm/c@3', version: '3', indirect: true, kind: 'optional', manifest: 'package-lock.json' }),
    dependency({ ecosystem: 'maven', name: 'org.x:y', version: undefined, purl: 'pkg:maven/org.x/y', kind: 'runtime', manifest: 'pom.xml' }),
    dependency({ ecosystem: 'docker', name: 'postgres', purl: 'pkg:docker/postgres@16', version: '16', kind: 'runtime', manifest: 'compose.yaml' }),
    dependency({ name: 'ours', local: true, purl: 'pkg:npm/ours' }), dependency({ name: 'later', offered: true, purl: 'pkg:npm/later' }), dependency({ name: 'odd', purl: undefined }),
  ];
  const [{ json_cyclonedx: document }] = await h.rows(
    "select json_cyclonedx($1, 'Acme/Shop', $2, '2026-11-25T00:00:00Z')", [JSON.stringify({ ...profile, dependencies }), profile.commit]);
  assert.equal(cyclonedxErrors(document), '');
  const by = Object.fromEntries(document.components.map((one) => [one.purl, one]));
  assert.deepEqual(Object.keys(by), ['pkg:docker/postgres@16', 'pkg:maven/org.x/y', 'pkg:npm/%40s/b@2', 'pkg:npm/a@1.0.1', 'pkg:npm/c@3']);
  assert.deepEqual(by['pkg:npm/a@1.0.1'], {
    type: 'library', 'bom-ref': 'pkg:npm/a@1.0.1', name: 'a', version: '1.0.1', purl: 'pkg:npm/a@1.0.1', scope: 'required',
    evidence: { occurrences: [{ location: 'package.json' }, { location: 'web/package.json' }] },
  });
  assert.deepEqual([by['pkg:npm/%40s/b@2'].group, by['pkg:npm/%40s/b@2'].name, by['pkg:npm/%40s/b@2'].scope], ['@s', 'b', 'excluded']);
  assert.equal(by['pkg:npm/c@3'].scope, 'optional');
  assert.deepEqual([by['pkg:maven/org.x/y'].group, by['pkg:maven/org.x/y'].name, by['pkg:maven/org.x/y'].version], ['org.x', 'y', undefined]);
  assert.equal(by['pkg:docker/postgres@16'].type, 'container');
  const root = `pkg:github/acme/shop@${profile.commit}`;
  assert.deepEqual(document.dependencies, [{ ref: root, dependsOn: Object.keys(by).filter((purl) => purl !== 'pkg:npm/c@3') }]);
  assert.deepEqual(document.compositions, [{ assemblies: [root], aggregate: 'unknown' }]);
  assert.match(document.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8/);
  const [{ json_cyclonedx: empty }] = await h.rows(
    "select json_cyclonedx($1, 'a/b', '', '2026-11-25T00:00:00Z')", [JSON.stringify({ ...profile, dependencies: [], complete: false, license: { sources: [] } })]);
  assert.equal(cyclonedxErrors(empty), '');
  assert.deepEqual([empty.components, empty.compositions[0].aggregate, empty.metadata.component.licenses], [[], 'incomplete', undefined]);
});

test('in the terminal', async () => {
  const run = async (...args) => {
    const { code, stdout, stderr } = await h.cli(['profile', 'acme/shop', ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const text = await run();
  assert.match(text, /^acme\/shop {2}[0-9a-f]{12} {2}MIT$/m);
  assert.match(text, /^ {2}#+\.+ +[0-9.]+% {2}TypeScript$/m);
  assert.match(text, /React/);
  assert.match(text, /^ {2}packages\/web {2}@farm\/web {2}TypeScript$/m);
  assert.match(text, /^ {4}test {5}go test \.\/\.\.\.$/m);
  assert.match(text, /^ {2}db {2}port 5432 {2}compose\.yaml$/m);
  assert.equal(JSON.parse(await run('--json')).profile.commit, profile.commit);
  assert.equal(JSON.parse(await run('--cyclonedx')).bomFormat, 'CycloneDX');
});
