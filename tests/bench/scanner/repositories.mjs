// Where the repositories come from: a folder of clones, what packages ship, or made up for the purpose.

import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const git = (dir, ...args) => execFileSync('git', ['-C', dir, '-c', 'safe.directory=*', ...args], { encoding: 'utf8', maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe'] }).trim();

/** Whether `dir` is a repository by itself (not a folder inside of one), bare or not. */
function isRepository(dir) {
  return fs.existsSync(path.join(dir, '.git')) || (fs.existsSync(path.join(dir, 'HEAD')) && fs.existsSync(path.join(dir, 'objects')));
}

/** All repositories in `folder` and up to three folders down: [{name, dir}]. */
export function clones(folder, depth = 3, prefix = '') {
  if (isRepository(folder)) return [{ name: prefix || path.basename(folder), dir: folder }];
  if (depth === 0) return [];
  return fs.readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name }) => {
      // "acme+shop/repo" is acme+shop: a folder that holds but one clone gives the name.
      const plain = ['repo', 'repo.git', 'bare', 'git'].includes(name) ? prefix : prefix ? `${prefix}+${name}` : name;
      return clones(path.join(folder, name), depth - 1, plain.replace(/\.git$/, ''));
    });
}

/** What a commit holds: {commit, files, bytes, paths, absent}; absent are paths whose blob the clone lacks (partial clones). */
export function contents(dir) {
  const commit = git(dir, 'rev-parse', 'HEAD');
  const out = spawnSync('git', ['-C', dir, '-c', 'safe.directory=*', 'ls-tree', '-r', '-l', '-z', 'HEAD'], { encoding: 'buffer', maxBuffer: 1 << 30 });
  const paths = new Set();
  const absent = [];
  let bytes = 0;
  for (const line of out.stdout.toString('utf8').split('\0').filter(Boolean)) {
    const [head, name] = line.split('\t', 2);
    const size = head.trim().split(/\s+/)[3];
    paths.add(name);
    if (/^\d+$/.test(size)) bytes += Number(size);
    else if (size !== '-') absent.push(name); // a submodule has "-"
  }
  return { commit, files: paths.size, bytes, paths, absent };
}

/** A copy of the clone at `to`, whose only commit is HEAD without the files whose blobs are not there: linguist stops at the first. */
export function without(dir, absent, to) {
  execFileSync('git', ['-c', 'safe.directory=*', 'clone', '-q', '--bare', '--no-tags', dir, to], { stdio: 'ignore' });
  const env = { ...process.env, GIT_DIR: to, GIT_INDEX_FILE: path.join(to, 'index'), GIT_AUTHOR_DATE: '@0 +0000', GIT_COMMITTER_DATE: '@0 +0000' };
  const run = (args, input) => execFileSync('git', ['-c', 'user.name=bench', '-c', 'user.email=bench@example.com', ...args], { env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }).trim();
  run(['read-tree', 'HEAD']);
  run(['update-index', '-z', '--index-info'], absent.map((name) => `0 ${'0'.repeat(40)}\t${name}\0`).join(''));
  const commit = run(['commit-tree', '-m', 'Without what the clone lacks', run(['write-tree'])]);
  run(['update-ref', 'HEAD', commit]);
  return to;
}

/** The files of HEAD in the new folder `to`, as they are in git: no line ends changed, no filter run. */
export function checkOut(dir, to) {
  fs.mkdirSync(to, { recursive: true });
  const gitDir = git(dir, 'rev-parse', '--absolute-git-dir');
  const env = { ...process.env, GIT_DIR: gitDir, GIT_WORK_TREE: to, GIT_INDEX_FILE: path.join(to, '.git-index'), GIT_LFS_SKIP_SMUDGE: '1' };
  const options = ['-c', 'safe.directory=*', '-c', 'core.autocrlf=false', '-c', 'core.bare=false', '-c', 'filter.lfs.smudge=', '-c', 'filter.lfs.required=false'];
  execFileSync('git', [...options, 'read-tree', 'HEAD'], { env, cwd: to, stdio: 'ignore' });
  spawnSync('git', [...options, 'checkout-index', '-a', '-f', '-q'], { env, cwd: to, stdio: 'ignore' }); // absent blobs make it end with an error, all others are there
  fs.rmSync(env.GIT_INDEX_FILE, { force: true });
}

/** A repository at `dir` with the files of `from`, which is none. */
function commitFolder(from, dir) {
  fs.rmSync(dir, { recursive: true, force: true });
  fs.mkdirSync(dir, { recursive: true });
  const env = { ...process.env, GIT_DIR: dir, GIT_WORK_TREE: from };
  const run = (...args) => execFileSync('git', ['-c', 'user.name=bench', '-c', 'user.email=bench@example.com', '-c', 'core.autocrlf=false', '-c', 'core.fileMode=false', ...args], { env, cwd: from, stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 28 });
  execFileSync('git', ['init', '-q', '--bare', dir]);
  run('add', '-A', '-f', '--', '.', ':!node_modules');
  run('commit', '-q', '-m', 'As the package ships it');
}

