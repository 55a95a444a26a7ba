// The scanner beside the known tools, on any git clones: README.md in the folder above says how to read it.
//
//   node main.mjs [FOLDER]   FOLDER holds clones, bare or not; without it, what is at hand
//
// Prints tables, and writes them with all that is behind them to build/bench/scanner/result.{md,json}.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import * as compare from './compare.mjs';
import { ask, house, measured, missing, out, tools } from './others.mjs';
import { checkOut, clones, contents, shipped, synthetic, without } from './repositories.mjs';
import { figure, mean, pooled, table } from './score.mjs';

const folder = process.argv[2] || process.env.CLONES;
const only = new RegExp(process.env.ONLY ?? '');
const hasPipeline = process.env.PIPELINE !== '0';
const growth = (process.env.GROWTH ?? '1000,10000,100000').split(',').map(Number).filter(Boolean);
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-bench-scanner-'));
const report = [];
const say = (text = '') => {
  report.push(text);
  console.log(text);
};

/** The scanner's library alone, on the clone: no network, no database. */
function judge(dir) {
  const run = measured([process.env.JUDGE ?? path.join(house, 'build/bench/scanner_judge'), dir, 'full']);
  try {
    if (run.status !== 0) throw new Error(`status ${run.status}: ${run.complaint}`);
    const { cpu, peak_mb, seconds } = run;
    return { profile: JSON.parse(run.text), cpu, peak_mb, seconds };
  } catch (error) {
    return { error: error.message };
  }
}

/** A clone whose git directory lies elsewhere (a linked work tree) becomes one of its own: chroot and stand-in see only it. */
function selfContained({ name, dir }) {
  const link = path.join(dir, '.git');
  if (!fs.existsSync(link) || fs.statSync(link).isDirectory()) return dir;
  const copy = path.join(work, 'clones', name);
  execFileSync('git', ['clone', '-q', '--bare', '--no-hardlinks', dir, copy]);
  return copy;
}

async function one(repository, pipeline) {
  let dir = selfContained(repository);
  const { absent } = contents(dir);
  if (absent.length) dir = without(dir, absent, path.join(work, 'clones', `${repository.name}-whole`));
  const { commit, files, bytes, paths } = contents(dir);
  const repo = { name: repository.name, dir, commit };
  const place = path.join(work, 'files');
  const checkedOut = () => {
    if (!fs.existsSync(place)) checkOut(dir, place);
    return place;
  };
  const others = Object.fromEntries(Object.keys(tools).map((name) => [name, ask(name, repo, checkedOut)]));
  fs.rmSync(place, { recursive: true, force: true });
  const alone = judge(dir);
  const whole = pipeline ? await pipeline.scan(repository.name, dir).catch((error) => ({ error: error.message })) : { error: 'left out' };
  const profile = whole.profile ?? alone.profile;
  const took = ({ cpu, peak_mb, seconds, error }) => ({ cpu, peak_mb, seconds, error });
  const row = {
    name: repository.name, commit, files, bytes, absent: absent.length, judge: took(alone),
    pipeline: { ...took(whole), requests: whole.requests, requested: whole.requested, profile_bytes: whole.profile_bytes },
    others: Object.fromEntries(Object.entries(others).map(([name, answer]) => [name, took(answer)])),
  };
  if (!profile) return { ...row, error: whole.error ?? alone.error };
  return {
    ...row, manifests: profile.manifests?.length, manifests_left_out: profile.manifests_left_out,
    languages: compare.languages(profile, others), direct: compare.direct(profile, others), facts: compare.facts(profile, others), locked: compare.locked(profile, others),
    technologies: compare.technologies(profile, others, paths),
  };
}

// ---- tables -----------------------------------------------------------------------------------------------------------

const ms = (seconds) => (Number.isFinite(seconds) ? seconds * 1000 : null);

