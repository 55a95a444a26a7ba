// compose.yaml as far as it can be held to something without an engine: the Compose specification's JSON schema, the
// variables it asks for, the programs it starts.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import * as yaml from 'js-yaml';
import { bin, house } from './harness.mjs';

const text = fs.readFileSync(path.join(house, 'compose.yaml'), 'utf8');
// As Compose reads it: YAML 1.2 with the merge key of 1.1.
const compose = yaml.load(text, { schema: yaml.CORE_SCHEMA.withTags(yaml.mergeTag) });

// What is Compose's own in it: "this instead of", not "this besides".
const clusterText = fs.readFileSync(path.join(house, 'compose.cluster.yaml'), 'utf8').replaceAll('!override ', '');
const cluster = yaml.load(clusterText, { schema: yaml.CORE_SCHEMA.withTags(yaml.mergeTag) });

test('compose.yaml and compose.cluster.yaml follow the Compose specification', () => {
  // The specification's schema as dclint carries it.
  const schema = JSON.parse(fs.readFileSync(path.join(house, 'tests/node_modules/dclint/schemas/compose.schema.json'), 'utf8'));
  delete schema.$schema;
  const ajv = addFormats(new Ajv({ strict: false, allErrors: true, validateFormats: true }));
  ajv.addFormat('duration', true);
  ajv.addFormat('ports', true);
  ajv.addFormat('expose', true);
  const validate = ajv.compile(schema);
  for (const each of [compose, cluster]) assert.ok(validate(each), JSON.stringify(validate.errors, null, 2));
  assert.ok(!validate({ ...compose, services: { ...compose.services, edge: { imagee: 'x' } } }), 'the schema refuses what it should');
});

test('.env.example names every variable, and none has a secret for a default', () => {
  const example = fs.readFileSync(path.join(house, '.env.example'), 'utf8');
  const used = new Set([...(text + clusterText).matchAll(/\$\{([A-Z0-9_]+)/g)].map((match) => match[1]));
  for (const name of used) assert.match(example, new RegExp(`^${name}=`, 'm'), `${name} is missing in .env.example`);
  for (const name of ['SECRET_KEY', 'POSTGRES_PASSWORD', 'NEO4J_PASSWORD']) {
    assert.match(example, new RegExp(`^${name}=$`, 'm'));
    assert.ok(text.includes(`\${${name}:?`), `${name} is required`);
  }
});

test('the cluster has three servers that know each other, which nats-server accepts, and programs that know them', () => {
  const servers = ['nats', 'nats-2', 'nats-3'];
  for (const name of servers) {
    const { command, volumes } = cluster.services[name];
    const args = command.map((each) => (each === '/etc/nats/nats.conf' ? path.join(house, 'deploy/nats/nats.conf') : each));
    // The installed one may be older than the image's and know no sync_interval; the rest is the same to both.
    const conf = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-conf-')), 'nats.conf');
    fs.writeFileSync(conf, fs.readFileSync(args[1], 'utf8').replace(/^ *sync_interval:.*$/m, ''));
    execFileSync('nats-server', ['-t', '-c', conf, ...args.slice(2)], { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }, stdio: 'pipe' });
    fs.rmSync(path.dirname(conf), { recursive: true });
    assert.equal(command[command.indexOf('--name') + 1], name);
    assert.equal(command[command.indexOf('--routes') + 1], servers.map((each) => `nats://${each}:6222`).join(','));
    assert.equal(volumes[0], `${name}:/data`);
  }
  for (const name of ['edge', 'edge-2', 'scanner', 'grapher']) {
    assert.equal(cluster.services[name].environment.NATS_URL, servers.map((each) => `nats://${each}:4222`).join(','));
    assert.equal(cluster.services[name].environment.NATS_REPLICAS, '3');
  }
});

test('the units of systemd start what is built, wait for it to drain, and have its settings', () => {
  const folder = path.join(house, 'deploy/systemd');
  const units = fs.readdirSync(folder);
  assert.deepEqual(units.sort(), ['repobus-edge.service', 'repobus-grapher@.service', 'repobus-scanner@.service']);
  const copies = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-units-'));
  for (const unit of units) {
    const unitText = fs.readFileSync(path.join(folder, unit), 'utf8');
    const program = /^ExecStart=\/usr\/local\/bin\/(\S+)$/m.exec(unitText)[1];
    assert.ok(fs.existsSync(path.join(bin, program)), program);
    const drain = /DRAIN_SECONDS +(\d+)/.exec(execFileSync(path.join(bin, program), ['--help'], { encoding: 'utf8' }))[1];
    assert.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(unitText)[1]) > Number(drain), 'it may drain');
    assert.match(unitText, /^EnvironmentFile=/m);
    assert.match(unitText, /^User=repobus$/m);
    fs.writeFileSync(path.join(copies, unit), unitText.replace('/usr/local/bin', bin));
  }
  // Where systemd is, it looks at them itself.
  if (fs.existsSync('/usr/bin/systemd-analyze')) execFileSync('systemd-analyze', ['verify', '--man=no', ...units.map((unit) => path.join(copies, unit))], { stdio: 'pipe' });
  fs.rmSync(copies, { recursive: true });
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
