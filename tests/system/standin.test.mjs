// The GitHub stand-in's reading side: every answer held against GitHub's own description, every tree and blob against
// what git itself says. Hooks and deliveries are in standin-hooks, faults and hostile input in standin-faults.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { house } from './harness.mjs';
import { conforms, described, seen } from './github-description.mjs';
import { Standin, binary, deepPath, git, gitText, makeAwkward } from './standin.mjs';

const repo = '/repos/{owner}/{repo}';
const awkward = { owner: 'acme', repo: 'awkward' };
let s;
let commits;
let dir;
let alice;
let anonymous;
before(async () => {
  s = await Standin.start({
    repos: (base) => {
      dir = path.join(base, 'awkward');
      commits = makeAwkward(dir);
      git(base, 'init', '-q', '-b', 'main', 'empty');
      return { 'acme/awkward': dir, 'acme/empty': path.join(base, 'empty'), 'acme/house': house };
    },
  });
  alice = s.client('alice');
  anonymous = s.client();
});
after(() => s?.stop());

const at = (params) => ({ ...awkward, ...params });
/** A whole answer of 200 from `route` of the awkward repository. */
async function good(route, params = {}) {
  const response = await s.ask(alice, route, at(params));
  assert.equal(response.status, 200);
  return response;
}
async function refused(status, route, params, { beyond, client = alice, message }) {
  const response = await s.ask(client, route, at(params), { beyond });
  assert.equal(response.status, status);
  if (message instanceof RegExp) assert.match(response.data.message, message);
  else assert.equal(response.data.message, message);
  assert.match(response.data.documentation_url, /^https:\/\/docs\.github\.com\/rest(\/\S+)?$/);
  assert.equal(response.data.status, String(status));
  return response;
}

test('every answer carries the limits, scopes, version and an id of its own', async () => {
  const ids = new Set();
  for (const [client, route, params] of [[alice, 'GET /user', {}], [alice, `GET ${repo}`, at({})], [alice, `GET ${repo}`, at({ repo: 'none' })], [anonymous, `GET ${repo}`, at({})]]) {
    const { headers } = await s.ask(client, route, params);
    const limit = client === alice ? 5000 : 60;
    assert.equal(Number(headers['x-ratelimit-limit']), limit);
    assert.equal(Number(headers['x-ratelimit-remaining']) + Number(headers['x-ratelimit-used']), limit);
    const wait = Number(headers['x-ratelimit-reset']) - Date.now() / 1000;
    assert.ok(wait > 3500 && wait < 3602, `reset in ${wait} s`);
    assert.equal(headers['x-ratelimit-resource'], 'core');
    assert.equal(headers['x-github-api-version-selected'], '2022-11-28');
    assert.match(headers['x-github-media-type'], /^github\.v3; format=json$/);
    assert.match(headers['content-type'], /^application\/json; charset=utf-8$/);
    assert.equal(headers['x-oauth-scopes'], client === alice ? 'repo, read:user, user:email' : undefined);
    assert.equal(headers['x-accepted-oauth-scopes'], client !== alice ? undefined : route === 'GET /user' ? '' : 'repo');
    ids.add(headers['x-github-request-id']);
  }
  assert.equal(ids.size, 4);
});

test('the root names the addresses of the API', async () => {
  const { data } = await s.ask(anonymous, 'GET /');
  assert.equal(data.current_user_url, `${s.url}/user`);
});

test('the user: private with the scope for it, public without, 401 without a token or with a wrong one', async () => {
  const { data } = await s.ask(alice, 'GET /user');
  assert.equal(data.login, 'alice');
  assert.equal(data.user_view_type, 'private');
  assert.equal(data.email, 'alice@example.com');
  await s.control('POST', '/users', { login: 'carol', token: 'token-carol', scopes: 'repo' });
  const carol = (await s.ask(s.client('carol'), 'GET /user')).data;
  assert.deepEqual([carol.login, carol.user_view_type, carol.email, carol.two_factor_authentication], ['carol', 'public', null, undefined]);
  assert.notEqual(carol.id, data.id);
  await refused(401, 'GET /user', {}, { client: anonymous, message: 'Requires authentication' });
  const { headers } = await refused(401, 'GET /user', {}, { client: s.client('nobody'), message: 'Bad credentials' });
  assert.equal(headers['x-ratelimit-limit'], '60');
  for (const scheme of ['token', 'Bearer', 'bearer']) {
    const { status } = await s.raw('GET', '/user', { token: null, headers: { authorization: `${scheme} token-alice` } });
    assert.equal(status, 200);
  }
  for (const authorization of ['Basic YWxpY2U6eA==', 'Bearer', 'Bearer ', 'token-alice', 'Bearer token-alice x']) {
    assert.equal((await s.raw('GET', '/user', { token: null, headers: { authorization } })).status, 401, authorization);
  }
});

