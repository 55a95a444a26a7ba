// `make install` into a folder of its own, and a subscriber outside of this house that is built on what lies there
// alone, against a real nats-server: what README and docs/subscribers.md promise to whoever has only the package.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { house, Program } from './harness.mjs';
import { connected, Nats } from './nats.mjs';

const run = promisify(execFile);
let dir, root, env, nats;
before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-install-'));
  root = path.join(dir, 'root/usr/local');
  nats = await Nats.start();
  await run('make', ['-s', 'install', `DESTDIR=${path.join(dir, 'root')}`], { cwd: house, maxBuffer: 1 << 24, env: { ...process.env, MAKEFLAGS: '' } });
  env = { ...process.env, PKG_CONFIG_PATH: path.join(root, 'lib/pkgconfig'), LD_LIBRARY_PATH: path.join(root, 'lib') };
});
after(async () => {
  await nats?.stop();
  fs.rmSync(dir, { recursive: true, force: true });
});

test('each thing is where it belongs', async () => {
  for (const file of ['bin/repobus', 'bin/repobus-edge', 'bin/repobus-scanner', 'bin/repobus-grapher', 'lib/librepobus.so', 'lib/librepobus.so.1',
    'include/repobus/bus.h', 'lib/pkgconfig/repobus.pc', 'share/man/man1/repobus.1', 'share/man/man3/repobus-subscriber.3']) {
    assert.ok(fs.existsSync(path.join(root, file)), file);
  }
  assert.deepEqual(fs.readdirSync(path.join(root, 'include/repobus')), ['bus.h'], 'one header');
  const { stdout } = await run('readelf', ['-d', path.join(root, 'lib/librepobus.so')]);
  assert.match(stdout, /SONAME.*\[librepobus\.so\.1\]/);
  assert.match(fs.readFileSync(path.join(root, 'share/man/man1/repobus.1'), 'utf8'), /repobus connect OWNER\/REPO/);
});

test('the library shows the functions of its header, and no others', async () => {
  const { stdout } = await run('nm', ['-D', '--defined-only', '--format=posix', path.join(root, 'lib/librepobus.so')]);
  const shown = stdout.split('\n').filter((line) => / [TDBR] /.test(line)).map((line) => line.split(/[@ ]/)[0]).sort();
  const { stdout: header } = await run('gcc', ['-fpreprocessed', '-dD', '-E', '-P', path.join(root, 'include/repobus/bus.h')]);
  const declared = [...header.matchAll(/\b(rb_\w+)\s*\((?!\*)/g)].map((match) => match[1]);
  const inline = [...header.matchAll(/static inline [\w ]*?\b(rb_\w+)\(/g)].map((match) => match[1]);
  const expected = [...new Set(declared.filter((name) => !inline.includes(name)))].filter((name) => !/^rb_log_(debug|info|warn|error)$/.test(name)).sort();
  assert.deepEqual(shown, expected);
});

test('a subscriber outside of this house builds as C and C++, runs, and handles what was there before it', async () => {
  fs.copyFileSync(path.join(house, 'examples/hello-subscriber/main.c'), path.join(dir, 'feature.c'));
  const build = (cc, more) => run('sh', ['-c', `${cc} -Wall -Wextra -Werror ${more} $(pkg-config --define-prefix --cflags --libs repobus)`], { cwd: dir, env });
  await build('cc -std=c11 -pedantic', 'feature.c -o feature');
  fs.writeFileSync(path.join(dir, 'header.cc'), '#include <repobus/bus.h>\n');
  await build('c++ -std=c++17', '-c header.cc');
  // An example with more than one file, by its own Makefile.
  fs.cpSync(path.join(house, 'examples/labeller'), path.join(dir, 'labeller'), { recursive: true });
  await run('make', ['-s'], { cwd: path.join(dir, 'labeller'), env: { ...env, PKG_CONFIG_SYSROOT_DIR: path.join(dir, 'root'), MAKEFLAGS: '' } });
  const { stdout: needs } = await run('ldd', [path.join(dir, 'labeller/labeller')], { env });
  assert.doesNotMatch(needs, /libpq/, 'no database');

  const child = spawn(path.join(dir, 'feature'), { env: { ...env, NATS_URL: nats.url, HEALTH_PORT: '0' }, stdio: ['ignore', 'pipe', 'pipe'] });
  const hello = new Program('feature', child, path.join(dir, 'feature.log'));
  try {
    await hello.line(/subscriber started/);
    await nats.untilStreams();
    await nats.publish(connected({ repo: 'acme/outside' }));
    assert.equal(await hello.line(/^hello, /), 'hello, acme/outside');
    await hello.stop();
  } finally {
    if (hello.isRunning) await hello.kill();
  }
});
