// Reading the graph: over HTTP, which asks a grapher over NATS, and as a third party does with the official NATS client.
// The same on both stores; on Neo4j it is skipped, with the reason, where that cannot be had.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { connect } from '@nats-io/transport-node';
import neo4j from 'neo4j-driver';
import * as data from './graph-data.mjs';
import { House, bin, makeRepository, shop, until } from './harness.mjs';

const paths = Object.keys(shop).sort();

/** Every page of a route, followed by `next`: the rows, and the pages. */
async function pages(h, where, rows, token) {
  const all = [];
  const found = [];
  for (let next = ''; next !== null;) {
    const url = `/api/v1/repos/${where}${where.includes('?') ? '&' : '?'}after=${encodeURIComponent(next)}`;
    const answer = await h.readGraph(url, { token });
    assert.equal(answer.status, 200, `${url}: ${answer.text}`);
    found.push(answer.json);
    all.push(...answer.json[rows]);
    ({ next } = answer.json);
  }
  return { all, found };
}

async function add(h, name, files, people = ['alice']) {
  await makeRepository(`${h.dir}/${name}`, files);
  await h.control('POST', '/repos', { owner: 'acme', name, path: `${h.dir}/${name}` });
  for (const login of people) await h.control('POST', '/permissions', { owner: 'acme', repo: name, login, permission: 'admin' });
}

