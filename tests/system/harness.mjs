// What every system test stands on: real servers and the real binaries, each test file with its own, on free ports
// of the loopback interface, in a folder that goes away. RB_BIN selects the binaries (plain or sanitized).

import { execFile, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { describe } from './description.mjs';

export const house = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const bin = path.resolve(house, process.env.RB_BIN ?? 'build/bin');
// How long a test waits for what must come: generous, since machines are busy and time is not what is tested.
export const patience = 180_000;
// What is held at GitHub is held until the test lets it go, however long that takes, and nobody asks GitHub for
// deliveries meanwhile: tests of what happens when time runs out set their own.
const unhurried = { GITHUB_TIMEOUT_MS: '60000', RESERVATION_SECONDS: '600', DELIVERIES_SECONDS: '86400' };
const run = promisify(execFile);

/**
 * Runs tests/servers/NAME VERB on `dir`; `start` gives the server's URL. Programs and servers are killed here, the
 * machine is not: what is written need not reach the disk, for which others would make it wait. Who measures says
 * otherwise (tests/bench/run).
 */
export async function server(name, verb, dir) {
  const { stdout } = await run(path.join(house, 'tests/servers', name), [verb, dir], { env: { POSTGRES_FSYNC: 'off', NATS_SYNC: '2m', ...process.env } });
  return stdout.trim();
}

/** Resolves with the first truthy answer of `probe`, asked every 25 ms; fails with `what` after `patience`. */
export async function until(what, probe, timeout = patience) {
  const deadline = Date.now() + timeout;
  let last;
  for (;;) {
    try {
      const answer = await probe();
      if (answer) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeout} ms (last: ${last?.stack ?? JSON.stringify(last)})`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/**
 * A port of 127.0.0.1 on which nothing listens, below those that the kernel gives to clients: it can be had again after
 * a restart. Those of the servers, which are looked for meanwhile, are others (tests/servers/functions).
 */
export async function freePort() {
  for (;;) {
    const port = 28000 + Math.floor(Math.random() * 4000);
    const server = net.createServer();
    const free = await new Promise((resolve) => server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)));
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** One more commit in the git repository `dir`, which is made if need be: `files` ({path: content}) written, `gone` removed. */
export async function makeRepository(dir, files, gone = []) {
  fs.mkdirSync(dir, { recursive: true });
  const git = (...args) => run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: dir });
  await git('init', '-q', '-b', 'main');
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    fs.writeFileSync(path.join(dir, name), content);
  }
  for (const name of gone) fs.rmSync(path.join(dir, name));
  await git('add', '-A');
  await git('commit', '-q', '--allow-empty', '-m', 'Start');
  return (await git('rev-parse', 'HEAD')).stdout.trim();
}

export const shop = {
  'package.json': JSON.stringify({ name: 'shop', dependencies: { express: '^4.19.0' }, devDependencies: { jest: '^29.0.0' } }),
  'README.md': '# Shop\n',
  'src/index.js': 'const app = require("express")();\napp.listen(3000);\n',
  'src/cart.js': 'exports.total = (items) => items.reduce((sum, item) => sum + item.price, 0);\n',
  'tools/report.py': 'import sys\nprint(sys.argv)\n',
  'test/cart.test.js': 'test("adds", () => expect(1 + 1).toBe(2));\n',
  '.github/workflows/ci.yml': 'on: push\njobs: {}\n',
};

/** A compact JWT, signed as asked for: for tokens that the server must and must not accept. */
export function jwt(payload, key, header = { alg: 'HS256', typ: 'JWT' }) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = `${part(header)}.${part(payload)}`;
  return `${head}.${createHmac('sha256', key).update(head).digest('base64url')}`;
}

/** One running program of ours. */
export class Program {
  constructor(name, child, log) {
    Object.assign(this, { name, child, log, exited: once(child, 'close') }); // when its last line has been read, too
    this.lines = [];
    this.waiters = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        fs.appendFileSync(log, `${line}\n`);
        this.lines.push(line);
        this.waiters = this.waiters.filter((waiter) => !waiter(line));
      });
    }
  }

  /** The first line, past or coming, that matches. */
  line(pattern) {
    const found = this.lines.find((line) => pattern.test(line));
    if (found) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name}: no line ${pattern}\n${this.tail()}`)), patience);
      this.waiters.push((line) => {
        if (!pattern.test(line)) return false;
        clearTimeout(timer);
        resolve(line);
        return true;
      });
      this.exited.then(([code, signal]) => {
        clearTimeout(timer);
        reject(new Error(`${this.name} ended (${code ?? signal})\n${this.tail()}`));
      });
    });
  }

  tail() {
    return this.lines.slice(-40).join('\n');
  }

  /** SIGTERM; fails when the program does not end with 0 (a sanitizer's finding or a leak ends it with 86). */
  async stop() {
    this.child.kill('SIGTERM');
    const [code, signal] = await this.exited;
    if (code !== 0) throw new Error(`${this.name} ended with ${code ?? signal} on SIGTERM\n${this.tail()}`);
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  get isRunning() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }
}

