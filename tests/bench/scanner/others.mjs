// The other tools: how each is run on a clone or on its checked-out files, and what its answer says in one form.
// What does not depend on us is kept in build/bench/scanner/cache until the commit or the tool changes.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
export const house = path.resolve(here, '../../..');
export const out = path.join(house, 'build/bench/scanner');
const limit = Number(process.env.TOOL_SECONDS ?? 300);
const left = (process.env.SKIP ?? '').split(',');

const json = (text) => JSON.parse(text);

function components(text) {
  // CycloneDX as osv-scalibr writes it; where it found a package is in its evidence.
  return (json(text).components ?? []).map((one) => ({ purl: one.purl, paths: (one.evidence?.occurrences ?? []).map(({ location }) => location) })).filter(({ purl }) => purl);
}

/**
 * name: of the column. from: the part of ./tools that brings it. command(clone, files, answer): what runs; answer is a file
 * it may write to instead of its standard output. read: makes the answer an object.
 */
export const tools = {
  linguist: {
    from: 'linguist', read: (text) => Object.fromEntries(Object.entries(json(text)).map(([name, { size }]) => [name, size])),
    // In a mount namespace of its own: the bind is gone when it ends. Without being root, a user namespace makes us so.
    command: (clone) => ['unshare', ...(process.getuid() === 0 ? [] : ['-r']), '-m', 'sh', '-c',
      'mount --bind "$1" "$2/mnt/repo" && exec chroot "$2" github-linguist /mnt/repo --json', 'sh', clone, path.join(out, 'linguist-root')],
  },
  enry: { from: 'enry', read: json, command: (clone, files) => [path.join(out, 'enry'), files] },
  'linguist-js': { from: 'npm', read: json, command: (clone, files) => ['node', path.join(here, 'npm/languages.mjs'), files] },
  'stack-analyser': { from: 'npm', read: json, command: (clone, files) => ['node', path.join(here, 'npm/technologies.mjs'), files] },
  scalibr: {
    from: 'scalibr', read: components,
    command: (clone, files, answer) => [path.join(out, 'scalibr'), 'scan', `--root=${files}`, '--offline', '-o', `cdx-json=${answer}`],
  },
  readers: { from: 'readers', read: json, command: (clone, files) => [path.join(out, 'venv/bin/python'), path.join(here, 'readers.py'), files] },
};

/** Runs `command`; {status, cpu, peak_mb, seconds, text}. `answer`, when given, is read instead of the standard output. */
export function measured(command, answer) {
  const base = path.join(out, `run-${process.pid}`);
  const files = { report: `${base}.report`, stdout: `${base}.out`, stderr: `${base}.err` };
  const [stdout, stderr] = [fs.openSync(files.stdout, 'w'), fs.openSync(files.stderr, 'w')];
  spawnSync(path.join(here, 'measure'), [files.report, String(limit), ...command], { stdio: ['ignore', stdout, stderr] });
  fs.closeSync(stdout);
  fs.closeSync(stderr);
  const took = json(fs.readFileSync(files.report, 'utf8'));
  const from = answer ?? files.stdout;
  const text = fs.existsSync(from) ? fs.readFileSync(from, 'utf8') : '';
  const complaint = fs.readFileSync(files.stderr, 'utf8').trim().split('\n').slice(-3).join(' ').slice(-300);
  for (const file of [...Object.values(files), ...(answer ? [answer] : [])]) fs.rmSync(file, { force: true });
  return { ...took, text, complaint };
}

const inside = (name) => path.join(out, name);
const stampOf = (tool) => (fs.existsSync(inside(`${tool.from}.done`)) ? fs.readFileSync(inside(`${tool.from}.done`), 'utf8').trim() : null);
// The readers are ours and change without a new package.
const ownStamp = (name) => (name === 'readers' ? `-${fs.statSync(path.join(here, 'readers.py')).mtimeMs}` : '');

/** Why a tool is not there, or null. */
export function missing(name) {
  if (left.includes(name)) return 'left out';
  const reason = inside(`${tools[name].from}.missing`);
  if (stampOf(tools[name])) return null;
  return fs.existsSync(reason) ? fs.readFileSync(reason, 'utf8').trim() : 'not installed';
}

/** What `name` says of a repository: {result, cpu, peak_mb, seconds} or {error}. `files()` checks it out when needed. */
export function ask(name, repository, files) {
  const reason = missing(name);
  if (reason) return { error: reason };
  const tool = tools[name];
  const kept = path.join(out, 'cache', repository.commit, `${name}.json`);
  const stamp = `${stampOf(tool)}${ownStamp(name)}`;
  if (!process.env.FRESH && fs.existsSync(kept)) {
    const before = json(fs.readFileSync(kept, 'utf8'));
    if (before.stamp === stamp) return before.answer;
  }
  const file = path.join(out, `answer-${process.pid}.json`);
  const run = measured(tool.command(repository.dir, name === 'linguist' ? null : files(), file), name === 'scalibr' ? file : undefined);
  const { status, cpu, peak_mb, seconds } = run;
  let answer = { cpu, peak_mb, seconds };
  try {
    if (status !== 0) throw new Error(status === 'timeout' ? `not done in ${limit} s` : `status ${status}: ${run.complaint}`);
    answer.result = tool.read(run.text);
  } catch (error) {
    answer = { ...answer, error: error.message };
  }
  fs.mkdirSync(path.dirname(kept), { recursive: true });
  fs.writeFileSync(kept, JSON.stringify({ stamp, answer }));
  return answer;
}