test('without a user agent nothing is answered', async () => {
  const response = await s.raw('GET', '/user', { headers: { 'user-agent': '' } });
  assert.equal(response.status, 403);
  assert.match(response.text, /administrative rules.*User-Agent header/s);
});

test('a repository: as its admin, a reader and nobody see it; case does not matter', async () => {
  const { data } = await good(`GET ${repo}`);
  assert.deepEqual([data.full_name, data.default_branch, data.private, data.visibility], ['acme/awkward', 'main', false, 'public']);
  assert.deepEqual(data.permissions, { admin: true, maintain: true, push: true, triage: true, pull: true });
  assert.equal(Date.parse(data.pushed_at), Number(gitText(dir, 'log', '-1', '--format=%ct')) * 1000);
  const bob = await s.ask(s.client('bob'), `GET ${repo}`, at({}));
  assert.deepEqual(bob.data.permissions, { admin: false, maintain: false, push: false, triage: false, pull: true });
  assert.equal((await s.ask(anonymous, `GET ${repo}`, at({}))).data.permissions, undefined);
  const other = await s.ask(alice, `GET ${repo}`, { owner: 'ACME', repo: 'Awkward' });
  assert.equal(other.data.id, data.id);
  assert.equal((await s.ask(alice, `GET ${repo}`, { owner: 'acme', repo: 'empty' })).data.default_branch, 'main');
  await refused(404, `GET ${repo}`, { repo: 'none' }, { message: 'Not Found' });
});

test('a private repository is not there for those who may not read it, nor for a token without the scope', async () => {
  await s.control('POST', '/repos', { owner: 'acme', name: 'secret', path: dir, private: true });
  await s.control('POST', '/permissions', { owner: 'acme', repo: 'secret', login: 'alice', permission: 'admin' });
  await s.control('POST', '/users', { login: 'dora', token: 'token-dora', scopes: 'public_repo' });
  await s.control('POST', '/permissions', { owner: 'acme', repo: 'secret', login: 'dora', permission: 'admin' });
  const { data } = await s.ask(alice, `GET ${repo}`, { owner: 'acme', repo: 'secret' });
  assert.deepEqual([data.private, data.visibility], [true, 'private']);
  for (const client of [anonymous, s.client('bob'), s.client('dora')]) {
    await refused(404, `GET ${repo}`, { repo: 'secret' }, { client, message: 'Not Found' });
    await refused(404, `GET ${repo}/git/trees/{tree_sha}`, { repo: 'secret', tree_sha: 'main' }, { client, message: 'Not Found' });
  }
  await s.control('DELETE', '/repos/acme/secret');
  await refused(404, `GET ${repo}`, { repo: 'secret' }, { message: 'Not Found' });
});

test("one's repositories, page by page", async () => {
  const list = await alice.paginate('GET /user/repos', { per_page: 2 });
  assert.deepEqual(list.map((one) => one.full_name).sort(), ['acme/awkward', 'acme/empty', 'acme/house']);
  const { headers } = await s.ask(alice, 'GET /user/repos', { per_page: 2 });
  assert.match(headers.link, /rel="next".*rel="last"/);
  const query = '/user/repos?affiliation=owner,collaborator,organization_member&sort=created&direction=asc&per_page=2&page=2';
  const second = await s.raw('GET', query);
  assert.deepEqual(JSON.parse(second.text).map((one) => one.full_name), [list[2].full_name]);
  assert.equal((await s.raw('GET', query, { headers: { 'if-none-match': second.headers.etag } })).status, 304);
  // Who was given a part in a repository has it in the list; that anybody may read it is no part.
  const names = async () => (await s.ask(s.client('bob'), 'GET /user/repos')).data.map((one) => one.full_name);
  assert.deepEqual(await names(), []);
  await s.control('POST', '/permissions', { owner: 'acme', repo: 'house', login: 'bob', permission: 'read' });
  assert.deepEqual(await names(), ['acme/house']);
  await s.control('POST', '/permissions', { owner: 'acme', repo: 'house', login: 'bob', permission: 'none' });
});

