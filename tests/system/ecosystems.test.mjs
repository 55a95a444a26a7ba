// Manifests of many ecosystems in one repository, from the install to the profile: each dependency with its package
// URL, which the reference library of package URLs reads and writes the same.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PackageURL } from 'packageurl-js';
import { House, makeRepository } from './harness.mjs';

const commit = '0123456789012345678901234567890123456789';
const files = {
  'composer.json': '{"require":{"Laravel/Framework":"^11.0"}}',
  'composer.lock': '{"packages":[{"name":"laravel/framework","version":"v11.2.0"}]}',
  'Gemfile': "gem 'rails', '~> 7.1'\ngem 'edge', github: 'Acme/Edge'\n",
  'Gemfile.lock': 'GEM\n  specs:\n    rack (3.0.0)\n    rails (7.1.2)\n\nDEPENDENCIES\n  rails (~> 7.1)\n',
  'mix.exs': 'defmodule A.MixProject do\n  defp deps do\n    [{:phoenix, "1.7.0"}]\n  end\nend\n',
  'pubspec.yaml': 'dependencies:\n  http: ^1.1.0\n',
  'pubspec.lock': 'packages:\n  http:\n    dependency: "direct main"\n    version: "1.2.0"\n',
  'Package.swift': 'Package(name: "A", dependencies: [.package(url: "https://github.com/Alamofire/Alamofire.git", exact: "5.8.1")])',
  'Podfile': "pod 'GoogleUtilities/NSData+zlib', '7.5.2'\n",
  'environment.yml': 'dependencies:\n- numpy==1.26.0\n- pip:\n  - Typing_Extensions==4.0\n',
  'conanfile.txt': '[requires]\nopenssl/3.0.3@bincrafters/stable\n',
  'Dockerfile': 'FROM gcr.io/customer/dockerimage:1@sha256:244fd47e07d1004f0aed9c\n',
  'compose.yaml': 'services:\n  db:\n    image: postgres:16-alpine\n',
  '.github/workflows/ci.yml': `jobs:\n  a:\n    uses: Acme/Shared/.github/workflows/all%20of it.yml@v1\n  b:\n    steps:\n      - uses: actions/checkout@${commit} # v4.1.7\n`,
  '.pre-commit-config.yaml': 'repos:\n- repo: https://github.com/psf/black\n  rev: 24.1.0\n',
  'Chart.yaml': 'dependencies:\n- name: redis\n  version: 18.1.0\n',
  'main.tf': 'module "vpc" {\n  source = "terraform-aws-modules/vpc/aws"\n  version = "5.1.2"\n}\n',
  'CMakeLists.txt': 'FetchContent_Declare(fmt GIT_REPOSITORY https://github.com/fmtlib/fmt.git GIT_TAG 10.2.1)\n',
};

// name: type, namespace, name, version, qualifiers, subpath
const wanted = {
  'Laravel/Framework': ['composer', 'laravel', 'framework', 'v11.2.0'],
  'rails': ['gem', undefined, 'rails', '7.1.2'],
  'rack': ['gem', undefined, 'rack', '3.0.0'],
  'edge': ['github', 'acme', 'edge', undefined],
  'phoenix': ['hex', undefined, 'phoenix', '1.7.0'],
  'http': ['pub', undefined, 'http', '1.2.0'],
  'github.com/Alamofire/Alamofire': ['swift', 'github.com/Alamofire', 'Alamofire', '5.8.1'],
  'GoogleUtilities/NSData+zlib': ['cocoapods', undefined, 'GoogleUtilities', '7.5.2', undefined, 'NSData+zlib'],
  'numpy': ['conda', undefined, 'numpy', '1.26.0'],
  'typing-extensions': ['pypi', undefined, 'typing-extensions', '4.0'],
  'openssl': ['conan', 'bincrafters', 'openssl', '3.0.3', { channel: 'stable' }],
  'gcr.io/customer/dockerimage': ['docker', 'customer', 'dockerimage', 'sha256:244fd47e07d1004f0aed9c', { repository_url: 'gcr.io' }],
  'postgres': ['docker', undefined, 'postgres', '16-alpine'],
  'actions/checkout': ['github', 'actions', 'checkout', 'v4.1.7'],
  'Acme/Shared/.github/workflows/all%20of it.yml': ['github', 'acme', 'shared', 'v1', undefined, '.github/workflows/all%20of it.yml'],
  'psf/black': ['github', 'psf', 'black', '24.1.0'],
  'redis': ['helm', undefined, 'redis', '18.1.0'],
  'terraform-aws-modules/vpc/aws': ['terraform', 'terraform-aws-modules/vpc', 'aws', '5.1.2'],
  'fmt': ['github', 'fmtlib', 'fmt', '10.2.1'],
};

let h, profile;
before(async () => {
  h = await House.start();
  await makeRepository(h.repository, files);
  const { json } = await h.install();
  await h.untilDone(json.installation_id);
  [{ profile }] = await h.rows('select profile from profiles where installation_id = $1', [json.installation_id]);
});
after(() => h?.stop());

const find = (name) => profile.dependencies.find((dependency) => dependency.name === name);

test('every dependency has the package URL that the reference library reads as meant', () => {
  for (const [name, parts] of Object.entries(wanted)) {
    const dependency = find(name);
    assert.ok(dependency, `${name} is not in ${profile.dependencies.map((each) => each.name)}`);
    const url = PackageURL.fromString(dependency.purl);
    const [type, namespace, short, version, qualifiers, subpath] = parts;
    assert.deepEqual({ type: url.type, namespace: url.namespace ?? undefined, name: url.name, version: url.version ?? undefined, subpath: url.subpath ?? undefined },
      { type, namespace, name: short, version, subpath }, dependency.purl);
    assert.deepEqual({ ...(url.qualifiers ?? {}) }, qualifiers ?? {}, dependency.purl);
  }
});

test('the reference library writes each of them the same', () => {
  const all = profile.dependencies.filter((dependency) => dependency.purl);
  assert.ok(all.length >= Object.keys(wanted).length);
  for (const { purl } of all) assert.equal(PackageURL.fromString(purl).toString(), purl);
});

test('what only a lock names is indirect, and what is written stays as written', () => {
  assert.equal(find('rack').indirect, true);
  assert.equal(find('rails').indirect, undefined);
  assert.equal(find('rails').requirement, '~> 7.1');
  assert.equal(find('actions/checkout').requirement, commit);
});