const countFiles = (dir) => fs.readdirSync(dir, { recursive: true }).length;

/**
 * Where no clones are at hand: this repository itself, and repositories made of what packages ship that are here anyway.
 * Go modules come as whole source trees with their go.mod; npm packages as published.
 */
export function shipped(house, into, most = 16) {
  const list = [{ name: 'repobus', dir: house }];
  const sources = [];
  const modules = path.join(execFileSync('go', ['env', 'GOMODCACHE'], { encoding: 'utf8' }).trim(), 'github.com');
  for (const owner of fs.existsSync(modules) ? fs.readdirSync(modules) : []) {
    for (const name of fs.readdirSync(path.join(modules, owner))) {
      if (/@v/.test(name)) sources.push([`${owner}+${name}`, path.join(modules, owner, name)]);
    }
  }
  for (const root of ['tests/node_modules', 'tests/bench/scanner/npm/node_modules'].map((dir) => path.join(house, dir))) {
    for (const name of fs.existsSync(root) ? fs.readdirSync(root) : []) {
      const dir = path.join(root, name);
      if (name.startsWith('@')) for (const inner of fs.readdirSync(dir)) sources.push([`${name}+${inner}`, path.join(dir, inner)]);
      else if (!name.startsWith('.')) sources.push([name, dir]);
    }
  }
  // The largest by files: they say most. Half of them Go, half npm.
  const kinds = { go: [], npm: [] };
  for (const [name, dir] of sources) (name.includes('@v') ? kinds.go : kinds.npm).push({ name, dir, files: countFiles(dir) });
  for (const kind of Object.values(kinds)) {
    // A package that lies here twice is one repository.
    const once = kind.sort((a, b) => b.files - a.files).filter(({ name }, i) => kind.findIndex((other) => other.name === name) === i);
    for (const { name, dir } of once.slice(0, most / 2)) {
      const made = path.join(into, name);
      try {
        commitFolder(dir, made);
        list.push({ name, dir: made });
      } catch (error) { // a package that is being installed anew just now, say
        console.error(`${name}: left out: ${error.message}`);
      }
    }
  }
  return list;
}

/**
 * A made-up repository of `files` files for measuring growth: folders of fifty, a fifth of them packages with a manifest
 * of one of four ecosystems, sources of five languages whose sizes vary. By git fast-import: no file is on disk.
 */
export async function synthetic(dir, files) {
  fs.rmSync(dir, { recursive: true, force: true });
  execFileSync('git', ['init', '-q', '--bare', '-b', 'main', dir]);
  const child = spawn('git', ['-C', dir, 'fast-import', '--quiet'], { stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  const put = async (text) => {
    if (!child.stdin.write(text)) await once(child.stdin, 'drain');
  };
  const data = (text) => `data ${Buffer.byteLength(text)}\n${text}\n`;
  await put(`commit refs/heads/main\ncommitter bench <bench@example.com> 0 +0000\n${data('Start')}`);
  const manifests = [
    (n) => ['package.json', JSON.stringify({ name: `p${n}`, version: '1.0.0', dependencies: { express: '^4.19.0', [`lib-${n % 97}`]: '^1.0.0' } })],
    (n) => ['pyproject.toml', `[project]\nname = "p${n}"\nversion = "1"\ndependencies = ["fastapi>=0.110", "lib-${n % 97}"]\n`],
    (n) => ['go.mod', `module example.com/p${n}\n\ngo 1.22\n\nrequire github.com/acme/lib${n % 97} v1.2.3\n`],
    (n) => ['Cargo.toml', `[package]\nname = "p${n}"\nversion = "0.1.0"\n\n[dependencies]\nserde = "1"\nlib${n % 97} = "0.3"\n`],
  ];
  const endings = ['ts', 'py', 'go', 'rs', 'md'];
  for (let i = 0; i < files; i++) {
    const folder = Math.floor(i / 50);
    const where = `area${folder % 40}/part${folder}`;
    const [name, text] = i % 250 === 0 ? manifests[(i / 250) % manifests.length](folder)
      : [`file${i}.${endings[i % endings.length]}`, `// ${i}\n${'x = 1\n'.repeat(i % 300)}`];
    await put(`M 100644 inline ${where}/${name}\n${data(text)}`);
  }
  child.stdin.end('\n');
  const [status] = await ended;
  if (status !== 0) throw new Error(`git fast-import ended with ${status}`);
  execFileSync('git', ['-C', dir, 'symbolic-ref', 'HEAD', 'refs/heads/main']);
}
