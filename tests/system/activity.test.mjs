// What happens on GitHub becomes graph: pull requests with their files, issues, people, what closes what. The same on
// both stores; on Neo4j it is skipped, with the reason, where that cannot be had.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { sign } from '@octokit/webhooks-methods';
import neo4j from 'neo4j-driver';
import { House, makeRepository, until } from './harness.mjs';
import { bus } from './nats.mjs';

const run = promisify(execFile);
const people = { ann: 501, ben: 502 };
const at = (second) => `2026-03-01T10:00:${String(second).padStart(2, '0')}Z`;

function suite(store) {
  let h;
  let unavailable;
  let settings;
  let hook;
  let driver;

  before(async () => {
    unavailable = store === 'Neo4j' ? await House.neo4jMissing() : undefined;
    if (unavailable) return;
    h = await House.start({ programs: ['edge'] });
    if (store === 'Neo4j') {
      settings = await h.startNeo4j();
      driver = neo4j.driver(settings.NEO4J_BOLT_URI, neo4j.auth.basic(settings.NEO4J_USERNAME, settings.NEO4J_PASSWORD), { disableLosslessIntegers: true });
    }
    await h.launch('grapher');
    hook = await connected('acme/shop');
  });
  after(async () => {
    await driver?.close();
    await h?.stop();
  });
  const it = (name, fn) => test(name, (t) => (unavailable ? t.skip(unavailable) : fn(t)));

  async function connected(repo) {
    const { json, status, text } = await h.install(repo);
    assert.equal(status, 200, text);
    await h.untilDone(json.installation_id, ['grapher']);
    const [row] = await h.rows('select repo_id, webhook_id from installations where id = $1', [json.installation_id]);
    const { secret } = (await h.hooks()).find(({ id }) => id === Number(row.webhook_id));
    return { id: Number(row.webhook_id), secret, repoId: Number(row.repo_id), repo, installation: json.installation_id };
  }

  /** Puts files onto a branch of the repository, as the head of a pull request. */
  async function head(number, files, gone = []) {
    const git = async (...args) => (await run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: h.repository })).stdout.trim();
    const exists = await git('rev-parse', '-q', '--verify', `refs/pull/${number}/head`).catch(() => '');
    await git('checkout', '-q', '--detach', exists || 'main');
    await makeFiles(h.repository, files, gone);
    await git('add', '-A');
    await git('commit', '-q', '-m', `pull ${number}`);
    await git('update-ref', `refs/pull/${number}/head`, 'HEAD');
    const sha = await git('rev-parse', 'HEAD');
    await git('checkout', '-q', 'main');
    return sha;
  }
  async function makeFiles(dir, files, gone) {
    for (const [name, content] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
      fs.writeFileSync(path.join(dir, name), content);
    }
    for (const name of gone) fs.rmSync(path.join(dir, name));
  }

  const user = (login) => (login ? { id: people[login], login } : null);
  const pull = (number, { action = 'opened', title = `Pull ${number}`, body = '', state = 'open', merged = null, by = 'ann', sha, base = 'main', second = 0 }) => ({
    event: 'pull_request',
    payload: {
      action, number,
      pull_request: {
        number, title, body, state, merged: merged !== null, merged_at: merged, user: user(by), head: { sha }, base: { ref: base }, created_at: at(0), updated_at: at(second),
        html_url: `https://github.com/${hook.repo}/pull/${number}`,
      },
    },
  });
  const issue = (number, { action = 'opened', title = `Issue ${number}`, state = 'open', by = 'ann', second = 0 }) => ({
    event: 'issues',
    payload: { action, issue: { number, title, state, user: user(by), created_at: at(0), updated_at: at(second), html_url: `https://github.com/${hook.repo}/issues/${number}` } },
  });

  async function deliver({ event, payload }, to = hook) {
    const body = JSON.stringify({ ...payload, repository: { id: to.repoId, full_name: to.repo } });
    const { status, text } = await h.request('POST', '/api/v1/webhooks/github', {
      token: null, body,
      headers: {
        'content-type': 'application/json', 'x-github-event': event, 'x-github-delivery': randomUUID(), 'x-github-hook-id': String(to.id),
        'x-github-hook-installation-target-id': String(to.repoId), 'x-hub-signature-256': await sign(to.secret, body),
      },
    });
    assert.equal(status, 200, text);
  }

  /** Until the grapher has handled all that there is. */
  async function settled() {
    await until('the outbox is drained', async () => (await h.rows('select 1 from outbox where published_at is null limit 1')).length === 0);
    const { nc, jsm: { consumers } } = await bus(h.natsUrl);
    try {
      await until('the grapher is done', async () => {
        const info = await consumers.info('REPOBUS', 'grapher');
        return info.num_pending === 0 && info.num_ack_pending === 0;
      });
      assert.deepEqual((await h.rows("select subscriber, error from runs where state = 'failed'")), []);
    } finally {
      await nc.close();
    }
  }

  /** What the store holds, looked at from outside. */
  async function graph(repoId = hook.repoId) {
    const [pulls, touches, closes, issues, authors, contributors] = store === 'Neo4j'
      ? await Promise.all([
        'match (p:PullRequest {repo_id: $id}) return p.number as number, p.title as title, p.state as state, p.merged_at is not null as merged order by number',
        'match (p:PullRequest {repo_id: $id})-[t:TOUCHES]->(f:File) return p.number as number, f.path as path, t.additions as additions, t.deletions as deletions order by number, path',
        'match (p:PullRequest {repo_id: $id})-[:CLOSES]->(i:Issue) return p.number as number, i.repo_id as repo, i.number as issue order by number, repo, issue',
        'match (i:Issue {repo_id: $id}) where i.state is not null return i.number as number, i.title as title, i.state as state order by number',
        'match (n {repo_id: $id})-[:AUTHORED_BY]->(d:Developer) return n.number as number, d.login as login order by number',
        'match (r:Repository {repo_id: $id})<-[:CONTRIBUTED_TO]-(d:Developer) return d.login as login order by login',
      ].map(async (query) => (await driver.executeQuery(query, { id: neo4j.int(repoId) })).records.map((record) => record.toObject())))
      : await Promise.all([
        'select number::int, title, state, merged_at is not null as merged from graph_pull_requests where repo_id = $1 order by number',
        'select number::int, path, additions::int, deletions::int from graph_touches where repo_id = $1 order by number, path',
        'select number::int, issue_repo_id::int as repo, issue_number::int as issue from graph_closes where repo_id = $1 order by number, repo, issue',
        'select number::int, title, state from graph_issues where repo_id = $1 order by number',
        'select number::int, login from (select number, author_id from graph_pull_requests where repo_id = $1 union all select number, author_id from graph_issues where repo_id = $1) a join graph_developers d on d.github_id = a.author_id order by number',
        'select distinct login from (select author_id from graph_pull_requests where repo_id = $1 union all select author_id from graph_issues where repo_id = $1) a join graph_developers d on d.github_id = a.author_id order by login',
      ].map((query) => h.rows(query, [repoId])));
    return { pulls, touches, closes, issues, authors: authors.map(({ number, login }) => `${number} ${login}`), contributors: contributors.map(({ login }) => login) };
  }

  it('a pull request: its files, its author, what it closes', async () => {
    const sha = await head(7, { 'src/cart.js': 'one\ntwo\n', 'src/new.js': 'x\n', 'ünï/ö.md': '# ö\n' }, ['tools/report.py']);
    await deliver(pull(7, { sha, body: 'Fixes #3, closes: acme/shop#4. `fixes #99` <!-- fixes #98 --> and resolves other/repo#5' }));
    await settled();
    assert.deepEqual(await graph(), {
      pulls: [{ number: 7, title: 'Pull 7', state: 'open', merged: false }],
      touches: [
        { number: 7, path: 'src/cart.js', additions: 2, deletions: 1 },
        { number: 7, path: 'src/new.js', additions: 1, deletions: 0 },
        { number: 7, path: 'tools/report.py', additions: 0, deletions: 2 },
        { number: 7, path: 'ünï/ö.md', additions: 1, deletions: 0 },
      ],
      closes: [{ number: 7, repo: hook.repoId, issue: 3 }, { number: 7, repo: hook.repoId, issue: 4 }],
      issues: [], authors: ['7 ann'], contributors: ['ann'],
    });
    const files = await h.readGraph('/api/v1/repos/acme/shop/files');
    assert.equal(files.status, 200, files.text);
    assert.ok(!files.json.files.some((file) => file.path === 'src/new.js'), 'what is only touched is no file of the tree');
  });

  it('pushed to, edited, merged: the newest of each is what stands', async () => {
    const sha = await head(7, { 'src/new.js': 'x\ny\n', 'src/cart.js': 'one\n' }, ['ünï/ö.md']);
    await deliver(pull(7, { action: 'synchronize', sha, second: 10, body: 'Fixes #4' }));
    await settled();
    await deliver(pull(7, { action: 'edited', sha, second: 20, title: 'Better', body: 'Fixes #4' }));
    await deliver(pull(7, { action: 'closed', sha, second: 30, title: 'Better', body: 'Fixes #4', state: 'closed', merged: at(30) }));
    await settled();
    const { pulls, touches, closes } = await graph();
    assert.deepEqual(pulls, [{ number: 7, title: 'Better', state: 'merged', merged: true }]);
    assert.deepEqual(touches.map(({ path: name, additions, deletions }) => [name, additions, deletions]), [['src/cart.js', 1, 1], ['src/new.js', 2, 0], ['tools/report.py', 0, 2]]);
    assert.deepEqual(closes, [{ number: 7, repo: hook.repoId, issue: 4 }]);
  });

  it('the files of a pull request are listed once for each head and base, to the last page', async () => {
    const sha = await head(8, Object.fromEntries(Array.from({ length: 230 }, (_, i) => [`many/f${i}.txt`, `${i}\n`])));
    await h.control('DELETE', '/requests');
    await deliver(pull(8, { sha }));
    await settled();
    for (const action of ['labeled', 'assigned', 'review_requested']) await deliver(pull(8, { action, sha, second: 5, title: action }));
    await settled();
    const asked = async () => (await h.control('GET', '/requests')).filter((request) => /pulls\/8\/files/.test(request.path)).length;
    assert.equal(await asked(), 3, '230 files are three pages');
    // Of another branch it is another difference, whichever event tells of that first.
    for (const second of [7, 6]) {
      await deliver(pull(8, { action: 'edited', sha, base: 'next', second }));
      await settled();
      assert.equal(await asked(), 6);
    }
    await deliver(pull(8, { action: 'synchronize', sha: 'e'.repeat(40), second: 3 }));
    await settled();
    assert.equal(await asked(), 6, 'what comes too late to be written costs nothing');
    assert.equal((await graph()).touches.filter(({ number }) => number === 8).length, 230);
  });

  it('whatever the order and however often: the same graph', async () => {
    const sha = await head(20, { 'a.txt': 'a\n' });
    const life = (number) => [
      pull(number, { sha, second: 1 }), pull(number, { action: 'edited', sha, second: 2, title: 'Two' }),
      pull(number, { action: 'closed', sha, second: 3, state: 'closed', title: 'Two' }), pull(number, { action: 'reopened', sha, second: 4, title: 'Two' }),
      pull(number, { action: 'closed', sha, second: 5, state: 'closed', merged: at(5), title: 'Five', by: 'ben' }),
    ];
    const other = (number) => [
      issue(number, { second: 1 }), issue(number, { action: 'closed', state: 'closed', second: 2 }), issue(number, { action: 'edited', state: 'closed', second: 2, title: 'Same second' }),
      issue(number, { action: 'reopened', second: 3, title: 'Last', by: 'ben' }),
    ];
    let seed = 20261125;
    const random = () => { seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff; return seed / 0x80000000; };
    const shuffled = (list) => [...list, ...list.filter(() => random() < 0.4)].map((one) => [random(), one]).sort((a, b) => a[0] - b[0]).map(([, one]) => one);
    for (let number = 20; number < 26; number++) {
      await run('git', ['update-ref', `refs/pull/${number}/head`, sha], { cwd: h.repository });
      for (const one of shuffled([...life(number), ...other(number + 100)])) await deliver(one);
    }
    await settled();
    const { pulls, issues, authors, touches } = await graph();
    for (let number = 20; number < 26; number++) {
      assert.deepEqual(pulls.find((one) => one.number === number), { number, title: 'Five', state: 'merged', merged: true });
      assert.deepEqual(issues.find((one) => one.number === number + 100), { number: number + 100, title: 'Last', state: 'open' });
      assert.deepEqual(touches.filter((one) => one.number === number), [{ number, path: 'a.txt', additions: 1, deletions: 0 }]);
      assert.ok(authors.includes(`${number} ben`) && authors.includes(`${number + 100} ben`));
      assert.ok(!authors.includes(`${number} ann`) && !authors.includes(`${number + 100} ann`));
    }
  });

  it('an issue deleted or moved away stays so, whatever comes late', async () => {
    await deliver(issue(40, { action: 'deleted', second: 5 }));
    await deliver(issue(40, { action: 'edited', second: 9, title: 'Late' }));
    await deliver(issue(41, { action: 'transferred', second: 5 }));
    await deliver(issue(42, { by: null }));
    await settled();
    const { issues, authors } = await graph();
    assert.deepEqual(issues.filter(({ number }) => number >= 40 && number < 43).map(({ state }) => state), ['deleted', 'transferred', 'open']);
    assert.ok(!authors.some((one) => one.startsWith('42 ')), 'an account that is gone is nobody');
  });

  it('a payload too large for the bus is read where it lies', async () => {
    const sha = await head(50, { 'large.txt': 'x\n' });
    await deliver(pull(50, { sha, body: `${'words '.repeat(20000)} fixes #51` }));
    await settled();
    assert.deepEqual((await graph()).closes.filter(({ number }) => number === 50), [{ number: 50, repo: hook.repoId, issue: 51 }]);
  });

  it('a build makes files of what was only touched, and leaves what is touched when it goes', async () => {
    await makeRepository(h.repository, { 'src/new.js': 'x\ny\n' }, ['tools/report.py']);
    assert.equal((await h.request('POST', '/api/v1/repos/acme/shop/rescan')).status, 202);
    await until('the files are those of now', async () => {
      const { json } = await h.request('GET', '/api/v1/repos/acme/shop/files');
      const names = json.files.map((file) => file.path);
      return names.includes('src/new.js') && !names.includes('tools/report.py');
    });
    await settled();
    assert.deepEqual((await graph()).touches.filter(({ number }) => number === 7).map((one) => one.path), ['src/cart.js', 'src/new.js', 'tools/report.py']);
  });

  it('GitHub refuses or is gone: the event waits, or what the payload says stands', async () => {
    await h.fault({ method: 'GET', path: '/repos/acme/shop/pulls', kind: 'status', status: 502, count: 2 });
    const sha = await head(60, { 'late.txt': 'x\n' });
    await deliver(pull(60, { sha }));
    await deliver(pull(61, { sha: 'f'.repeat(40) })); // no such pull request: its ref is not there
    await settled();
    const { touches, pulls } = await graph();
    assert.deepEqual(touches.filter(({ number }) => number >= 60).map((one) => one.path), ['late.txt']);
    assert.ok(pulls.some(({ number }) => number === 61));
  });

  it('a disconnect takes it all, and people who have nothing else; a late event brings nothing back', async () => {
    await h.control('POST', '/repos', { owner: 'acme', name: 'second', path: h.repository });
    await h.control('POST', '/permissions', { owner: 'acme', repo: 'second', login: 'alice', permission: 'admin' });
    const second = await connected('acme/second');
    await deliver(issue(1, { by: 'ben' }), second);
    await settled();
    assert.equal((await h.request('DELETE', '/api/v1/repos/acme/shop/install')).status, 200);
    await settled();
    assert.deepEqual(await graph(), { pulls: [], touches: [], closes: [], issues: [], authors: [], contributors: [] });
    assert.deepEqual((await graph(second.repoId)).contributors, ['ben']);
    const logins = store === 'Neo4j' ? (await driver.executeQuery('match (d:Developer) return d.login as login')).records.map((record) => record.get('login'))
      : (await h.rows('select login from graph_developers')).map((row) => row.login);
    assert.deepEqual(logins, ['ben']);
  });
}

describe('in PostgreSQL', () => suite('PostgreSQL'));
describe('in Neo4j', () => suite('Neo4j'));
