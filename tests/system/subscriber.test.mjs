// A subscriber that this house knows nothing of: the shortest one, as the README shows it. It is started after the
// event it is to see, next to those that run.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bin, House, house, Program } from './harness.mjs';

let h;
before(async () => { h = await House.start({ programs: ['edge'] }); });
after(() => h?.stop());

test('a new subscriber gets what came before it, and is seen like the others', async () => {
  const connected = await h.cli(['connect', '--no-wait', 'acme/shop']);
  assert.equal(connected.code, 0, connected.stderr);
  // It is given what the README says: the address of NATS and nothing else.
  const { NATS_URL, ASAN_OPTIONS, UBSAN_OPTIONS, LSAN_OPTIONS } = h.env;
  const child = spawn(path.join(bin, 'hello-subscriber'), { env: { NATS_URL, ASAN_OPTIONS, UBSAN_OPTIONS, LSAN_OPTIONS, HEALTH_PORT: '0' }, stdio: ['ignore', 'pipe', 'pipe'] });
  const hello = new Program('hello', child, path.join(h.dir, 'hello.log'));
  h.programs.set('hello', hello);
  assert.equal(await hello.line(/^hello, /), 'hello, acme/shop');
  const watched = await h.cli(['watch', '--wait-for=hello', 'acme/shop']);
  assert.equal(watched.code, 0, watched.stderr);
  assert.match(watched.stdout, /hello +done +1\/1 +said hello/);
  await hello.stop();
});

test('the README shows this very subscriber', () => {
  const source = fs.readFileSync(path.join(house, 'examples/hello-subscriber/main.c'), 'utf8');
  const code = source.slice(source.indexOf('#include'));
  assert.ok(fs.readFileSync(path.join(house, 'README.md'), 'utf8').includes(code.trim()), 'README.md holds examples/hello-subscriber/main.c from its first #include on');
});
