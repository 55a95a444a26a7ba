// The graph through the running programs: questions at the edge, pull requests from their webhook on, the grapher's own CPU and
// memory. The large graph comes from graph_judge, under the number of a repository that is connected.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { sign } from '@octokit/webhooks-methods';
import { makeRepository } from '../../system/harness.mjs';
import { cpu, memory } from '../edge.measure.mjs';

const requests = 200;
const warming = 400; // before any of them: a Neo4j that has just been started takes three times as long, until all is compiled
export const pullFiles = 300;

// What is asked, in turn. `{middle}` is a path of the first half, `{touched}` one that pull
// requests touch, another one for each request; a route that this edge does not
// have is left out.
const questions = [
  ['files, the first page of 1,000', '/repos/{repo}/files?limit=1000'],
  ['files, a page of 1,000 further on', '/repos/{repo}/files?limit=1000&after={middle}'],
  ['files of a language, a page of 1,000', '/repos/{repo}/files?limit=1000&language=Go&after={middle}'],
  ['graph, 1,000 links', '/repos/{repo}/graph?limit=1000'],
  ['neighbours of a file', '/repos/{repo}/graph/neighbours?path={touched}'],
  ['changed together with a file', '/repos/{repo}/graph/changed-together?path={touched}'],
  ['most active people of a folder', '/repos/{repo}/graph/developers?folder=services'],
  ['pull requests that overlap', '/repos/{repo}/graph/overlaps?pull_request=1'],
  ['dependents of a package', '/dependents?purl=pkg%3Anpm%2Fexpress'],
];

export function percentiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (p) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
  return { median_ms: at(0.5), p99_ms: at(0.99) };
}

/** An answer, and what it took; fetch() is not asked, since here it holds each answer to its description, which takes milliseconds. */
function get(h, where, agent) {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    http.get(`${h.url}/api/v1${where}`, { agent, headers: { authorization: `Bearer ${h.alice}` } }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(parts), ms: performance.now() - began }));
      response.on('error', reject);
    }).on('error', reject);
  });
}

/** Asks one question `count` times on one connection; undefined where the edge has no such route. */
async function ask(h, template, repo, paths, count) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const times = [];
  let bytes;
  for (let i = 0; i < count; i++) {
    const middle = paths[Math.floor((paths.length * i) / (2 * count))]; // of the first half: the pages are full
    const where = template.replace('{repo}', repo).replace('{middle}', encodeURIComponent(middle)).replace('{touched}', encodeURIComponent(paths[i % pullFiles]));
    const { status, body, ms } = await get(h, where, agent);
    times.push(ms);
    if (status === 404 && i === 0) return undefined;
    if (status !== 200) throw new Error(`${where}: ${status} ${body}`);
    bytes = body.length;
  }
  agent.destroy();
  return { ...percentiles(times), bytes };
}

export async function readings(h, repo, paths) {
  const found = {};
  for (const count of [warming, requests]) {
    for (const [name, template] of questions) {
      const answer = await ask(h, template, repo, paths, count);
      if (answer) found[name] = answer;
    }
  }
  return found;
}

/** A head that touches `pullFiles` files of the graph. */
export async function makeHead(h, paths, number) {
  const git = (...args) => execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: h.repository, encoding: 'utf8' }).trim();
  git('checkout', '-q', '--detach', 'main');
  const sha = await makeRepository(h.repository, Object.fromEntries(paths.slice(0, pullFiles).map((name) => [name, `${number}\n`])));
  git('update-ref', `refs/pull/${number}/head`, sha);
  git('checkout', '-q', 'main');
  return sha;
}

/** ms from the answer to a webhook of a pull request until all that it touches is in the graph; `count(number)` looks there. */
export async function pullRequest(h, hook, number, sha, count) {
  const at = '2026-03-01T10:00:00Z';
  const body = JSON.stringify({
    action: 'opened', number, repository: { id: hook.repoId, full_name: hook.repo },
    pull_request: {
      number, title: `Pull ${number}`, body: '', state: 'open', merged: false, merged_at: null, user: { id: 501, login: 'ann' }, head: { sha },
      created_at: at, updated_at: at, html_url: `https://github.com/${hook.repo}/pull/${number}`,
    },
  });
  const { status, text } = await h.request('POST', '/api/v1/webhooks/github', {
    token: null, body,
    headers: {
      'content-type': 'application/json', 'x-github-event': 'pull_request', 'x-github-delivery': randomUUID(), 'x-github-hook-id': String(hook.id),
      'x-github-hook-installation-target-id': String(hook.repoId), 'x-hub-signature-256': await sign(hook.secret, body),
    },
  });
  if (status !== 200) throw new Error(text);
  const began = performance.now();
  while ((await count(number)) < pullFiles) {
    if (performance.now() - began > 60_000) throw new Error(`pull request ${number} does not come into the graph`);
  }
  return performance.now() - began;
}

/** A git repository of `paths`, by fast-import: no file of it is ever on the disk. */
export function importRepository(dir, paths) {
  fs.mkdirSync(dir, { recursive: true });
  const files = paths.map((name) => `M 100644 inline ${name}\ndata ${Buffer.byteLength(name)}\n${name}\n`);
  execFileSync('git', ['init', '-q', '-b', 'main', dir]);
  execFileSync('git', ['fast-import', '--quiet'], { cwd: dir, input: `commit refs/heads/main\ncommitter t <t@example.com> 1770000000 +0000\ndata 5\nStart\n${files.join('')}` });
  return path.resolve(dir);
}

const peak = (pid) => Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** What the grapher takes for a whole build, from the install to the end of its run. */
export async function graphersBuild(h, repo, dir) {
  const [owner, name] = repo.split('/');
  await h.control('POST', '/repos', { owner, name, path: dir });
  await h.control('POST', '/permissions', { owner, repo: name, login: 'alice', permission: 'admin' });
  const { pid } = h.get('grapher').child;
  fs.writeFileSync(`/proc/${pid}/clear_refs`, '5'); // the peak so far
  const before = cpu(pid);
  const { status, json, text } = await h.install(repo);
  if (status !== 200) throw new Error(text);
  const { grapher } = await h.untilDone(json.installation_id, ['grapher']);
  return { client_ms: cpu(pid) - before, peak_mb: peak(pid), wall_ms: grapher.finished_at - grapher.started_at };
}

/** CPU in ms a second, and resident MB. */
export async function idle(h, seconds) {
  const { pid } = h.get('grapher').child;
  const before = cpu(pid);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000)); // idling is what is measured
  return { cpu_ms_a_second: (cpu(pid) - before) / seconds, mb: memory(pid) };
}