// Head, the value of a row, digits; the last line of the table has the mean of each.
const columns = {
  languages: [
    ['files', (r) => r.files, 0],
    ['ours', (r) => r.languages?.ours?.distance, 4], ['enry', (r) => r.languages?.enry?.distance, 3],
    ['linguist-js', (r) => r.languages?.['linguist-js']?.distance, 3], ['stack-an.', (r) => r.languages?.['stack-analyser']?.distance, 3],
    ['top right', (r) => (r.languages?.ours ? Number(r.languages.ours.top) : null), 2], ['false', (r) => r.languages?.false?.length, 0],
  ],
  dependencies: [
    ['manifests', (r) => r.manifests, 0], ['left out', (r) => r.manifests_left_out, 0],
    ['wanted', (r) => count(r.direct), 0], ['recall', (r) => r.direct?.all?.recall, 3], ['precision', (r) => r.direct?.all?.precision, 3],
    ['false', (r) => r.direct?.all?.extra, 0],
    ['constraint', (r) => ratio(r.facts?.constraints), 3], ['scope', (r) => ratio(r.facts?.scopes), 3], ['locked', (r) => count(r.locked), 0], ['lock recall', (r) => r.locked?.all?.recall, 3],
    ['lock precision', (r) => r.locked?.all?.precision, 3],
  ],
  technologies: [
    ['both', (r) => r.technologies?.both, 1], ['only theirs', (r) => r.technologies?.theirs?.length, 1], ['only ours', (r) => (Array.isArray(r.technologies?.ours) ? r.technologies.ours.length : null), 1],
    ['unproved', (r) => r.technologies?.unproved?.length, 1],
  ],
  costs: [
    ['files', (r) => r.files, 0], ['requests', (r) => r.pipeline?.requests, 1],
    ['CPU ms', (r) => ms(r.pipeline?.cpu), 1], ['MB', (r) => r.pipeline?.peak_mb, 1], ['wall ms', (r) => ms(r.pipeline?.seconds), 0],
    ['alone: CPU ms', (r) => ms(r.judge?.cpu), 1], ['MB', (r) => r.judge?.peak_mb, 1],
    ...['linguist', 'enry', 'linguist-js', 'stack-analyser', 'scalibr'].map((name) => [`${name} s`, (r) => r.others?.[name]?.cpu, 2]),
    ...['enry', 'stack-analyser', 'scalibr'].map((name) => [`${name} MB`, (r) => r.others?.[name]?.peak_mb, 0]),
  ],
};
const ratio = (pair) => (pair?.[1] ? pair[0] / pair[1] : null);
const count = (side) => (side?.all ? side.all.both + side.all.missed : null);

function printColumns(title, name, rows) {
  const list = columns[name];
  const body = rows.map((row) => [row.name, ...list.map(([, value, digits]) => figure(value(row), Number.isInteger(value(row)) ? 0 : digits))]);
  body.push(['mean', ...list.map(([, value, digits]) => figure(mean(rows.map(value)), digits))]);
  say(`\n## ${title}\n`);
  say(table(['repository', ...list.map(([head]) => head)], body));
}

function printEcosystems(rows) {
  for (const [title, pick] of [['Direct dependencies by ecosystem, against small independent readers', 'direct'], ['Names with versions by ecosystem, against osv-scalibr on lock files', 'locked']]) {
    const kinds = {};
    for (const row of rows) for (const [kind, one] of Object.entries(row[pick]?.each ?? {})) if (one.both || one.missed.length || one.extra.length) (kinds[kind] ??= []).push(one);
    const body = Object.entries(kinds).sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, list]) => {
      const sum = pooled(list);
      return [kind, list.length, sum.both + sum.missed, figure(sum.recall, 3), figure(sum.precision, 3), sum.missed, sum.extra];
    });
    const all = pooled(Object.values(kinds).flat());
    body.push(['all', '', all.both + all.missed, figure(all.recall, 3), figure(all.precision, 3), all.missed, all.extra]);
    say(`\n## ${title}\n`);
    say(table(['ecosystem', 'repositories', 'wanted', 'recall', 'precision', 'missed', 'false'], body));
  }
}

const some = (list, most = 6) => `${list.slice(0, most).join(', ')}${list.length > most ? ` and ${list.length - most} more` : ''}`;

/** The ten worst of `list` by `weight`, one line each. */
function printWorst(title, list, weight, line) {
  const worst = list.filter((item) => weight(item) > 0).sort((a, b) => weight(b) - weight(a)).slice(0, 10);
  if (!worst.length) return;
  say(`\n### ${title}\n`);
  for (const item of worst) say(`- ${line(item)}`);
}

