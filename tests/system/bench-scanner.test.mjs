// The arithmetic behind `make bench-scanner`: a comparison that miscounts would be believed.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import * as compare from '../bench/scanner/compare.mjs';
import { clones, contents } from '../bench/scanner/repositories.mjs';
import { agreement, differences, distance, mean, packageKey, pooled, purl, shares, table, technology, top, versionText } from '../bench/scanner/score.mjs';
import { makeRepository } from './harness.mjs';

const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

test('languages are compared by share, whatever the totals', () => {
  assert.deepEqual(shares({ C: 30, Go: 10 }), { C: 0.75, Go: 0.25 });
  assert.deepEqual(shares({ C: 0 }), {});
  near(distance({ C: 3, Go: 1 }, { C: 750, Go: 250 }), 0);
  near(distance({ C: 3, Go: 1 }, { C: 1, Go: 3 }), 1);
  near(distance({ C: 1 }, { Go: 1 }), 2);
  near(distance({}, { Go: 1 }), 2);
  near(distance({}, {}), 0);
  assert.equal(top({ Go: 2, C: 2, Ada: 1 }), 'C');
  assert.equal(top({}), null);
  assert.deepEqual(differences({ C: 1, Go: 1 }, { C: 1 })[0].map(String), ['C', '-0.5']);
});

test('recall and precision say nothing where there is nothing', () => {
  const some = agreement(new Set(['a', 'b', 'c', 'd']), new Set(['a', 'b', 'c', 'x', 'y']), new Set(['y']));
  assert.deepEqual(some, { both: 3, missed: ['d'], extra: ['x'], recall: 0.75, precision: 0.75 });
  const none = agreement(new Set(), new Set());
  assert.deepEqual([none.recall, none.precision], [null, null]);
  assert.equal(agreement(new Set(['a']), new Set()).precision, null);
  const both = pooled([some, agreement(new Set(['e']), new Set(['e']))]);
  near(both.recall, 0.8);
  near(both.precision, 0.8);
  near(mean([1, null, NaN, 3]), 2);
  assert.equal(mean([null]), null);
});

test('one package is one name, one version one text, one technology one key', () => {
  assert.equal(packageKey('PyPI', 'Foo_Bar.baz[extra]'), 'pypi foo-bar-baz');
  assert.equal(packageKey('docker', 'docker.io/library/redis:7'), packageKey('oci', 'redis'));
  assert.equal(packageKey('docker', 'localhost:5000/a/b:1@sha256:0'), 'docker localhost:5000/a/b');
  assert.equal(packageKey('nuget', 'Newtonsoft.Json'), packageKey('nuget', 'newtonsoft.json'));
  assert.notEqual(packageKey('npm', 'JSONStream'), packageKey('npm', 'jsonstream'));
  assert.equal(versionText('v1.2.3'), versionText('==1.2.3'));
  assert.deepEqual(purl('pkg:npm/%40babel/core@7.1.0?x=y'), { ecosystem: 'npm', name: '@babel/core', version: '7.1.0' });
  assert.deepEqual(purl('pkg:maven/org.a/b@1'), { ecosystem: 'maven', name: 'org.a:b', version: '1' });
  assert.equal(purl('none'), null);
  assert.equal(technology('Next.js', { next: 'next' }), technology('NextJS'));
  assert.notEqual(technology('C#'), technology('C++'));
});

test('a table is one', () => {
  assert.equal(table(['a', 'b'], [['–', 10], ['long', 2]]), '| a    |   b |\n|------|----:|\n| –    |  10 |\n| long |   2 |');
});

test('a profile is held against the others', () => {
  const others = {
    linguist: { result: { C: 75, Go: 25 } }, enry: { error: 'no' }, 'linguist-js': { result: { C: 1 } }, 'stack-analyser': { result: { languages: { Go: 9 }, technologies: { Vitest: { type: 'test', path: 'package.json' }, Zod: { type: 'x', path: '/' } } } },
    scalibr: { result: [{ purl: 'pkg:npm/a@1.0', paths: ['package-lock.json'] }, { purl: 'pkg:npm/b@2.0', paths: ['web/yarn.lock'] }, { purl: 'pkg:npm/c@3.0', paths: ['test/fixtures/package-lock.json'] }, { purl: 'pkg:npm/own@1', paths: ['package-lock.json'] }] },
    readers: { result: { manifests: {
      'package.json': { ecosystem: 'npm', aside: false, names: ['a', 'gone', 'own'], also: ['maybe'], own: ['own'] },
      'test/package.json': { ecosystem: 'npm', aside: true, names: ['t'], also: [], own: [] } } } },
  };
  const dependency = (name, more) => ({ ecosystem: 'npm', name, manifest: 'package.json', ...more });
  const profile = {
    languages: [{ name: 'C', bytes: 50, share: 50 }, { name: 'Rust', bytes: 50, share: 50 }],
    dependencies: [dependency('a', { version: '1.0' }), dependency('maybe'), dependency('t'), dependency('false'), dependency('deep', { indirect: true, version: '9' }), dependency('other', { manifest: 'build.gradle' })],
    frameworks: [{ name: 'Vitest', evidence: 'package.json' }, { name: 'Rails', evidence: 'nowhere' }],
  };
  const languages = compare.languages(profile, others);
  near(languages.ours.distance, 1);
  assert.deepEqual([languages.ours.top, languages.enry, languages['linguist-js'].top, languages['stack-analyser'].top], [true, undefined, true, false]);
  assert.deepEqual(languages.false, ['Rust']);
  const direct = compare.direct(profile, others).each.npm;
  assert.deepEqual([direct.both, direct.missed, direct.extra], [1, ['npm gone'], ['npm false']]);
  const locked = compare.locked(profile, others).each.npm;
  assert.deepEqual([locked.both, locked.missed, locked.extra], [1, ['npm b 2.0'], ['npm deep 9']]);
  const technologies = compare.technologies(profile, others, new Set(['package.json']));
  assert.deepEqual([technologies.both, technologies.theirs, technologies.ours, technologies.unproved], [1, ['Zod (/)'], ['Rails (nowhere)'], ['Rails']]);
});

test('clones are found, bare or not, in any folder', async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-test-'));
  try {
    const commit = await makeRepository(path.join(dir, 'acme', 'shop'), { 'a.c': 'int a;\n', 'inner/b.txt': 'b\n' });
    fs.mkdirSync(path.join(dir, 'acme+desk'));
    fs.cpSync(path.join(dir, 'acme/shop/.git'), path.join(dir, 'acme+desk/repo'), { recursive: true });
    assert.deepEqual(clones(dir).map(({ name }) => name).sort(), ['acme+desk', 'acme+shop']);
    const found = contents(path.join(dir, 'acme+desk/repo'));
    assert.deepEqual([found.commit, found.files, found.bytes, found.absent.length, found.paths.has('inner/b.txt')], [commit, 2, 9, 0, true]);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
});