export class House {
  programs = new Map();

  /**
   * Starts PostgreSQL, nats-server, the stand-in with the repository acme/shop (admin: alice), and the named
   * programs. `env` is given to all programs of ours.
   */
  static async start({ programs = ['edge', 'scanner', 'grapher'], env = {}, files = shop } = {}) {
    const h = new House();
    h.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-test-'));
    fs.chmodSync(h.dir, 0o755); // PostgreSQL runs under another account when we are root
    try {
      h.secretKey = randomBytes(32).toString('hex');
      h.repository = path.join(h.dir, 'shop');
      const [databaseUrl, natsUrl, commit] = await Promise.all([
        h.server('postgres', 'start'),
        h.server('nats', 'start'),
        makeRepository(h.repository, files),
      ]);
      Object.assign(h, { databaseUrl, natsUrl, commit });
      h.env = {
        PATH: process.env.PATH, HOME: h.dir, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '',
        UBSAN_OPTIONS: process.env.UBSAN_OPTIONS ?? '', LSAN_OPTIONS: process.env.LSAN_OPTIONS ?? '',
        SECRET_KEY: h.secretKey, DATABASE_URL: databaseUrl, NATS_URL: natsUrl,
        RB_ACK_WAIT_MS: '5000', RECONCILE_SECONDS: '1', LOG_LEVEL: 'debug', ...unhurried, ...env,
      };
      await run(path.join(house, 'migrations/apply'), [], { env: { ...process.env, DATABASE_URL: databaseUrl } });
      h.db = new pg.Pool({ connectionString: databaseUrl, max: 4 });
      h.db.on('error', () => {}); // servers are stopped under it on purpose
      await h.startGithub();
      for (const program of programs) await h.launch(program);
      if (programs.includes('edge')) h.alice = await h.token('alice');
    } catch (error) {
      await h.stop().catch(() => {});
      throw error;
    }
    return h;
  }

  /** Runs tests/servers/NAME VERB on this house's folder; `start` gives the server's URL. */
  server(name, verb) {
    return server(name, verb, path.join(this.dir, name));
  }

  /** Why there can be no Neo4j here; undefined where there can. The first time it is fetched. */
  static async neo4jMissing() {
    try {
      await run(path.join(house, 'tests/servers/neo4j'), ['fetch'], { timeout: 600_000 });
    } catch (error) {
      if (error.code !== 3) throw error;
      return error.stderr.trim();
    }
  }

  /** Starts a Neo4j for the programs that are launched from now on; its settings, NEO4J_BOLT_URI for drivers among them. */
  async startNeo4j() {
    const lines = (await this.server('neo4j', 'start')).split('\n');
    const settings = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    Object.assign(this.env, settings);
    return settings;
  }