function printDisagreements(rows) {
  say('\n## The worst disagreements');
  printWorst('Languages (difference of shares: ours less linguist)', rows.filter((r) => r.languages?.ours), (r) => r.languages.ours.distance,
    (r) => `${r.name} ${figure(r.languages.ours.distance, 4)}: ${some(r.languages.behind.map(([name, by]) => `${name} ${by > 0 ? '+' : ''}${figure(by, 3)}`))}`);
  const each = (pick) => rows.flatMap((r) => Object.entries(r[pick]?.each ?? {}).map(([kind, one]) => ({ name: r.name, kind, ...one })));
  const plain = (list) => some(list.map((text) => text.slice(text.indexOf(' ') + 1)));
  printWorst('Direct dependencies missed', each('direct'), (one) => one.missed.length, (one) => `${one.name} ${one.kind}: ${one.missed.length} of ${one.missed.length + one.both}: ${plain(one.missed)}`);
  printWorst('Direct dependencies that no reader finds', each('direct'), (one) => one.extra.length, (one) => `${one.name} ${one.kind}: ${one.extra.length}: ${plain(one.extra)}`);
  printWorst('Constraint or scope not as a reader has it', rows.filter((r) => r.facts?.wrong), (r) => r.facts.wrong.length, (r) => `${r.name}: ${r.facts.wrong.length}: ${some(r.facts.wrong, 4)}`);
  printWorst('Locked versions missed', each('locked'), (one) => one.missed.length, (one) => `${one.name} ${one.kind}: ${one.missed.length} of ${one.missed.length + one.both}: ${plain(one.missed)}`);
  printWorst('Locked versions that osv-scalibr has not', each('locked'), (one) => one.extra.length, (one) => `${one.name} ${one.kind}: ${one.extra.length}: ${plain(one.extra)}`);
  const tallies = (pick) => {
    const tally = {};
    for (const r of rows) for (const text of pick(r) ?? []) (tally[text.replace(/ \(.*/, '')] ??= []).push(`${r.name}${text.includes('(') ? `:${text.replace(/.*\(|\)$/g, '')}` : ''}`);
    return Object.entries(tally);
  };
  printWorst('Technologies that only stack-analyser names (repositories)', tallies((r) => r.technologies?.theirs), ([, where]) => where.length, ([name, where]) => `${name}: ${where.length}: ${some(where, 3)}`);
  printWorst('Technologies that only we name', tallies((r) => (Array.isArray(r.technologies?.ours) ? r.technologies.ours : [])), ([, where]) => where.length, ([name, where]) => `${name}: ${where.length}: ${some(where, 3)}`);
  printWorst('Technologies whose evidence is no file of the repository', tallies((r) => r.technologies?.unproved), ([, where]) => where.length, ([name, where]) => `${name}: ${some(where, 3)}`);
  printWorst('Tools that gave no answer', rows.flatMap((r) => Object.entries({ ...r.others, 'ours, whole': r.pipeline, 'ours, alone': r.judge }).filter(([, took]) => took?.error && took.error !== 'left out').map(([name, { error }]) => ({ r, name, error }))),
    () => 1, ({ r, name, error }) => `${r.name}: ${name}: ${error}`);
}

async function printGrowth(pipeline) {
  const rows = [];
  for (const files of growth) {
    const dir = path.join(work, `synthetic-${files}`);
    await synthetic(dir, files);
    const alone = judge(dir);
    const whole = pipeline ? await pipeline.scan(`synthetic-${files}`, dir).catch((error) => ({ error: error.message })) : {};
    rows.push({ files, judge: { ...alone, profile: undefined }, pipeline: { ...whole, profile: undefined }, manifests: Math.ceil(files / 250) });
    fs.rmSync(dir, { recursive: true, force: true });
    if (whole.error) say(`synthetic, ${files} files: ${whole.error}`);
  }
  say('\n## Growth: made-up repositories\n');
  say(table(['files', 'manifests', 'requests', 'CPU ms', 'MB', 'wall ms', 'alone: CPU ms', 'MB', 'profile KB'], rows.map((r) => [r.files, r.manifests, figure(r.pipeline.requests, 0),
    figure(ms(r.pipeline.cpu), 1), figure(r.pipeline.peak_mb, 1), figure(ms(r.pipeline.seconds), 0), figure(ms(r.judge.cpu), 1), figure(r.judge.peak_mb, 1), figure(r.pipeline.profile_bytes && r.pipeline.profile_bytes / 1000, 0)])));
  return rows;
}

// ---- all of it --------------------------------------------------------------------------------------------------------

let pipeline;
let isStopping = false; // what was measured until then is printed
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (isStopping = true));
try {
  fs.mkdirSync(out, { recursive: true });
  const list = (folder ? clones(path.resolve(folder)) : shipped(house, path.join(work, 'shipped'))).filter(({ name }) => only.test(name));
  if (!list.length) throw new Error(`${folder ? `${folder}: no git clone in it` : 'nothing at hand'}; CLONES names a folder that holds some, ONLY chooses among them`);
  if (hasPipeline) {
    const { Pipeline } = await import('./house.mjs');
    pipeline = await Pipeline.start();
  }
  for (const name of Object.keys(tools)) if (missing(name)) say(`${name}: left out: ${missing(name)}`);
  const rows = [];
  for (const repository of list) {
    await setImmediate(); // all else here is synchronous: signals would never be heard
    if (isStopping) break;
    process.stderr.write(`${rows.length + 1}/${list.length} ${repository.name}\n`);
    try {
      rows.push(await one(repository, pipeline));
    } catch (error) {
      rows.push({ name: repository.name, error: error.message.slice(0, 300) });
    }
    if (rows.at(-1).error) say(`${repository.name}: ${rows.at(-1).error}`);
  }
  printColumns('Languages: distance to linguist, 0 to 2', 'languages', rows);
  printColumns('Dependencies', 'dependencies', rows);
  printColumns('Technologies, beside stack-analyser', 'technologies', rows);
  printColumns('What it takes', 'costs', rows);
  printEcosystems(rows);
  printDisagreements(rows);
  const grown = growth.length && !isStopping ? await printGrowth(pipeline) : [];
  fs.writeFileSync(path.join(out, 'result.json'), JSON.stringify({ at: new Date().toISOString(), of: execFileSync('git', ['-C', house, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim(), repositories: rows, growth: grown }, null, 1));
  fs.writeFileSync(path.join(out, 'result.md'), `${report.join('\n')}\n`);
  console.error(`\nwritten: ${path.relative(process.cwd(), path.join(out, 'result.json'))} and result.md`);
} catch (error) {
  console.error(error.stack ?? error);
  process.exitCode = 1;
} finally {
  await pipeline?.stop().catch((error) => console.error(error.message));
  fs.rmSync(work, { recursive: true, force: true });
}