test('a renamed repository answers 301, GET follows, other methods get 307; a new one may take the old name', async () => {
  await s.control('POST', '/repos', { owner: 'acme', name: 'before', path: dir });
  await s.control('POST', '/permissions', { owner: 'acme', repo: 'before', login: 'alice', permission: 'admin' });
  const { data } = await s.ask(alice, `GET ${repo}`, { owner: 'acme', repo: 'before' });
  await s.control('POST', '/repos/acme/before/rename', { owner: 'acme', name: 'later' });
  const moved = await s.raw('GET', '/repos/acme/before/git/trees/main?recursive=1');
  assert.equal(moved.headers.location, `${s.url}/repositories/${data.id}/git/trees/main?recursive=1`);
  const redirect = await s.raw('GET', '/repos/acme/before');
  described(`GET ${repo}`, { ...redirect, data: JSON.parse(redirect.text) });
  assert.equal(redirect.status, 301);
  assert.equal(JSON.parse(redirect.text).url, redirect.headers.location);
  assert.equal((await s.raw('POST', '/repos/acme/before/hooks', { body: '{}' })).status, 307);
  const followed = await s.ask(alice, `GET ${repo}`, { owner: 'acme', repo: 'before' });
  assert.deepEqual([followed.data.id, followed.data.full_name], [data.id, 'acme/later']);
  // The same name in other letters is no move, and leaves no alias behind.
  await s.control('POST', '/repos/acme/later/rename', { name: 'Later' });
  assert.equal((await s.ask(alice, `GET ${repo}`, { owner: 'acme', repo: 'later' })).data.name, 'Later');
  await s.control('POST', '/repos', { owner: 'acme', name: 'before', path: dir });
  const fresh = await s.ask(alice, `GET ${repo}`, { owner: 'acme', repo: 'before' });
  assert.notEqual(fresh.data.id, data.id);
  await s.control('DELETE', '/repos/acme/before');
  await s.control('DELETE', '/repos/acme/later');
});

test('branches and one branch, also with a slash in its name', async () => {
  const { data } = await good(`GET ${repo}/branches`);
  assert.deepEqual(data.map((one) => [one.name, one.commit.sha]),
    gitText(dir, 'for-each-ref', '--format=%(refname:short) %(objectname)', 'refs/heads').split('\n').map((line) => line.split(' ')));
  const pages = await alice.paginate(`GET ${repo}/branches`, at({ per_page: 1 }));
  assert.deepEqual(pages, data);
  const one = await good(`GET ${repo}/branches/{branch}`, { branch: 'feature/one' });
  assert.deepEqual([one.data.name, one.data.commit.sha], ['feature/one', commits.first]);
  // A tag and a commit are no branches.
  for (const branch of ['v1', commits.head, 'none', 'heads/main', 'x'.repeat(2000)]) {
    await refused(404, `GET ${repo}/branches/{branch}`, { branch }, { message: 'Branch not found' });
  }
});

test('commits, walked page by page, are those of git log', async () => {
  const expected = gitText(dir, 'log', '--format=%H', 'main').split('\n');
  const first = await good(`GET ${repo}/commits`);
  assert.equal(first.data.length, 30);
  assert.match(first.headers.link, /[?&]page=2>; rel="next", <[^>]*[?&]page=2>; rel="last"/);
  const all = await alice.paginate(`GET ${repo}/commits`, at({ per_page: 4 }));
  assert.deepEqual(all.map((one) => one.sha), expected);
  const old = await good(`GET ${repo}/commits`, { sha: 'old', per_page: 100 });
  assert.deepEqual(old.data.map((one) => one.sha), expected.slice(5));
  assert.equal(old.headers.link, undefined);
  const beyond = await good(`GET ${repo}/commits`, { page: 99 });
  assert.deepEqual(beyond.data, []);
  assert.match(beyond.headers.link, /rel="prev"/);
  await refused(404, `GET ${repo}/commits`, { sha: 'none' }, { message: 'Not Found' });
  await refused(409, `GET ${repo}/commits`, { repo: 'empty' }, { message: 'Git Repository is empty.' });
});

