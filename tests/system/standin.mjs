// The GitHub stand-in alone, with git repositories that hold what is awkward, and the official client in front of it.

import { execFile, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Octokit } from '@octokit/rest';
import { Program, bin, patience } from './harness.mjs';
import { described } from './github-description.mjs';

export const run = promisify(execFile);

/** git in `dir`; standard output as bytes. Nothing of the caller's configuration matters. */
export function git(dir, ...args) {
  const options = typeof args.at(-1) === 'object' ? args.pop() : {};
  const env = {
    PATH: process.env.PATH, HOME: dir, GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.com', GIT_AUTHOR_DATE: '1700000000 +0100',
    GIT_COMMITTER_NAME: 'Grace', GIT_COMMITTER_EMAIL: 'grace@example.com', GIT_COMMITTER_DATE: '1700000000 +0100',
    ...options.env,
  };
  return execFileSync('git', ['-c', 'safe.directory=*', ...args], { cwd: dir, env, input: options.input, maxBuffer: 1 << 28 });
}
export const gitText = (...args) => git(...args).toString().trim();

export const binary = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7) % 256));
export const deepPath = `${Array.from({ length: 40 }, (_, i) => `level${i}`).join('/')}/bottom.txt`;

/** Everything a tree can hold, three branches, an annotated and a plain tag; answers the names of its commits. */
export function makeAwkward(dir) {
  fs.mkdirSync(dir, { recursive: true });
  git(dir, 'init', '-q', '-b', 'main');
  const write = (name, content, mode) => {
    const at = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name)]);
    fs.mkdirSync(path.join(dir, path.dirname(name.toString())), { recursive: true });
    fs.writeFileSync(at, content, { mode });
  };
  write('README.md', '# Awkward\n');
  write('run.sh', '#!/bin/sh\n', 0o755);
  write('data.bin', binary);
  write('empty', '');
  write('big.txt', 'a line of text\n'.repeat(80_000)); // beyond the 1 MB that contents hold inline
  write(deepPath, 'far down\n');
  write('with space/and#hash?.txt', 'x\n');
  write('ünï/ç.txt', 'ü\n');
  write(Buffer.from([0x62, 0x61, 0x64, 0xff, 0x2e, 0x63]), 'not UTF-8\n'); // "bad\xff.c"
  write('src/main.c', 'int main(void) { return 0; }\n');
  fs.symlinkSync('src/main.c', path.join(dir, 'link-to-file'));
  fs.symlinkSync('../nowhere', path.join(dir, 'src/dangling'));
  write('.gitmodules', '[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://example.com/other/lib.git\n');
  git(dir, 'add', '-A');
  git(dir, 'update-index', '--add', '--cacheinfo', '160000,1111111111111111111111111111111111111111,vendor/lib');
  git(dir, 'commit', '-q', '-m', 'Start\n\nWith a body.');
  const first = gitText(dir, 'rev-parse', 'HEAD');
  for (let i = 1; i <= 34; i++) {
    git(dir, 'commit', '-q', '--allow-empty', '-m', `Step ${i}`, { env: { GIT_COMMITTER_DATE: `${1700000000 + i * 60} +0100` } });
  }
  git(dir, 'tag', 'v1', first);
  git(dir, 'tag', '-a', '-m', 'Two', 'v2', 'HEAD~1');
  git(dir, 'branch', 'feature/one', first);
  git(dir, 'branch', 'old', 'HEAD~5');
  return { first, head: gitText(dir, 'rev-parse', 'HEAD') };
}

/** On a connection of its own, as in harness.mjs: one that is kept may end for having idled when it is used again. */
const ask = (url, { headers, ...options }) => fetch(url, { ...options, headers: { ...headers, connection: 'close' } });

export class Standin {
  /** `repos`: {"owner/name": path}. alice is the first user and admin of them, bob may read. */
  static async start({ repos = {}, args = [], users = ['alice=token-alice', 'bob=token-bob'] } = {}) {
    const s = new Standin();
    s.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-standin-'));
    const list = Object.entries(typeof repos === 'function' ? repos(s.dir) : repos);
    const child = spawn(path.join(bin, 'github-standin'), [
      ...users.flatMap((user) => ['--user', user]), ...list.flatMap(([name, at]) => ['--repo', `${name}=${at}`]), ...args,
    ], { stdio: ['ignore', 'pipe', 'pipe'] });
    s.program = new Program('github-standin', child, path.join(s.dir, 'standin.log'));
    s.url = /listening=(\S+)/.exec(await s.program.line(/listening=/))[1];
    s.port = Number(new URL(s.url).port);
    return s;
  }

  async stop() {
    await this.program.stop();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  /** The official client; without a name, without a token. */
  client(login) {
    const quiet = { debug() {}, info() {}, warn() {}, error() {} };
    return new Octokit({ auth: login && `token-${login}`, baseUrl: this.url, userAgent: 'standin-test', log: quiet, request: { fetch: ask } });
  }

  /** One request by Octokit, held against the description; the response, whatever its status. */
  async ask(client, route, params = {}, options = {}) {
    const response = await client.request(route, params).catch((error) => {
      if (!error.response) throw error;
      return error.response;
    });
    described(route, response, options);
    return response;
  }

  /** A request as it is, redirects not followed: {status, headers, text, bytes}. */
  async raw(method, where, { headers = {}, body, token = 'token-alice' } = {}) {
    const response = await ask(this.url + where, {
      method, body, redirect: 'manual', signal: AbortSignal.timeout(patience),
      headers: { 'user-agent': 'standin-test', ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: Object.fromEntries(response.headers), text: bytes.toString(), bytes };
  }

  async control(method, where, body) {
    const { status, text } = await this.raw(method, `/_control${where}`, { token: null, body: body && JSON.stringify(body) });
    if (status !== 200) throw new Error(`control ${method} ${where}: ${status} ${text}`);
    return JSON.parse(text);
  }
}

/** A server that takes deliveries: `next()` gives them in the order they came. */
export class Receiver {
  static async start() {
    const r = new Receiver();
    Object.assign(r, { arrived: [], waiting: [], status: 200 });
    r.server = http.createServer((request, response) => {
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const delivery = { path: request.url, method: request.method, headers: request.headers, body };
        response.writeHead(r.status, { 'x-answer': 'yes' }).end('taken');
        const waiter = r.waiting.shift();
        if (waiter) waiter(delivery);
        else r.arrived.push(delivery);
      });
    });
    await new Promise((resolve) => r.server.listen(0, '127.0.0.1', resolve));
    r.url = `http://127.0.0.1:${r.server.address().port}`;
    return r;
  }

  next() {
    if (this.arrived.length) return Promise.resolve(this.arrived.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no delivery came')), patience);
      this.waiting.push((delivery) => {
        clearTimeout(timer);
        resolve(delivery);
      });
    });
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
