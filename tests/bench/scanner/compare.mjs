// One profile beside the answers of the others, as numbers and as what is behind them.

import fs from 'node:fs';
import { agreement, differences, distance, ecosystem, packageKey, packageName, pooled, purl, technology, top, versionText } from './score.mjs';

const same = JSON.parse(fs.readFileSync(new URL('./same-technologies.json', import.meta.url), 'utf8'));

// Files that name resolved versions. go.mod is one: Go's minimal version selection resolves to what stands there.
const locks = /(^|\/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|deno\.lock|Cargo\.lock|go\.mod|poetry\.lock|uv\.lock|pdm\.lock|pylock\.toml|Pipfile\.lock|composer\.lock|Gemfile\.lock|gems\.locked|packages\.lock\.json|mix\.lock|pubspec\.lock|Package\.resolved|Podfile\.lock|conan\.lock|gradle\.lockfile|buildscript-gradle\.lockfile)$/;
// As readers.py has it, for lock files.
const aside = /(^|\/)(\w*[-_.])?(tests?|testing|testdata|testsuite|specs?|e2e|fixtures?|__\w+__|examples?|samples?|demos?|docs?|docs_\w+|documentation|tutorials?|templates?|skeletons?|boilerplate|scaffold|playgrounds?|bench(es|marks?)?|fuzz(ing)?|mocks?|vendor|node_modules|third[-_]party|external|deps|smoke\w*|integration\w*)([-_.]\w+)?\/|\{\{/i;

// ---- languages --------------------------------------------------------------------------------------------------------

/** Bytes by language that count in the shares. */
export function languagesOf(profile) {
  const counted = (profile.languages ?? []).filter(({ type, kind, share }) => (type ?? kind ? ['programming', 'markup'].includes(type ?? kind) : true) && share !== null);
  return Object.fromEntries(counted.map(({ name, bytes }) => [name, bytes]).filter(([, bytes]) => bytes > 0));
}

// Below a thousandth nobody sees it.
const seen = 0.001;

export function languages(profile, others) {
  const truth = others.linguist.result;
  if (!truth) return { error: others.linguist.error };
  const ours = languagesOf(profile);
  const of = (weights) => weights && { distance: distance(weights, truth), top: top(weights) === top(truth) };
  const behind = differences(ours, truth);
  return {
    ours: of(ours), enry: of(others.enry.result), 'linguist-js': of(others['linguist-js'].result), 'stack-analyser': of(others['stack-analyser'].result?.languages),
    top: top(truth), our_top: top(ours), behind: behind.slice(0, 6),
    false: behind.filter(([name, share]) => !(name in truth) && share > seen).map(([name]) => name),
  };
}

// ---- dependencies -----------------------------------------------------------------------------------------------------

const isOurs = (one) => !one.local && !one.offered;
const isDirect = (one) => !(one.indirect || one.transitive || one.direct === false);
const key = (one) => packageKey(one.ecosystem, one.name);

/** {ecosystem: Set of keys} of a list of keys. */
function byEcosystem(keys) {
  const sets = {};
  for (const one of keys) (sets[one.split(' ', 1)[0]] ??= new Set()).add(one);
  return sets;
}

/** Keys of packages that lie in the repository itself. */
function ownPackages(readers) {
  return new Set(Object.values(readers?.manifests ?? {}).flatMap(({ ecosystem: kind, own }) => own.map((name) => packageKey(kind, name))));
}

function eachEcosystem(wanted, found, allowed, kinds) {
  const [want, have] = [byEcosystem(wanted), byEcosystem(found)];
  const each = {};
  for (const kind of kinds ?? new Set([...Object.keys(want), ...Object.keys(have)])) each[kind] = agreement(want[kind] ?? new Set(), have[kind] ?? new Set(), allowed);
  return { each, all: pooled(Object.values(each)) };
}

/** Names that manifests ask for, against the readers. */
export function direct(profile, others) {
  const readers = others.readers.result;
  if (!readers) return { error: others.readers.error };
  const own = ownPackages(readers);
  const [wanted, allowed] = [new Set(), new Set(own)];
  for (const { ecosystem: kind, names, also, images, aside: isAside } of Object.values(readers.manifests)) {
    for (const name of images ?? []) allowed.add(packageKey('docker', name)); // of workflows
    for (const name of names) if (!isAside && !own.has(packageKey(kind, name))) wanted.add(packageKey(kind, name));
    for (const name of [...names, ...also]) allowed.add(packageKey(kind, name));
  }
  const found = new Set();
  for (const one of (profile.dependencies ?? []).filter((each) => isOurs(each) && isDirect(each))) {
    found.add(key(one));
    // A manifest that no reader could read: no statement on what is only there.
    if (!readers.manifests[one.manifest]) allowed.add(key(one));
  }
  // What has no '/' is the platform (php, ext-json).
  for (const one of found) if (one.startsWith('composer ') && !one.includes('/')) allowed.add(one);
  return eachEcosystem(wanted, found, allowed);
}

const plain = (text) => String(text ?? '').replace(/\s+/g, '');

/** Constraint and scope of what is named, where a reader has them plainly: {constraints: [right, of], scopes: [right, of], wrong}. */
export function facts(profile, others) {
  const readers = others.readers.result;
  if (!readers) return { error: others.readers.error };
  const known = {};
  for (const [path, { ecosystem: kind, facts: stated }] of Object.entries(readers.manifests)) {
    known[path] = new Map(Object.entries(stated ?? {}).map(([name, list]) => [packageKey(kind, name), list]));
  }
  const result = { constraints: [0, 0], scopes: [0, 0], wrong: [] };
  for (const one of (profile.dependencies ?? []).filter((each) => !each.local && isDirect(each))) {
    const stated = known[one.manifest]?.get(key(one));
    if (!stated) continue;
    const [constraint, scope] = [one.requirement ?? one.constraint ?? '', one.kind ?? one.scope];
    const check = (tally, values, ours, same) => {
      if (values.some((value) => value === null)) return;
      const isRight = values.some((value) => same(value, ours));
      tally[0] += isRight;
      tally[1]++;
      if (!isRight) result.wrong.push(`${one.manifest} ${one.name}: "${ours}" for "${values[0]}"`);
    };
    check(result.constraints, stated.map(([value]) => value), constraint, (a, b) => plain(a) === plain(b));
    check(result.scopes, stated.map(([, value]) => value), scope, (a, b) => a === b || (a === 'test' && b === 'dev')); // both are the house's words for it
  }
  return result;
}

/** Names with versions from lock files, against osv-scalibr. */
export function locked(profile, others) {
  const packages = others.scalibr.result;
  if (!packages) return { error: others.scalibr.error };
  const own = ownPackages(others.readers.result);
  const [wanted, allowed] = [new Set(), new Set()];
  for (const { purl: text, paths } of packages) {
    const one = purl(text);
    if (!one?.version || one.name === 'stdlib' || own.has(key(one))) continue;
    const full = `${key(one)} ${versionText(one.version)}`;
    allowed.add(full);
    if (paths.some((path) => locks.test(path) && !aside.test(path))) wanted.add(full);
  }
  const kinds = Object.keys(byEcosystem(wanted));
  const found = new Set();
  for (const one of (profile.dependencies ?? []).filter((each) => !each.local)) {
    const version = one.version || (ecosystem(one.ecosystem) === 'go' ? one.requirement : '');
    if (version && !own.has(key(one))) found.add(`${key(one)} ${versionText(version)}`);
  }
  return eachEcosystem(wanted, found, allowed, kinds);
}

// ---- technologies -----------------------------------------------------------------------------------------------------

/** Paths that a profile's entry names as evidence, whichever form it has. */
function evidenceOf(entry) {
  const list = [entry.evidence, entry.where, entry.files].flat().filter(Boolean);
  return list.map((one) => (typeof one === 'string' ? one : one.path ?? one.file)).filter(Boolean).map((text) => text.replace(/:\d+$/, ''));
}

export function technologies(profile, others, paths) {
  const theirs = others['stack-analyser'].result?.technologies;
  const ours = new Map((profile.technologies ?? profile.frameworks ?? []).map((one) => [technology(one.name, same), one]));
  const unproved = [...ours.values()].filter((one) => {
    const evidence = evidenceOf(one);
    return !evidence.length || !evidence.every((path) => paths.has(path) || [...paths].some((each) => each.startsWith(`${path}/`)));
  }).map(({ name }) => name);
  if (!theirs) return { error: others['stack-analyser'].error, ours: ours.size, unproved };
  const them = new Map(Object.entries(theirs).map(([name, one]) => [technology(name, same), { name, ...one }]));
  return {
    both: [...ours].filter(([name]) => them.has(name)).length,
    theirs: [...them].filter(([name]) => !ours.has(name)).map(([, { name, path }]) => `${name} (${path})`),
    ours: [...ours].filter(([name]) => !them.has(name)).map(([, one]) => `${one.name} (${evidenceOf(one)[0] ?? 'no evidence'})`),
    unproved,
  };
}

export { packageName };
