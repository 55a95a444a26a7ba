// compose.yaml as far as it can be held to something without an engine: the Compose specification's JSON schema, the
// variables it asks for, the programs it starts.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import * as yaml from 'js-yaml';
import { bin, house } from './harness.mjs';

const text = fs.readFileSync(path.join(house, 'compose.yaml'), 'utf8');
// As Compose reads it: YAML 1.2 with the merge key of 1.1.
const compose = yaml.load(text, { schema: yaml.CORE_SCHEMA.withTags(yaml.mergeTag) });

test('compose.yaml follows the Compose specification', () => {
  // The specification's schema as dclint carries it.
  const schema = JSON.parse(fs.readFileSync(path.join(house, 'tests/node_modules/dclint/schemas/compose.schema.json'), 'utf8'));
  delete schema.$schema;
  const ajv = addFormats(new Ajv({ strict: false, allErrors: true, validateFormats: true }));
  ajv.addFormat('duration', true);
  ajv.addFormat('ports', true);
  ajv.addFormat('expose', true);
  const validate = ajv.compile(schema);
  assert.ok(validate(compose), JSON.stringify(validate.errors, null, 2));
  assert.ok(!validate({ ...compose, services: { ...compose.services, edge: { imagee: 'x' } } }), 'the schema refuses what it should');
});

test('.env.example names every variable, and none has a secret for a default', () => {
  const example = fs.readFileSync(path.join(house, '.env.example'), 'utf8');
  const used = new Set([...text.matchAll(/\$\{([A-Z0-9_]+)/g)].map((match) => match[1]));
  for (const name of used) assert.match(example, new RegExp(`^${name}=`, 'm'), `${name} is missing in .env.example`);
  for (const name of ['SECRET_KEY', 'POSTGRES_PASSWORD', 'NEO4J_PASSWORD']) {
    assert.match(example, new RegExp(`^${name}=$`, 'm'));
    assert.ok(text.includes(`\${${name}:?`), `${name} is required`);
  }
});

test('services wait for what they need, and are watched', () => {
  const { services } = compose;
  for (const name of ['postgres', 'nats', 'neo4j', 'edge', 'scanner', 'grapher']) assert.ok(services[name].healthcheck, name);
  for (const name of ['edge', 'scanner', 'grapher']) assert.equal(services[name].depends_on.migrations.condition, 'service_completed_successfully');
  assert.equal(services.migrations.depends_on.postgres.condition, 'service_healthy');
  assert.deepEqual(services.github.profiles, ['demo']);
  const makefile = fs.readFileSync(path.join(house, 'Makefile'), 'utf8');
  for (const name of ['edge', 'scanner', 'grapher']) {
    assert.equal(services[name].command[0], `repobus-${name}`);
    assert.ok(makefile.includes(name));
  }
});

test('the image has every folder the build reads and every library the programs need', () => {
  const dockerfile = fs.readFileSync(path.join(house, 'deploy/Dockerfile'), 'utf8');
  const makefile = fs.readFileSync(path.join(house, 'Makefile'), 'utf8');
  const folders = [...new Set([.../^ROOMS\s*:= (.*)$/m.exec(makefile)[1].split(' '), ...[...makefile.matchAll(/call binary_rules,[^,]+,([^,]+),/g)].map(([, folder]) => folder)])];
  assert.ok(folders.length > 10);
  const copied = [...dockerfile.matchAll(/^COPY (\S+) \1$/gm)].map(([, folder]) => folder);
  for (const folder of folders) assert.ok(copied.some((each) => folder === each || folder.startsWith(`${each}/`)), `COPY of ${folder}`);

  const output = (...args) => execFileSync(args[0], args.slice(1), { encoding: 'utf8' });
  const programs = fs.readdirSync(bin).filter((name) => !fs.existsSync(path.join(house, 'examples', name))).map((name) => path.join(bin, name));
  const needed = new Set(programs.flatMap((name) => [...output('readelf', '-d', name).matchAll(/NEEDED.*\[(.*)\]/g)].map(([, library]) => library)));
  const files = new Map(programs.flatMap((name) => [...output('ldd', name).matchAll(/^\s+(\S+) => (\S+)/gm)].map(([, library, file]) => [library, file])));
  // What every image has, and what only the sanitized build needs.
  const plain = [...needed].filter((name) => !/^(libc|libm|libgcc_s|libasan|libubsan|ld-linux.*)\.so/.test(name));
  assert.ok(plain.length >= 10);
  for (const library of plain) {
    const owner = output('dpkg', '-S', fs.realpathSync(files.get(library))).split(':')[0];
    assert.match(dockerfile, new RegExp(`[ ]${owner.replaceAll('.', '\\.').replaceAll('+', '\\+')}[ \n]`), `${owner} has ${library}`);
  }
});