test('a commit by branch, tag, name and beginning of a name; its bare name as text', async () => {
  const names = { main: commits.head, 'feature/one': commits.first, 'heads/old': gitText(dir, 'rev-parse', 'old'), v1: commits.first, 'tags/v1': commits.first, v2: gitText(dir, 'rev-parse', 'v2^{commit}'), HEAD: commits.head, [commits.first]: commits.first, [commits.first.slice(0, 8)]: commits.first };
  for (const [ref, sha] of Object.entries(names)) {
    assert.equal((await good(`GET ${repo}/commits/{ref}`, { ref })).data.sha, sha, ref);
    const bare = await alice.request(`GET ${repo}/commits/{ref}`, at({ ref, mediaType: { format: 'sha' } }));
    assert.equal(bare.data, sha);
    assert.match(bare.headers['content-type'], /^application\/vnd\.github\.sha/);
  }
  const { data } = await good(`GET ${repo}/commits/{ref}`, { ref: commits.first });
  assert.equal(data.commit.message, 'Start\n\nWith a body.');
  assert.deepEqual(data.commit.author, { name: 'Ada', email: 'ada@example.com', date: '2023-11-14T22:13:20Z' });
  assert.equal(data.commit.committer.name, 'Grace');
  assert.deepEqual(data.parents, []);
  assert.equal(data.commit.tree.sha, gitText(dir, 'rev-parse', 'main^{tree}'));
  await refused(422, `GET ${repo}/commits/{ref}`, { ref: 'none' }, { message: 'No commit found for SHA: none' });
  await refused(409, `GET ${repo}/commits/{ref}`, { repo: 'empty', ref: 'main' }, { message: 'Git Repository is empty.' });
});

test('a commit object', async () => {
  const { data } = await good(`GET ${repo}/git/commits/{commit_sha}`, { commit_sha: commits.head });
  assert.deepEqual(data.parents.map((one) => one.sha), [gitText(dir, 'rev-parse', 'HEAD~1')]);
  await refused(404, `GET ${repo}/git/commits/{commit_sha}`, { commit_sha: '1'.repeat(40) }, { message: 'Not Found' });
  await refused(409, `GET ${repo}/git/commits/{commit_sha}`, { repo: 'empty', commit_sha: commits.head }, { message: 'Git Repository is empty.' });
});

/** What git says a tree holds, in its order, in GitHub's terms. */
function listed(where, tree, name, ...args) {
  return git(where, 'ls-tree', '-t', '-l', '-z', ...args, tree).toString().split('\0').filter(Boolean).map((line) => {
    const [, mode, type, sha, size, at] = /^(\d+) (\w+) (\w+) +(\d+|-)\t(.*)$/s.exec(line);
    return {
      path: at, mode, type, sha, ...(type === 'blob' ? { size: Number(size) } : {}),
      ...(type === 'commit' ? {} : { url: `${s.url}/repos/${name}/git/${type}s/${sha}` }),
    };
  });
}

test('trees are what git says, recursive and not: executable, symlink, submodule, bad names, deep folders', async () => {
  const whole = await good(`GET ${repo}/git/trees/{tree_sha}`, { tree_sha: 'main', recursive: '1' });
  assert.deepEqual(whole.data.tree, listed(dir, 'main', 'acme/awkward', '-r'));
  assert.equal(whole.data.truncated, false);
  assert.equal(whole.data.sha, gitText(dir, 'rev-parse', 'main^{tree}'));
  const modes = new Set(whole.data.tree.map((one) => one.mode));
  assert.deepEqual([...modes].sort(), ['040000', '100644', '100755', '120000', '160000']);
  assert.ok(whole.data.tree.some((one) => one.path === 'bad\ufffd.c'));
  // By the name of the tree, of a commit, of an annotated tag; "recursive=0" too asks for everything, as GitHub says.
  for (const tree_sha of [whole.data.sha, commits.head, 'v2']) {
    for (const recursive of ['true', '0']) {
      assert.deepEqual((await good(`GET ${repo}/git/trees/{tree_sha}`, { tree_sha, recursive })).data.tree, whole.data.tree);
    }
  }
  for (const folder of ['main:', 'main:src', 'main:vendor', 'main:ünï']) {
    const tree_sha = gitText(dir, 'rev-parse', folder);
    assert.deepEqual((await good(`GET ${repo}/git/trees/{tree_sha}`, { tree_sha })).data.tree, listed(dir, tree_sha, 'acme/awkward'));
  }
  const blob = gitText(dir, 'rev-parse', 'main:empty');
  for (const tree_sha of ['none', blob, '1'.repeat(40), '../../HEAD', 'main:src']) {
    await refused(404, `GET ${repo}/git/trees/{tree_sha}`, { tree_sha }, { message: 'Not Found' });
  }
  await refused(409, `GET ${repo}/git/trees/{tree_sha}`, { repo: 'empty', tree_sha: 'main' }, { message: 'Git Repository is empty.' });
});

