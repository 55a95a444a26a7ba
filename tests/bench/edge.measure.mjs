// What the bench of the edge reads of a process: its CPU and memory, its system calls (strace), its instructions (callgrind).

import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const tick = 10; // ms: USER_HZ is 100 on Linux

function stat(pid) {
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
}

/** Milliseconds of CPU, user and system, of a process; with `family` also of its children, those that have ended included. */
export function cpu(pid, family = false) {
  const fields = stat(pid);
  let sum = tick * (fields[11] + fields[12]);
  if (family) {
    sum += tick * (fields[13] + fields[14]);
    for (const other of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        if (stat(other)[1] === pid) sum += cpu(Number(other));
      } catch { /* it has ended meanwhile */ }
    }
  }
  return sum;
}

/** Resident MB; 0 for a process that has ended. */
export function memory(pid) {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** How many system calls all threads of `pid` make while `work` is done. */
export async function systemCalls(pid, file, work) {
  const strace = spawn('strace', ['-f', '-c', '-o', file, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => strace.on('exit', resolve));
  let text = '';
  await new Promise((resolve, reject) => {
    strace.stderr.on('data', (chunk) => {
      text += chunk;
      if (text.includes('attached')) resolve();
    });
    strace.on('error', reject);
    strace.on('exit', () => reject(new Error(`strace: ${text}`)));
  });
  try {
    await work();
  } finally {
    strace.kill('SIGINT');
    await ended;
  }
  const total = fs.readFileSync(file, 'utf8').trim().split('\n').at(-1).trim().split(/\s+/);
  return Number(total[3]); // % time, seconds, usecs/call, calls
}

/** What stands before a command whose instructions are counted; counting begins with instructions(). */
export const callgrind = (file) => ['valgrind', '-q', '--tool=callgrind', '--instr-atstart=no', `--callgrind-out-file=${file}`];

/** How many instructions all threads of `pid`, started behind callgrind(file), run while `work` is done. */
export async function instructions(pid, file, work) {
  const tell = (...words) => run('vgdb', [`--pid=${pid}`, ...words]);
  await tell('instrumentation', 'on');
  await tell('zero');
  await work();
  const before = new Set(dumps(file));
  await tell('dump');
  await tell('instrumentation', 'off');
  const [dump] = dumps(file).filter((name) => !before.has(name));
  return Number(/^(?:totals|summary): (\d+)/m.exec(fs.readFileSync(dump, 'utf8'))[1]);
}

function dumps(file) {
  const dir = file.slice(0, file.lastIndexOf('/'));
  return fs.readdirSync(dir).map((name) => `${dir}/${name}`).filter((name) => name.startsWith(`${file}.`));
}