  async startGithub() {
    const child = spawn(path.join(bin, 'github-standin'), ['--repo', `acme/shop=${this.repository}`, '--user', 'alice=token-alice', '--user', 'bob=token-bob'], {
      env: this.env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.github = new Program('github-standin', child, path.join(this.dir, 'github.log'));
    this.programs.set('github', this.github);
    this.githubUrl = /listening=(\S+)/.exec(await this.github.line(/listening=/))[1];
    this.env.GITHUB_API_URL = this.githubUrl;
  }

  /** Starts repobus-NAME, waits until it listens. The edge keeps its port over restarts. */
  async launch(name, env = {}) {
    const key = env.AS ?? name;
    const all = { ...this.env, HEALTH_PORT: '0', ...env };
    if (name === 'edge') {
      if (key === 'edge') all.PORT = String(this.edgePort ??= await freePort());
      all.BACKEND_URL ??= 'https://repobus.example.com';
    }
    const child = spawn(path.join(bin, `repobus-${name}`), [], { env: all, stdio: ['ignore', 'pipe', 'pipe'] });
    const program = new Program(key, child, path.join(this.dir, `${key}.log`));
    this.programs.set(key, program);
    const port = /listening=(?:https?:\/\/)?[^\s:]*:(\d+)/.exec(await program.line(/listening=/))[1];
    program.url = `http://127.0.0.1:${port}`;
    if (name === 'edge') describe(program.url);
    if (key === 'edge') this.url = program.url;
    return program;
  }

  get(name) {
    return this.programs.get(name);
  }

  /** A user with a sealed token; answers the JWT. */
  async token(login, { oauth = `token-${login}`, args = [] } = {}) {
    const { stdout } = await this.cli(['token', '--login', login, ...args], { GITHUB_TOKEN: oauth });
    return stdout.trim();
  }

  /** The command line; the exit code is in `code`. */
  async cli(args, env = {}) {
    try {
      return { code: 0, ...(await run(path.join(bin, 'repobus'), args, { env: { ...this.env, REPOBUS_URL: this.url ?? '', REPOBUS_TOKEN: this.alice ?? '', ...env } })) };
    } catch (error) {
      if (typeof error.code !== 'number') throw error;
      if (args[0] === 'token') throw new Error(`repobus token: ${error.code} ${error.stderr}`);
      return { code: error.code, stdout: error.stdout, stderr: error.stderr };
    }
  }

  /**
   * A request to the edge: {status, text, json, headers}. On a connection of its own: one that is kept may end, for
   * having idled or with its edge, at the moment it is used again.
   */
  async request(method, where, { token = this.alice, headers = {}, body, url = this.url } = {}) {
    const response = await fetch(url + where, {
      method, body, headers: { connection: 'close', ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers }, signal: AbortSignal.timeout(patience),
    });
    const text = await response.text();
    let json;
    try {
      json = JSON.parse(text);
    } catch { /* not every answer is */ }
    return { status: response.status, text, json, headers: response.headers };
  }

  /**
   * The answer to a question about a graph, which is asked again while it is 503: a Neo4j that plans a statement for the
   * first time on a busy machine may take longer than the edge waits for it.
   */
  readGraph(where, options) {
    return until(where, async () => {
      const answer = await this.request('GET', where, options);
      return answer.status !== 503 && answer;
    });
  }

  install(repo = 'acme/shop', options = {}) {
    return this.request('POST', `/api/v1/repos/${repo}/install`, options);
  }

  /**
   * The answer of `ask`, which is asked again while somebody else connects or disconnects the repository: several may
   * take longer than one waits, and then one is told to come again.
   */
  async inTurn(ask) {
    for (;;) {
      const answer = await ask();
      if (!/omebody else is connecting or disconnecting this repository right now: try again/.test(answer.text)) return answer;
    }
  }

  /** The stand-in's control routes; on a connection of its own, as requests to the edge are. */
  async control(method, where, body) {
    const response = await fetch(`${this.githubUrl}/_control${where}`, { method, body: body && JSON.stringify(body), headers: { connection: 'close' }, signal: AbortSignal.timeout(patience) });
    if (!response.ok) throw new Error(`control ${method} ${where}: ${response.status} ${await response.text()}`);
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  }

  fault(fault) {
    return this.control('POST', '/faults', fault);
  }

  /** Those of `repo`, "owner/name"; without it every hook that the stand-in has. */
  hooks(repo) {
    return this.control('GET', repo ? `/hooks/${repo}` : '/hooks');
  }

  async rows(sql, params) {
    return (await this.db.query(sql, params)).rows;
  }

  /**
   * The time of a connect of `repo` that nobody works on any more has run out, as it does by itself after
   * RESERVATION_SECONDS. That is long here: a short one would also end those that are but slow.
   */
  runOut(repo) {
    return this.rows("update installations set reserved_until = now() - interval '1 second' where state = 'reserved' and lower(repo_full_name) = lower($1)", [repo]);
  }

  /** The runs of an installation by subscriber. */
  async runs(installation) {
    return Object.fromEntries((await this.rows('select * from runs where installation_id = $1', [installation])).map((row) => [row.subscriber, row]));
  }

  async untilDone(installation, subscribers = ['scanner', 'grapher']) {
    return until(`runs of ${installation} done`, async () => {
      const runs = await this.runs(installation);
      return subscribers.every((name) => runs[name]?.state === 'done') && runs;
    });
  }

  /** Stops everything; fails when a program that still runs does not end cleanly. */
  async stop() {
    const problems = [];
    await this.db?.end().catch((error) => problems.push(error));
    await Promise.all([...this.programs.values()].filter((p) => p.isRunning).map((p) => p.stop().catch((error) => problems.push(error))));
    const servers = ['postgres', 'nats', 'neo4j'].filter((name) => fs.existsSync(path.join(this.dir, name)));
    await Promise.all(servers.map((name) => this.server(name, 'stop').catch((error) => problems.push(error))));
    if (problems.length) throw new AggregateError(problems, problems.map((p) => p.message).join('\n'));
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