test('a tree is truncated at the limit, never one folder of it, and walking the folders gives all', async () => {
  const all = listed(dir, 'main', 'acme/awkward', '-r');
  await s.control('POST', '/limits', { tree_entries: 10 });
  const cut = (await good(`GET ${repo}/git/trees/{tree_sha}`, { tree_sha: 'main', recursive: '1' })).data;
  assert.equal(cut.truncated, true);
  assert.deepEqual(cut.tree, all.slice(0, 10));
  const walked = [];
  async function walk(tree_sha, prefix) {
    const { data } = await good(`GET ${repo}/git/trees/{tree_sha}`, { tree_sha });
    assert.equal(data.truncated, false);
    for (const entry of data.tree) {
      walked.push({ ...entry, path: prefix + entry.path });
      if (entry.type === 'tree') await walk(entry.sha, `${prefix}${entry.path}/`);
    }
  }
  await walk('main', '');
  assert.deepEqual(walked, all);
  await s.control('POST', '/limits', { tree_entries: all.length });
  assert.equal((await good(`GET ${repo}/git/trees/{tree_sha}`, { tree_sha: 'main', recursive: '1' })).data.truncated, false);
  await s.control('POST', '/limits', { tree_entries: 100000 });
});

test('folders too deep for one answer make it truncated, not silently short', async () => {
  const far = path.join(s.dir, 'far');
  git(s.dir, 'init', '-q', '-b', 'main', 'far');
  const blob = git(far, 'hash-object', '-w', '--stdin', { input: 'x' }).toString().trim();
  git(far, 'update-index', '--add', '--cacheinfo', `100644,${blob},${'d/'.repeat(700)}f`);
  git(far, 'commit', '-q', '-m', 'Far');
  await s.control('POST', '/repos', { owner: 'acme', name: 'far', path: far });
  const { data } = await good(`GET ${repo}/git/trees/{tree_sha}`, { repo: 'far', tree_sha: 'main', recursive: '1' });
  assert.equal(data.truncated, true);
  assert.ok(data.tree.length > 100);
});

test('a page has a hundred entries at most, whatever is asked for', async () => {
  const wide = path.join(s.dir, 'wide');
  git(s.dir, 'init', '-q', '-b', 'main', 'wide');
  git(wide, 'commit', '-q', '--allow-empty', '-m', 'Start');
  const head = gitText(wide, 'rev-parse', 'HEAD');
  git(wide, 'update-ref', '--stdin', { input: Array.from({ length: 104 }, (_, i) => `create refs/heads/b${i} ${head}\n`).join('') });
  await s.control('POST', '/repos', { owner: 'acme', name: 'wide', path: wide });
  for (const [per_page, length] of [[undefined, 30], [100, 100], [101, 100], [1000, 100]]) {
    assert.equal((await good(`GET ${repo}/branches`, { repo: 'wide', per_page })).data.length, length, `${per_page}`);
  }
  assert.equal((await alice.paginate(`GET ${repo}/branches`, { owner: 'acme', repo: 'wide', per_page: 1000 })).length, 105);
});

test('blobs are what git holds, in JSON and raw', async () => {
  for (const entry of listed(dir, 'main', 'acme/awkward', '-r').filter((one) => one.type === 'blob')) {
    const expected = git(dir, 'cat-file', 'blob', entry.sha);
    const { data } = await good(`GET ${repo}/git/blobs/{file_sha}`, { file_sha: entry.sha });
    assert.deepEqual([data.encoding, data.size, data.sha], ['base64', expected.length, entry.sha]);
    assert.ok(Buffer.from(data.content, 'base64').equals(expected), entry.path);
    const raw = await s.raw('GET', `/repos/acme/awkward/git/blobs/${entry.sha}`, { headers: { accept: 'application/vnd.github.raw+json' } });
    assert.ok(raw.bytes.equals(expected), `${entry.path} raw`);
    assert.equal(raw.headers['x-github-media-type'], 'github.v3; param=raw');
  }
  const { data } = await good(`GET ${repo}/git/blobs/{file_sha}`, { file_sha: gitText(dir, 'rev-parse', 'main:data.bin') });
  assert.ok(data.content.split('\n').every((line) => line.length <= 60), 'lines as GitHub breaks them');
  await refused(404, `GET ${repo}/git/blobs/{file_sha}`, { file_sha: '1'.repeat(40) }, { message: 'Not Found' });
  await refused(404, `GET ${repo}/git/blobs/{file_sha}`, { file_sha: commits.head }, { message: 'Not Found' });
  for (const file_sha of ['xyz', '1'.repeat(39), 'g'.repeat(40)]) {
    await refused(422, `GET ${repo}/git/blobs/{file_sha}`, { file_sha }, { message: /^The sha parameter must be exactly 40 characters/ });
  }
  await refused(409, `GET ${repo}/git/blobs/{file_sha}`, { repo: 'empty', file_sha: '1'.repeat(40) }, { message: 'Git Repository is empty.' });
});