function suite(store, settings) {
  let h;
  let unavailable;
  let bob;
  let driver;
  let written; // the store, to be written to from outside
  before(async () => {
    unavailable = store === 'Neo4j' ? await House.neo4jMissing() : undefined;
    if (unavailable) return;
    h = await House.start({ programs: ['edge', 'scanner'] });
    if (store === 'Neo4j') {
      settings = await h.startNeo4j();
      driver = neo4j.driver(settings.NEO4J_BOLT_URI, neo4j.auth.basic(settings.NEO4J_USERNAME, settings.NEO4J_PASSWORD), { disableLosslessIntegers: true });
    }
    written = driver ? new data.Neo4j(driver) : new data.Postgres(h.db);
    bob = await h.token('bob');
  });
  after(async () => {
    await driver?.close();
    await h?.stop();
  });

  /** How many nodes or rows the store holds of a repository, looked at from outside. */
  async function held(repoId) {
    if (store !== 'Neo4j') {
      const [{ n }] = await h.rows('select (select count(*) from graph_repositories where repo_id = $1) + (select count(*) from graph_files where repo_id = $1) + (select count(*) from graph_directories where repo_id = $1) as n', [repoId]);
      return Number(n);
    }
    return (await driver.executeQuery('match (n {repo_id: $id}) return count(n) as n', { id: neo4j.int(repoId) })).records[0].get('n');
  }

  const it = (name, fn) => test(name, (t) => (unavailable ? t.skip(unavailable) : fn(t)));

  it('no grapher: 503 says what to do; no graph yet: 404', async () => {
    const installed = await h.install();
    assert.equal(installed.status, 200, installed.text);
    h.installation = installed.json.installation_id;
    const absent = await h.request('GET', '/api/v1/repos/acme/shop/files');
    assert.equal(absent.status, 503, absent.text);
    assert.match(absent.json.detail, /repobus-grapher/);
    assert.ok(absent.headers.get('retry-after'));
    await h.launch('grapher');
    await h.untilDone(h.installation);
    await h.db.query('update installations set repo_id = repo_id + 1000000 where id = $1', [h.installation]);
    const none = await h.readGraph('/api/v1/repos/acme/shop/files');
    await h.db.query('update installations set repo_id = repo_id - 1000000 where id = $1', [h.installation]);
    assert.equal(none.status, 404, none.text);
    assert.match(none.json.detail, /no graph yet/);
  });

  it('all files, in pages of every size', async () => {
    const whole = await h.readGraph('/api/v1/repos/acme/shop/files');
    assert.equal(whole.status, 200, whole.text);
    assert.equal(whole.json.commit, h.commit);
    assert.equal(whole.json.repo, 'acme/shop');
    assert.equal(whole.json.complete, true);
    assert.equal(whole.json.updating, false);
    assert.equal(whole.json.next, null);
    assert.deepEqual(whole.json.files.map((file) => file.path), paths);
    assert.deepEqual(whole.json.files.find((file) => file.path === 'README.md'), { path: 'README.md', language: 'Markdown', size: 7 });
    for (const limit of [1, 2, 3, 7, 8]) {
      const { all, found } = await pages(h, `acme/shop/files?limit=${limit}`, 'files');
      assert.deepEqual(all, whole.json.files);
      assert.equal(found.length, Math.ceil(paths.length / limit));
    }
  });

  it('by language and by folder', async () => {
    const of = async (query) => (await pages(h, `acme/shop/files?${query}`, 'files')).all.map((file) => file.path);
    assert.deepEqual(await of('language=Python'), ['tools/report.py']);
    assert.deepEqual(await of('language=javascript&limit=1'), ['src/cart.js', 'src/index.js', 'test/cart.test.js']);
    assert.deepEqual(await of('folder=src'), ['src/cart.js', 'src/index.js']);
    assert.deepEqual(await of('folder=src/&language=JavaScript&limit=1'), ['src/cart.js', 'src/index.js']);
    assert.deepEqual(await of('folder=.github'), ['.github/workflows/ci.yml']);
    assert.deepEqual(await of('folder=/src/'), ['src/cart.js', 'src/index.js']);
    assert.deepEqual(await of('folder=sr'), []);
    assert.deepEqual(await of('language=Go'), []);
  });

  it('by name, with a star', async () => {
    const of = async (query) => (await pages(h, `acme/shop/files?${query}`, 'files')).all.map((file) => file.path);
    const named = (pattern) => paths.filter((file) => pattern.test(path.basename(file)));
    for (const [name, pattern] of [['README.md', /^README\.md$/], ['*.js', /\.js$/], ['cart*', /^cart/], ['*a*', /a/], ['*.test.js', /\.test\.js$/], ['c*cart.js', /^c.*cart\.js$/], ['readme.md', /^$/]]) {
      assert.deepEqual(await of(`name=${name}&limit=3`), named(pattern), name);
    }
    assert.deepEqual(await of('name=cart*&folder=src&language=JavaScript'), ['src/cart.js']);
    const { all } = await pages(h, 'acme/shop/graph?name=index.js', 'links');
    assert.deepEqual(all.map(({ from, to }) => [from, to]), [[{ repository: 'acme/shop' }, { file: 'src/index.js' }], [{ directory: 'src' }, { file: 'src/index.js' }]]);
    for (const name of ['', '**', 'a*b*c', '*a*b', 'src/*.js']) {
      const { status, json } = await h.readGraph(`/api/v1/repos/acme/shop/files?name=${encodeURIComponent(name)}`);
      assert.equal(status, 422, name);
      assert.match(json.detail, /^name /);
    }
  });

  it('the links: CONTAINS, each once, in pages of every size', async () => {
    const whole = await h.readGraph('/api/v1/repos/acme/shop/graph?limit=1000');
    assert.equal(whole.status, 200, whole.text);
    const text = (link) => `${Object.entries(link.from)} ${link.type} ${Object.entries(link.to)}`;
    const expected = [
      ...['.github', 'src', 'test', 'tools'].map((folder) => `repository,acme/shop CONTAINS directory,${folder}`),
      'directory,.github CONTAINS directory,.github/workflows',
      ...paths.map((file) => `repository,acme/shop CONTAINS file,${file}`),
      ...paths.filter((file) => file.includes('/')).map((file) => `directory,${path.dirname(file)} CONTAINS file,${file}`),
    ];
    assert.deepEqual(whole.json.links.map(text).sort(), expected.sort());
    for (const limit of [2, 3, 5, 16, 17]) {
      const { all, found } = await pages(h, `acme/shop/graph?limit=${limit}`, 'links');
      assert.deepEqual(all, whole.json.links, `limit ${limit}`);
      assert.ok(found.every(({ links }) => links.length <= limit));
    }
    const { all } = await pages(h, 'acme/shop/graph?folder=.github', 'links');
    assert.deepEqual(all.map(text), ['directory,.github CONTAINS directory,.github/workflows', 'repository,acme/shop CONTAINS file,.github/workflows/ci.yml', 'directory,.github/workflows CONTAINS file,.github/workflows/ci.yml']);
  });

  it('ETag: 304 until the graph or the question is another', async () => {
    const first = await h.readGraph('/api/v1/repos/acme/shop/files');
    const etag = first.headers.get('etag');
    assert.match(etag, /^"[^"]+"$/);
    const again = await h.readGraph('/api/v1/repos/acme/shop/files', { headers: { 'if-none-match': etag } });
    assert.equal(again.status, 304);
    assert.equal(again.text, '');
    assert.equal(again.headers.get('etag'), etag);
    const other = await h.readGraph('/api/v1/repos/acme/shop/files?folder=src', { headers: { 'if-none-match': etag } });
    assert.equal(other.status, 200);
    const rescan = await h.request('POST', '/api/v1/repos/acme/shop/rescan');
    assert.equal(rescan.status, 202, rescan.text);
    await until('the graph is of the new generation', async () => {
      const { status, json: body } = await h.request('GET', '/api/v1/repos/acme/shop/files', { headers: { 'if-none-match': etag } });
      return status === 200 && body.generation === rescan.json.generation && !body.updating;
    });
  });

  it('what is wrong with a question is said: 422', async () => {
    for (const [query, pattern] of [
      ['files?limit=0', /limit/], ['files?limit=1001', /limit/], ['files?limit=x', /limit/], ['files?limit=', /limit/],
      ['graph?limit=1', /limit/], ['graph?after=nonsense', /after/], ['files?language=Klingon', /Klingon/],
      [`files?folder=${'a'.repeat(4099)}`, /folder/], ['files?after=%ff', /after/],
    ]) {
      const answer = await h.readGraph(`/api/v1/repos/acme/shop/${query}`);
      assert.equal(answer.status, 422, `${query}: ${answer.text}`);
      assert.match(answer.json.detail, pattern);
    }
    assert.equal((await h.request('GET', '/api/v1/repos/acme/other/files')).status, 404);
    assert.equal((await h.request('GET', '/api/v1/repos/acme/shop/files', { token: bob })).status, 404);
    assert.equal((await h.request('GET', '/api/v1/repos/acme/shop/files', { token: null })).status, 401);
  });

  it('a third party asks with the official client', async () => {
    const [{ repo_id: repoId }] = await h.rows('select repo_id from installations where id = $1', [h.installation]);
    const nc = await connect({ servers: h.natsUrl });
    const ask = async (subject, question) => (await nc.request(subject, question, { timeout: 60_000 })).json();
    try {
      const page = await ask('graph.files', JSON.stringify({ repo_id: Number(repoId), folder: 'src', limit: 1 }));
      assert.deepEqual(page.files.map((file) => file.path), ['src/cart.js']);
      assert.equal(page.next, 'src/cart.js');
      assert.equal((await ask('graph.links', JSON.stringify({ repo_id: Number(repoId) }))).links.length, 17);
      assert.equal((await ask('graph.files', JSON.stringify({ repo_id: 4711 }))).error.code, 'not found');
      for (const wrong of ['', '[]', 'null', '{', '{"repo_id":"1"}', '{"repo_id":1,"limit":0}', '{"repo_id":1,"folder":7}', '\u0000\u0001']) {
        const answer = await ask('graph.files', wrong);
        assert.equal(answer.error.code, 'invalid', `${wrong}: ${JSON.stringify(answer)}`);
      }
      const none = await nc.request('graph.nothing', JSON.stringify({}), { timeout: 60_000 }).catch((error) => error);
      assert.match(String(none), /no responders/i);
    } finally {
      await nc.close();
    }
  });

  it('what happens to files: neighbours, changed together, developers, overlaps', async () => {
    const [{ repo_id: repoId }] = await h.rows('select repo_id from installations where id = $1', [h.installation]);
    const get = async (route) => {
      const { status, json, text } = await h.readGraph(`/api/v1/repos/acme/shop/graph/${route}`);
      assert.equal(status, 200, `${route}: ${text}`);
      for (const name of ['repo_id', 'repo', 'commit', 'generation', 'complete', 'updating', 'freshness']) {
        assert.notEqual(json[name], undefined, name);
        delete json[name];
      }
      return json;
    };
    const pulls = data.history(paths, 130, { sweep: 101 });
    for (const [list, limit] of [[[], 20], [pulls, 100], [pulls, 2]]) {
      await written.pulls(Number(repoId), list);
      const file = limit === 2 ? 'README.md' : 'src/cart.js';
      const { file: itself, folder, ...rest } = await get(`neighbours?path=${file}&limit=${limit}`);
      assert.equal(itself.path, file);
      assert.deepEqual(folder, { path: file.includes('/') ? 'src' : '', siblings: paths.filter((other) => path.dirname(other) === path.dirname(file)).length - 1, complete: true });
      assert.deepEqual(rest, data.neighbours(list, file, limit));
      const { file: again, ...together } = await get(`changed-together?path=${file}&limit=${limit}`);
      assert.deepEqual([again, together], [itself, data.togetherWith(list, file, limit)]);
      assert.deepEqual(await get(`changed-together?limit=${limit}`), data.together(list, limit));
      assert.deepEqual(await get(`overlaps?limit=${limit}`), data.overlaps(list, limit));
      for (const below of limit === 2 ? ['src'] : ['', 'swept']) assert.deepEqual(await get(`developers?folder=${below}&limit=${limit}`), data.developers(list, below, limit), below);
      for (const number of list.length ? [2, 5] : []) assert.deepEqual(await get(`overlaps?pull_request=${number}&limit=${limit}`), data.overlapsOf(list, number, limit), String(number));
    }
    for (const [route, status, pattern] of [
      ['neighbours', 422, /path/], ['neighbours?path=no.js', 404, /no such file/], ['changed-together?path=swept/1.txt', 404, /no such file/],
      ['overlaps?pull_request=4711', 404, /no such pull request/], ['overlaps?pull_request=x', 422, /pull_request/], ['developers?limit=101', 422, /limit/], ['neighbours?path=src', 404, /no such file/],
    ]) {
      const answer = await h.readGraph(`/api/v1/repos/acme/shop/graph/${route}`);
      assert.equal(answer.status, status, `${route}: ${answer.text}`);
      assert.match(answer.json.detail, pattern);
    }
    assert.equal((await h.request('GET', '/api/v1/repos/acme/shop/graph/developers', { token: bob })).status, 404);
  });

  it('dependents of a package, among what this person has connected', async () => {
    const [{ repo_id: shopId }] = await h.rows('select repo_id from installations where id = $1', [h.installation]);
    const wants = JSON.stringify({ dependencies: { express: '5' }, devDependencies: { express: '4.18' } });
    await add(h, 'left', { 'package.json': wants }, ['alice', 'bob']);
    const installed = await h.install('acme/left', { token: bob });
    const [{ repo_id: leftId }] = await h.rows('select repo_id from installations where id = $1', [installed.json.installation_id]);
    const ask = (query, token) => h.readGraph(`/api/v1/dependents?${query}`, { token });
    /** Packages come with the scan, beside the graph. */
    const dependents = (token, count) => until(`${count} dependents`, async () => {
      const { status, text, json } = await ask('purl=pkg:npm/express', token);
      assert.equal(status, 200, text);
      assert.equal(json.next, null);
      return json.dependents.length === count && json.dependents.map(({ generation, ...row }) => { assert.ok(generation > 0); return row; });
    });
    const shopRow = { repo_id: Number(shopId), repo: 'acme/shop', wants: [{ scope: 'runtime', constraint: '^4.19.0' }] };
    const leftRow = { repo_id: Number(leftId), repo: 'acme/left', wants: [{ scope: 'dev', constraint: '4.18' }, { scope: 'runtime', constraint: '5' }] };
    assert.deepEqual(await dependents(h.alice, 1), [shopRow]);
    assert.deepEqual(await dependents(bob, 1), [leftRow]);
    assert.deepEqual((await ask('purl=pkg:npm/nobody')).json.dependents, []);
    assert.equal((await h.install('acme/left')).status, 200);
    assert.deepEqual(await dependents(h.alice, 2), [shopRow, leftRow].sort((x, y) => x.repo_id - y.repo_id)); // the stand-in draws the numbers
    const { all, found } = await pages(h, '../dependents?purl=pkg:npm/express&limit=1', 'dependents');
    assert.deepEqual(all.map((row) => row.repo_id), [shopRow, leftRow].map((row) => row.repo_id).sort((x, y) => x - y));
    assert.equal(found.length, 2);
    for (const [query, pattern] of [['', /purl/], ['purl=express', /purl/], ['purl=pkg:npm/express@4', /without version/], ['purl=pkg:npm/express&after=x', /after/], ['purl=pkg:npm/express&limit=0', /limit/]]) {
      const answer = await ask(query);
      assert.equal(answer.status, 422, `${query}: ${answer.text}`);
      assert.match(answer.json.detail, pattern);
    }
    assert.equal((await ask('purl=pkg:npm/express', null)).status, 401);
  });

  it('a page stops at 10,000 files looked at, and every question reads by an index', async () => {
    const repoId = 800_001;
    const many = Array.from({ length: 12_000 }, (_, i) => `big/${String(i).padStart(5, '0')}.js`);
    await written.files(repoId, [...many, 'big/needle.txt']);
    await written.crowd();
    const pulls = data.history(many, 520, { sweep: 40 });
    await written.pulls(repoId, pulls);
    const nc = await connect({ servers: h.natsUrl });
    try {
      const ask = async (subject, question) => (await nc.request(subject, JSON.stringify({ repo_id: repoId, ...question }), { timeout: 60_000 })).json();
      const first = await ask('graph.files', { name: '*.txt', limit: 1 });
      assert.deepEqual([first.files, first.next], [[], many[9_999]]);
      const second = await ask('graph.files', { name: '*.txt', limit: 1, after: first.next });
      assert.deepEqual([second.files.map((file) => file.path), second.next], [['big/needle.txt'], null]);
      assert.deepEqual((await ask('graph.links', { name: '*.txt' })).next, `f:${many[9_999]}`);
      const { pairs, basis } = await ask('graph.changed_together', { limit: 20 });
      assert.deepEqual({ pairs, basis }, data.together(pulls, 20));
      assert.equal(basis.bounded, true, 'the oldest 20 are not looked at');
      const { folder } = await ask('graph.neighbours', { path: many[0] });
      assert.deepEqual(folder, { path: 'big', siblings: 1_999, complete: false });
    } finally {
      await nc.close();
    }
    const { settings: planner, statements } = JSON.parse((await promisify(execFile)(path.join(bin, 'repobus-grapher'), ['--statements'])).stdout);
    const values = {
      repo_id: repoId, after: 'big/', before: 'big0', folder: 'big', scan: 101, limit: 101, path: many[0], number: pulls.find(({ state }) => state === 'open').number,
      purl: 'pkg:npm/express', repo_ids: [repoId], language: null, name: null, name_starts: null, name_ends: null, name_has: null,
    };
    assert.ok(statements.length > 10);
    const reads = store === 'Neo4j' ? data.readByNeo4j : data.readByPostgres;
    for (const statement of statements) {
      for (const generic of store === 'Neo4j' ? [false] : [false, true]) {
        const found = reads(await written.plan(statement, values, planner, generic));
        assert.deepEqual(found.scans, [], statement.name);
        const bound = /^graph_(files|files_of|directories|file|pull)$/.test(statement.name) ? 101 : 10_000;
        assert.ok(found.rows <= bound, `${statement.name} reads ${found.rows} rows`);
      }
    }
  });

  it('a rescan that moves files: page by page no gap and no double', async () => {
    const files = {};
    for (let i = 0; i < 6000; i++) files[`keep/${String(i).padStart(5, '0')}.js`] = `${i}\n`;
    for (let i = 0; i < 3000; i++) files[`old/${i}.py`] = `${i}\n`;
    await add(h, 'moving', files);
    const { json: installed } = await h.install('acme/moving');
    await h.untilDone(installed.installation_id);
    const moved = {};
    for (let i = 0; i < 3000; i++) moved[`lib/${i}.py`] = `${i}\n`;
    await makeRepository(`${h.dir}/moving`, moved, Object.keys(files).filter((name) => name.startsWith('old/')));
    const rescan = await h.request('POST', '/api/v1/repos/acme/moving/rescan');
    assert.equal(rescan.status, 202, rescan.text);
    const keep = Object.keys(files).filter((name) => name.startsWith('keep/')).sort();
    for (let done = false; !done;) {
      const { all, found } = await pages(h, 'acme/moving/files?limit=1000', 'files');
      const seen = all.map((file) => file.path);
      assert.equal(new Set(seen).size, seen.length, 'no double');
      assert.deepEqual(seen.filter((name) => name.startsWith('keep/')), keep, 'no gap');
      const generations = new Set(found.map(({ generation }) => generation));
      const calm = generations.size === 1 && found.every(({ updating }) => !updating);
      if (calm) { // then it is one tree, whole
        const now = found[0].generation === rescan.json.generation;
        assert.deepEqual(seen, [...keep, ...Object.keys(now ? moved : files).filter((name) => !name.startsWith('keep/'))].sort());
        done = now;
      }
    }
  });

  it('two people: both read one graph; whoever leaves reads no more; the last takes it away', async () => {
    const names = ['a.go', 'b/\u001f.go', 'b/"ü.go', 'b/\\.go', 'b/c.go']; // JSON writes three of them in another way
    await add(h, 'shared', Object.fromEntries(names.map((name) => [name, 'package a\n'])), ['alice', 'bob']);
    const one = await h.install('acme/shared');
    const two = await h.install('acme/shared', { token: bob });
    assert.equal(two.status, 200, two.text);
    for (const { json: { installation_id: id } } of [one, two]) await h.untilDone(id);
    const [{ repo_id: repoId }] = await h.rows('select repo_id from installations where id = $1', [one.json.installation_id]);
    const files = (token) => h.readGraph('/api/v1/repos/acme/shared/files', { token });
    assert.equal((await files(h.alice)).text, (await files(bob)).text);
    assert.deepEqual((await files(h.alice)).json.files.map((file) => file.path), names);
    const { all } = await pages(h, 'acme/shared/graph', 'links');
    assert.deepEqual(all.map(({ to }) => to.file).filter(Boolean), names.flatMap((name) => (name.includes('/') ? [name, name] : [name])));
    const leave = (token) => h.request('DELETE', '/api/v1/repos/acme/shared/install', { token });
    const gone = (id) => until('both have handled the disconnect', async () => {
      const [installation] = await h.rows('select generation from installations where id = $1', [id]);
      const runs = await h.runs(id);
      return ['scanner', 'grapher'].every((name) => runs[name]?.state === 'done' && runs[name].generation === installation.generation);
    });
    assert.equal((await leave(h.alice)).status, 200);
    assert.equal((await files(h.alice)).status, 404);
    await gone(one.json.installation_id);
    assert.equal((await files(bob)).status, 200, 'the other one has all of it');
    assert.deepEqual((await h.rows('select installation_id from profiles where repo_id = $1', [repoId])).map((row) => Number(row.installation_id)), [two.json.installation_id]);
    assert.equal((await leave(bob)).status, 200);
    await gone(two.json.installation_id);
    assert.equal(await held(repoId), 0);
    assert.equal((await h.rows('select 1 from profiles where repo_id = $1', [repoId])).length, 0);
    // And again from the start.
    const back = await h.install('acme/shared');
    await h.untilDone(back.json.installation_id);
    assert.deepEqual((await files(h.alice)).json.files.map((file) => file.path), names);
  });

  it('a connect whose event comes after the disconnect leaves nothing', async () => {
    await add(h, 'brief', { 'a.go': 'package a\n' });
    await h.get('grapher').stop();
    await h.get('scanner').stop();
    const { json: installed } = await h.install('acme/brief');
    const [{ repo_id: repoId }] = await h.rows('select repo_id from installations where id = $1', [installed.installation_id]);
    assert.equal((await h.request('DELETE', '/api/v1/repos/acme/brief/install')).status, 200);
    await h.launch('scanner');
    await h.launch('grapher');
    await until('the disconnect is handled', async () => {
      const [installation] = await h.rows('select generation from installations where id = $1', [installed.installation_id]);
      const runs = await h.runs(installed.installation_id);
      return ['scanner', 'grapher'].every((name) => runs[name]?.state === 'done' && runs[name].generation === installation.generation);
    });
    assert.equal(await held(repoId), 0);
    assert.equal((await h.rows('select 1 from profiles where repo_id = $1', [repoId])).length, 0);
  });

  it('a build that ends after the disconnect leaves nothing', async () => {
    await add(h, 'slow', { 'a.go': 'package a\n' });
    await h.fault({ method: 'GET', path: '/repos/acme/slow/git/trees', kind: 'hang', count: 0 });
    const { json: { installation_id: id } } = await h.install('acme/slow');
    const [{ repo_id: repoId, generation: built }] = await h.rows('select repo_id, generation from installations where id = $1', [id]);
    await until('it asks for the tree', async () => (await h.control('GET', '/requests')).some((r) => r.path.startsWith('/repos/acme/slow/git/trees')));
    assert.equal((await h.request('DELETE', '/api/v1/repos/acme/slow/install')).status, 200);
    const [{ generation: left }] = await h.rows('select generation from installations where id = $1', [id]);
    await h.get('grapher').line(new RegExp(`disconnected repository=${repoId} generation=${left}`));
    await h.control('DELETE', '/faults');
    // Whether it wrote the graph or found out before: it has looked, and what it wrote is gone.
    await h.get('grapher').line(new RegExp(`graphed .*installation=${id} generation=${built}`));
    await until('nothing is held', async () => (await held(repoId)) === 0);
    assert.equal((await h.rows('select 1 from profiles where repo_id = $1', [repoId])).length, 0);
  });

  it('left and connected again while no subscriber runs: the graph is there', async () => {
    await add(h, 'again', { 'a.go': 'package a\n' });
    await h.get('grapher').stop();
    await h.get('scanner').stop();
    await h.install('acme/again');
    assert.equal((await h.request('DELETE', '/api/v1/repos/acme/again/install')).status, 200);
    const { json: installed } = await h.install('acme/again');
    await h.launch('scanner');
    await h.launch('grapher');
    await h.untilDone(installed.installation_id);
    const [{ id: former }] = await h.rows("select id from installations where repo_full_name = 'acme/again' and state = 'disconnected'");
    await until('the disconnect is handled', async () => {
      const [installation] = await h.rows('select generation from installations where id = $1', [former]);
      const runs = await h.runs(former);
      return ['scanner', 'grapher'].every((name) => runs[name]?.state === 'done' && runs[name].generation === installation.generation);
    });
    const again = await h.readGraph('/api/v1/repos/acme/again/files');
    assert.equal(again.status, 200, again.text);
    assert.deepEqual(again.json.files.map((file) => file.path), ['a.go']);
    assert.equal((await h.request('GET', '/api/v1/repos/acme/again/profile')).status, 200);
  });

  it('two graphers, one of them killed: reads go on', async () => {
    await h.launch('grapher', { AS: 'grapher-2' });
    await h.get('grapher-2').kill();
    for (let i = 0; i < 20; i++) await until('an answer', async () => (await h.request('GET', '/api/v1/repos/acme/shop/files')).status === 200);
    await h.get('grapher').stop();
    const answer = await h.request('GET', '/api/v1/repos/acme/shop/graph');
    assert.equal(answer.status, 503, answer.text);
    await h.launch('grapher');
    await until('it answers again', async () => (await h.request('GET', '/api/v1/repos/acme/shop/graph')).status === 200);
  });
}

describe('in PostgreSQL', () => suite('PostgreSQL'));
describe('in Neo4j', () => suite('Neo4j'));
