// The programs that write a graph: each does a step for every line it is given, and answers with a line. What a step took is
// read of the processes on both sides: wall, and CPU of the client and of the server.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { house } from '../../system/harness.mjs';
import { cpu, memory } from '../edge.measure.mjs';

const here = path.join(house, 'tests/bench/graph');
const judge = path.join(house, 'build/bench/graph_judge');
const python = path.join(house, 'build/bench/graph-venv/bin/python');

export class Writer {
  static async start(command, env) {
    const writer = new Writer();
    writer.child = spawn(command[0], command.slice(1), { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    writer.exited = new Promise((resolve) => writer.child.on('exit', resolve));
    writer.lines = createInterface({ input: writer.child.stdout })[Symbol.asyncIterator]();
    await writer.answer(); // "ready"
    return writer;
  }

  async answer() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.child.spawnargs.join(' ')} has ended`);
    return value;
  }

  /** One step; `server()` gives the CPU of the server so far, in ms. */
  async step(line, server = () => 0) {
    const [client, other, began] = [cpu(this.child.pid), server(), performance.now()];
    this.child.stdin.write(`${line}\n`);
    const answer = JSON.parse(await this.answer());
    const took = { wall_ms: performance.now() - began, client_ms: cpu(this.child.pid) - client, server_ms: server() - other, client_mb: memory(this.child.pid) };
    if (answer.error) throw new Error(`${line}: ${answer.error}`);
    // What the program says of itself is finer, and without what it does for the bench.
    return { ...took, ...answer, client_ms: answer.cpu_ms ?? took.client_ms };
  }

  async stop() {
    this.child.stdin.end();
    await this.exited;
  }
}

export const repobus = (files, env) => Writer.start([judge, String(files)], env);
const ways = {
  'the original: Python, async, 200 rows, MERGE': (rows) => [python, path.join(here, 'drivers.py'), 'original', rows],
  'official Python driver, 5,000 rows, CREATE': (rows) => [python, path.join(here, 'drivers.py'), 'create', rows],
  'official JavaScript driver, 5,000 rows, CREATE': (rows) => [process.execPath, path.join(here, 'driver.mjs'), rows],
};
/** Each as it is usually written (files, their links to the repository, five properties), then with the graph that Repobus writes. */
export const drivers = Object.fromEntries(Object.entries(ways).flatMap(([name, command]) => [
  [name, (rows, env) => Writer.start(command(rows), env)],
  [`${name}; the same graph`, (rows, env) => Writer.start([...command(rows), 'same'], env)],
]));

/** Runs a script of psql; its own CPU is what its last line says. The server's is read while its backend still lives: one that is
 * just ending is counted neither as a child nor in what the postmaster has of ended ones. */
export async function psql(databaseUrl, script, server) {
  const [other, began] = [server(), performance.now()];
  const child = spawn('psql', ['-qAtX', '-v', 'ON_ERROR_STOP=1', databaseUrl], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = new Promise((resolve) => child.on('close', resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.write(`${script}\n\\! cat /proc/$PPID/stat\n`);
  const { value } = await lines.next();
  const took = { wall_ms: performance.now() - began, server_ms: server() - other };
  child.stdin.end();
  const code = await closed;
  if (code !== 0) throw new Error(`psql ended with ${code}: ${script}`);
  const stat = value.split(') ')[1].split(' ');
  return { ...took, client_ms: 10 * (Number(stat[11]) + Number(stat[12])) };
}

/** The rows of a repository in all tables of its graph, as files, under another number; the script that copies them in. */
export async function copies(h, dir, from, to) {
  const tables = ['graph_repositories', 'graph_directories', 'graph_files']; // the order they refer to each other in
  const out = [];
  const back = [];
  for (const table of tables) {
    const columns = (await h.rows('select column_name as name from information_schema.columns where table_name = $1 and is_generated = $2 order by ordinal_position', [table, 'NEVER'])).map(({ name }) => `"${name}"`);
    const file = path.join(dir, `${table}.rows`);
    out.push(`\\copy (select ${columns.map((name) => (name === '"repo_id"' ? String(to) : name)).join(', ')} from ${table} where repo_id = ${from}) to '${file}'`);
    back.push(`\\copy ${table} (${columns.join(', ')}) from '${file}'`);
  }
  await psql(h.databaseUrl, out.join('\n'), () => 0);
  return ['begin;', ...back, 'commit;'].join('\n');
}

export const pidIn = (file) => Number(fs.readFileSync(file, 'utf8').split('\n')[0]);