const contents = `GET ${repo}/contents/{path}`;
test('contents of files: in JSON, raw, large ones without their text, at any ref', async () => {
  for (const file of ['README.md', 'data.bin', 'empty', deepPath, 'with space/and#hash?.txt', 'ünï/ç.txt', 'run.sh']) {
    const { data } = await good(contents, { path: file });
    assert.deepEqual([data.type, data.path, data.name], ['file', file, path.basename(file)]);
    assert.equal(data.sha, gitText(dir, 'rev-parse', `main:${file}`));
    assert.ok(Buffer.from(data.content, 'base64').equals(git(dir, 'cat-file', 'blob', data.sha)), file);
    assert.equal(new URL(data.url).pathname, `/repos/acme/awkward/contents/${file.split('/').map(encodeURIComponent).join('/')}`);
  }
  const big = await good(contents, { path: 'big.txt' });
  assert.deepEqual([big.data.content, big.data.encoding, big.data.size], ['', 'none', 1_200_000]);
  for (const accept of ['application/vnd.github.raw+json', 'application/vnd.github.v3.raw', 'application/vnd.github.raw']) {
    assert.ok((await s.raw('GET', '/repos/acme/awkward/contents/data.bin', { headers: { accept } })).bytes.equals(binary), accept);
  }
  const old = await good(contents, { path: 'README.md', ref: 'feature/one' });
  assert.match(old.data.url, /\?ref=feature\/one$/);
  await refused(404, contents, { path: 'none' }, { message: 'Not Found' });
  await refused(404, contents, { path: 'README.md', ref: 'none' }, { message: 'No commit found for the ref none' });
  await refused(404, contents, { path: 'x', repo: 'empty' }, { message: 'This repository is empty.' });
});

test('contents of folders, symlinks and submodules', async () => {
  const root = await good(contents, { path: '' });
  assert.deepEqual(root.data.map((one) => one.name).sort(), listed(dir, 'main', 'acme/awkward').map((one) => one.path).sort());
  const src = await good(contents, { path: 'src' });
  assert.deepEqual(src.data.map((one) => [one.path, one.type]), [['src/dangling', 'symlink'], ['src/main.c', 'file']]);
  const slash = await s.raw('GET', '/repos/acme/awkward/contents/src/');
  assert.deepEqual(JSON.parse(slash.text), src.data);
  // GitHub lists submodules as files, for clients of old; asked for itself, one says what it is.
  const vendor = await good(contents, { path: 'vendor' });
  assert.deepEqual(vendor.data.map((one) => [one.path, one.type]), [['vendor/lib', 'file']]);
  const submodule = await good(contents, { path: 'vendor/lib' });
  assert.deepEqual([submodule.data.type, submodule.data.submodule_git_url, submodule.data.sha], ['submodule', 'https://example.com/other/lib.git', '1'.repeat(40)]);
  // A link to a file of the repository is that file; any other link is itself.
  const link = await good(contents, { path: 'link-to-file' });
  assert.deepEqual([link.data.type, Buffer.from(link.data.content, 'base64').toString()], ['file', 'int main(void) { return 0; }\n']);
  const dangling = await good(contents, { path: 'src/dangling' });
  assert.deepEqual([dangling.data.type, dangling.data.target], ['symlink', '../nowhere']);
});

test('an answer that the client has is 304 and free', async () => {
  const used = async () => (await s.ask(alice, 'GET /rate_limit')).data.resources.core.used;
  for (const [route, params] of [['GET /user', {}], [`GET ${repo}`, {}], [`GET ${repo}/git/trees/{tree_sha}`, { tree_sha: 'main', recursive: '1' }], [`GET ${repo}/branches`, {}], [contents, { path: 'README.md' }]]) {
    const first = await good(route, params);
    assert.match(first.headers.etag, /^W\/"[0-9a-f]{64}"$/);
    const before = await used();
    for (const etag of [first.headers.etag, `"other", ${first.headers.etag}`]) {
      const again = await alice.request(route, at({ ...params, headers: { 'if-none-match': etag } })).catch((error) => error.response);
      assert.equal(again.status, 304);
      assert.equal(again.headers['content-length'], undefined);
      described(route, again, { beyond: ![`GET /user`, contents].includes(route) });
      assert.equal(again.headers.etag, first.headers.etag);
      assert.equal(Number(again.headers['x-ratelimit-used']), before);
    }
    assert.equal(await used(), before, `${route}: 304 is free`);
    const changed = await s.ask(alice, route, at({ ...params, headers: { 'if-none-match': 'W/"0123"' } }));
    assert.equal(changed.status, 200);
    assert.equal(await used(), before + 1, `${route}: 200 is not`);
  }
  // Without a token a 304 counts: GitHub frees only those who say who they are.
  const first = await s.ask(anonymous, `GET ${repo}`, at({}));
  const again = await s.raw('GET', '/repos/acme/awkward', { token: null, headers: { 'if-none-match': first.headers.etag } });
  assert.equal(again.status, 304);
  assert.equal(Number(again.headers['x-ratelimit-used']), Number(first.headers['x-ratelimit-used']) + 1);
});

test('the rate limit: counted, asked for free, refused with 403 at its end, renewed at the reset', async () => {
  const erin = s.client('erin');
  await s.control('POST', '/users', { login: 'erin', token: 'token-erin' });
  const left = async () => (await s.ask(erin, 'GET /rate_limit')).data.resources.core.remaining;
  assert.equal(await left(), 5000);
  await s.ask(erin, 'GET /user');
  assert.equal(await left(), 4999);
  const reset = Math.floor(Date.now() / 1000) + 1000;
  await s.control('POST', '/limits', { rate_remaining: 1, rate_reset: reset });
  const last = await s.ask(erin, 'GET /user');
  assert.deepEqual([last.headers['x-ratelimit-remaining'], last.headers['x-ratelimit-reset']], ['0', String(reset)]);
  const { data, headers } = await refused(403, 'GET /user', {}, { client: erin, message: /^API rate limit exceeded for user ID \d+\./ });
  assert.equal(headers['x-ratelimit-remaining'], '0');
  assert.match(data.documentation_url, /rate-limits-for-the-rest-api/);
  assert.equal(await left(), 0);
  await refused(403, `GET ${repo}/git/trees/{tree_sha}`, { tree_sha: 'main' }, { client: erin, beyond: true, message: /^API rate limit exceeded/ });
  // A reset that has passed begins a new hour.
  await s.control('POST', '/limits', { rate_reset: Math.floor(Date.now() / 1000) - 1 });
  assert.equal((await s.ask(erin, 'GET /user')).headers['x-ratelimit-remaining'], '4999');
});

test('HEAD answers as GET does, without a body', async () => {
  const get = await s.raw('GET', '/repos/acme/awkward/git/trees/main?recursive=1');
  const head = await s.raw('HEAD', '/repos/acme/awkward/git/trees/main?recursive=1');
  assert.equal(head.status, 200);
  assert.equal(head.text, '');
  assert.equal(head.headers.etag, get.headers.etag);
  assert.equal(head.headers['content-length'], get.headers['content-length']);
});

test("the house's own clone: tree and every blob are git's", async () => {
  const own = { owner: 'acme', repo: 'house' };
  const head = gitText(house, 'rev-parse', 'HEAD');
  const { data } = await s.ask(alice, `GET ${repo}/git/trees/{tree_sha}`, { ...own, tree_sha: head, recursive: '1' });
  assert.deepEqual(data.tree, listed(house, head, 'acme/house', '-r'));
  assert.ok(data.tree.length > 100);
  await Promise.all(data.tree.filter((one) => one.type === 'blob').map(async (entry) => {
    const answer = await s.ask(alice, `GET ${repo}/git/blobs/{file_sha}`, { ...own, file_sha: entry.sha });
    const content = Buffer.from(answer.data.content, 'base64');
    assert.equal(content.length, entry.size);
    assert.equal(git(house, 'hash-object', '--stdin', { input: content }).toString().trim(), entry.sha, entry.path);
  }));
});

test('the judge is strict: a missing field, an invented one, a wrong type and a wrong status are found', async () => {
  const route = `GET ${repo}`;
  const response = await s.ask(alice, route, at({}));
  const spoilt = (change) => ({ ...response, data: Object.assign(structuredClone(response.data), change) });
  for (const [change, pattern] of [[{ id: undefined }, /required property 'id'/], [{ invented: 1 }, /unevaluated/], [{ id: '7' }, /\/id must be integer/], [{ owner: { login: 'x' } }, /\/owner/], [{ private: null }, /\/private/]]) {
    assert.throws(() => described(route, spoilt(change)), pattern);
  }
  assert.throws(() => described(route, { ...response, status: 418 }), /describes no such answer/);
  assert.throws(() => described(route, response, { beyond: true }), /described after all/);
  assert.throws(() => described('GET /repos/{owner}/{repo}/nothing', response), /describes no/);
  assert.throws(() => conforms('soon', { type: 'string', format: 'date-time' }, 'a time'), /date-time/);
  conforms(null, { type: 'string', nullable: true }, 'a nullable');
  assert.throws(() => conforms(null, { type: 'string' }, 'no nullable'));
});

test('what is open: issues with the pull requests among them, pull requests alone, newest first, a page at a time', async () => {
  const topics = [1, 2, 3].map((number) => ({ number, pull: number !== 2, title: `T${number}`, body: number === 1 ? null : 'text', login: number === 3 ? undefined : 'bob', created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-02T00:00:00Z' }));
  await s.control('POST', '/topics', { ...awkward, open: topics });
  git(dir, 'update-ref', 'refs/pull/1/head', commits.first);
  const numbers = async (kind, params) => (await good(`GET ${repo}/${kind}`, params)).data.map(({ number }) => number);
  assert.deepEqual(await numbers('issues'), [3, 2, 1]);
  assert.deepEqual(await numbers('pulls', { state: 'open', sort: 'created', direction: 'desc' }), [3, 1]);
  assert.deepEqual(await numbers('issues', { per_page: 2, page: 2 }), [1]);
  assert.deepEqual(await numbers('pulls', { state: 'closed' }), []);
  const { data } = await good(`GET ${repo}/pulls`);
  assert.deepEqual(data.map(({ head, user }) => [head.sha, user?.login]), [['0'.repeat(40), undefined], [commits.first, 'bob']]);
  assert.deepEqual((await good(`GET ${repo}/issues`)).data.map((one) => Boolean(one.pull_request)), [true, false, true]);
  await good(`GET ${repo}/pulls/{pull_number}/files`, { pull_number: 1 });
});

test('labels: added, listed and removed by who may write, without case, made when they are new', async () => {
  git(dir, 'update-ref', 'refs/pull/1/head', commits.first);
  const of = `${repo}/issues/{issue_number}/labels`;
  const names = ({ data }) => data.map(({ name }) => name);
  const one = { issue_number: 1 };
  assert.deepEqual(names(await good(`GET ${of}`, one)), []);
  assert.deepEqual(names(await good(`POST ${of}`, { ...one, labels: ['size/S', 'Bug'] })), ['size/S', 'Bug']);
  assert.deepEqual(names(await good(`POST ${of}`, { ...one, labels: ['bug', 'new'] })), ['size/S', 'Bug', 'new']);
  assert.deepEqual(names(await good(`DELETE ${of}/{name}`, { ...one, name: 'size/S' })), ['Bug', 'new']);
  assert.deepEqual(names(await good(`GET ${of}`, one)), ['Bug', 'new']);
  await refused(404, `DELETE ${of}/{name}`, { ...one, name: 'size/S' }, { message: 'Label does not exist' });
  await refused(404, `GET ${of}`, { issue_number: 99 }, { message: 'Not Found' });
  await refused(403, `POST ${of}`, { ...one, labels: ['x'] }, { client: s.client('bob'), beyond: true, message: /push access/ });
});

test('all of this was held against the description', () => {
  const routes = new Set(seen().map((one) => one.replace(/^\d+ of /, '')));
  assert.ok(routes.size >= 12, [...routes].join(', '));
});
