// Made-up histories for the tests that read graphs: written into either store as the grapher keeps it, and counted here
// once more, in plain loops, so that its statements are held to something that is not made of them.

import pg from 'pg';
import neo4j from 'neo4j-driver';

/** The same numbers in every run. */
export function random(seed) {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * n);
  };
}

const people = [{ id: 501, login: 'ann' }, { id: 502, login: 'ben' }, { id: 503, login: 'cleo' }, null];

/** Pull requests over these files; every fifth is a sweep through `sweep` others that are no files of the tree. */
export function history(paths, count, { seed = 7, sweep = 31 } = {}) {
  const next = random(seed);
  return Array.from({ length: count }, (_, i) => {
    const touched = new Set([paths[next(paths.length)], paths[next(paths.length)], paths[next(3)]]);
    if (i % 5 === 4) for (let n = 0; n < sweep; n++) touched.add(`swept/${n}.txt`);
    return {
      number: i + 1, title: `Pull ${i + 1}`, state: ['open', 'merged', 'closed'][next(3)], author: people[next(people.length)],
      touches: [...touched].sort().map((path) => ({ path, additions: next(50), deletions: next(50) })),
    };
  });
}

/** Writes into the store what the grapher would. `in` is a pg pool, or a driver of Neo4j. */
export class Postgres {
  constructor(db) { this.db = db; }
  async pulls(repoId, list) {
    const rows = JSON.stringify(list.flatMap((pull) => pull.touches.map((touch) => ({ n: pull.number, p: touch.path, a: touch.additions, d: touch.deletions }))));
    await this.db.query('delete from graph_pull_requests where repo_id = $1', [repoId]);
    await this.db.query('delete from graph_touches where repo_id = $1', [repoId]);
    await this.db.query(`insert into graph_developers values ${people.filter(Boolean).map(({ id, login }) => `(${id}, '${login}')`)} on conflict do nothing`);
    await this.db.query(`insert into graph_pull_requests (repo_id, number, version, title, state, author_id, head_sha, created_at)
      select $1, n, '', t, s, a, '', now() from jsonb_to_recordset($2) as p (n bigint, t text, s text, a bigint)`,
    [repoId, JSON.stringify(list.map((pull) => ({ n: pull.number, t: pull.title, s: pull.state, a: pull.author?.id })))]);
    await this.db.query('insert into graph_touches select $1, n, p, a, d from jsonb_to_recordset($2) as t (n bigint, p text, a bigint, d bigint)', [repoId, rows]);
  }

  /** A repository of files of one folder, without anything else. */
  async files(repoId, paths) {
    await this.db.query("insert into graph_repositories (repo_id, full_name, commit_sha, generation, files, links, complete) values ($1, 'acme/big', '', 1, 0, 0, true)", [repoId]);
    await this.db.query(`insert into graph_files select $1, p, 'big', 'JavaScript', 1, '', 1 from jsonb_array_elements_text($2) p`, [repoId, JSON.stringify(paths)]);
  }

  /** So many others that no plan can go through all of it unnoticed. */
  async crowd() {
    await this.db.query(`insert into graph_repositories (repo_id, full_name, commit_sha, generation, files, links, complete) select 700000 + r, 'crowd/' || r, '', 1, 0, 0, true from generate_series(1, 40) r`);
    await this.db.query(`insert into graph_files select 700000 + r, 'crowd/' || n || '.c', 'crowd', 'C', 1, '', 1 from generate_series(1, 40) r, generate_series(1, 1000) n`);
    await this.db.query(`insert into graph_directories select 700000 + r, 'crowd/' || n, 1 from generate_series(1, 40) r, generate_series(1, 500) n`);
    await this.db.query(`insert into graph_developers select n, 'crowd' || n from generate_series(1000, 6000) n`);
    await this.db.query(`insert into graph_pull_requests (repo_id, number, version, title, state, author_id, head_sha, created_at) select 700000 + r, n, '', '', case when n % 20 = 0 then 'open' else 'merged' end, 1000 + n, '', now() from generate_series(1, 40) r, generate_series(1, 800) n`);
    await this.db.query(`insert into graph_touches select 700000 + r, n, 'crowd/' || (n + k) || '.c', 1, 1 from generate_series(1, 40) r, generate_series(1, 800) n, generate_series(1, 3) k`);
    await this.db.query(`insert into graph_dependencies select 700000 + r, 'pkg:npm/crowd' || n, 'runtime', '', 1 from generate_series(1, 40) r, generate_series(1, 300) n`);
    await this.db.query('analyze');
  }

  /** The plan of a statement that is prepared, for any arguments (`generic`) or for these. */
  async plan(statement, values, settings, generic) {
    const client = await this.db.connect();
    const text = (value) => (value === undefined || value === null ? 'null' : typeof value === 'number' ? String(value) : pg.escapeLiteral(typeof value === 'object' ? JSON.stringify(value) : value));
    try {
      await client.query('begin');
      await client.query(settings);
      await client.query(`set local plan_cache_mode = force_${generic ? 'generic' : 'custom'}_plan`);
      await client.query(`prepare looked_at as ${statement.postgres}`);
      const { rows: [{ 'QUERY PLAN': [{ Plan }] }] } = await client.query(`explain (analyze, format json) execute looked_at (${statement.parameters.map((name) => text(values[name]))})`);
      return Plan;
    } finally {
      await client.query('rollback');
      await client.query('deallocate looked_at');
      client.release();
    }
  }
}

/** What a plan of PostgreSQL reads other than by an index, and how many rows it reads of tables of the graph. */
export function readByPostgres(plan) {
  const found = { scans: [], rows: 0 };
  const walk = (node) => {
    const table = /^graph_/.test(node['Relation Name'] ?? '');
    const byIndex = node['Index Cond'] || node['Node Type'] === 'Bitmap Heap Scan';
    if (table && !byIndex) found.scans.push(`${node['Node Type']} of ${node['Relation Name']}`);
    if (table) found.rows += (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
    for (const child of node.Plans ?? []) walk(child);
  };
  walk(plan);
  return found;
}

/** Numbers as Neo4j wants them where it asks for an integer. */
const integers = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number.isInteger(value) ? neo4j.int(value) : value]));

export class Neo4j {
  constructor(driver) { this.driver = driver; }
  run(text, values = {}) {
    return this.driver.executeQuery(text, integers(values));
  }

  async pulls(repoId, list) {
    await this.run('match (p:PullRequest {repo_id: $repoId}) detach delete p', { repoId });
    await this.run('unwind $people as person merge (d:Developer {github_id: toInteger(person.id)}) set d.login = person.login', { people: people.filter(Boolean) });
    await this.run(`unwind $list as pull create (p:PullRequest {repo_id: $repoId, number: toInteger(pull.number), title: pull.title, state: pull.state})
      with p, pull call (p, pull) { unwind pull.touches as touch merge (f:File {repo_id: $repoId, path: touch.path})
        create (p)-[:TOUCHES {additions: toInteger(touch.additions), deletions: toInteger(touch.deletions)}]->(f) }
      with p, pull where pull.author is not null match (d:Developer {github_id: toInteger(pull.author.id)}) create (p)-[:AUTHORED_BY]->(d)`, { repoId, list });
  }

  async files(repoId, paths) {
    await this.run("create (:Repository {repo_id: $repoId, full_name: 'acme/big', commit: '', generation: 1, built: 1, files: 0, links: 0, complete: true})", { repoId });
    await this.run("unwind $paths as path create (:File {repo_id: $repoId, path: path, name: last(split(path, '/')), language: 'JavaScript', size: 1, generation: 1})", { repoId, paths });
  }

  async crowd() {} // its plans name what they scan, however much there is

  async plan(statement, values) {
    const all = Object.fromEntries(statement.parameters.map((name) => [name, values[name] ?? null]));
    all.repo_ids = all.repo_ids?.map((id) => neo4j.int(id)) ?? null;
    return (await this.run(`profile ${statement.neo4j}`, { given: integers(all) })).summary.profile;
  }
}

/** The same of a plan of Neo4j; `rows` are those that leave each operator that reads nodes from an index. */
export function readByNeo4j(plan) {
  const found = { scans: [], rows: 0 };
  const walk = (node) => {
    const operator = node.operatorType.replace(/@.*/, '');
    if (/Scan/.test(operator)) found.scans.push(`${operator} ${node.arguments.Details ?? ''}`);
    if (/IndexSeek/.test(operator)) found.rows += node.rows;
    for (const child of node.children) walk(child);
  };
  walk(plan);
  return found;
}

/* ---- the same, counted ------------------------------------------------------------------------------------ */

const newest = (pulls) => [...pulls].sort((a, b) => b.number - a.number);
const counted = (pulls, large) => pulls.filter(({ state, touches }) => state !== 'closed' && touches.length <= large);
const touches = (pull, path) => pull.touches.some((touch) => touch.path === path);
const basis = (pulls, bound, large) => {
  const looked = newest(pulls).slice(0, bound);
  const count = counted(looked, large).length;
  return { pull_requests: count, left_out: looked.filter(({ state }) => state !== 'closed').length - count, bounded: looked.length === bound };
};
const byText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const tally = (list) => {
  const counts = new Map();
  for (const one of list) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts];
};
const pairs = (list) => list.flatMap((a, i) => list.slice(i + 1).map((b) => [a, b]));

export function togetherWith(pulls, path, limit) {
  const mine = pulls.filter((pull) => touches(pull, path));
  const others = tally(counted(newest(mine).slice(0, 500), 30).flatMap((pull) => pull.touches.map((touch) => touch.path)).filter((other) => other !== path));
  return {
    changed_together: others.map(([other, n]) => ({ path: other, pull_requests: n })).sort((a, b) => b.pull_requests - a.pull_requests || byText(a.path, b.path)).slice(0, limit),
    basis: basis(mine, 500, 30),
  };
}

export function together(pulls, limit) {
  const all = tally(counted(newest(pulls).slice(0, 500), 30).flatMap((pull) => pairs(pull.touches.map(({ path }) => path))).map((pair) => pair.join('\0')));
  return {
    pairs: all.map(([pair, n]) => ({ paths: pair.split('\0'), pull_requests: n })).sort((a, b) => b.pull_requests - a.pull_requests || byText(a.paths.join('\0'), b.paths.join('\0'))).slice(0, limit),
    basis: basis(pulls, 500, 30),
  };
}

export function developers(pulls, folder, limit) {
  const found = new Map();
  for (const pull of counted(newest(pulls).slice(0, 500), 300)) {
    const below = pull.touches.filter(({ path }) => !folder || path.startsWith(`${folder}/`));
    if (!below.length || !pull.author) continue;
    const one = found.get(pull.author.id) ?? { login: pull.author.login, github_id: pull.author.id, pull_requests: 0, additions: 0, deletions: 0 };
    one.pull_requests++;
    for (const touch of below) { one.additions += touch.additions; one.deletions += touch.deletions; }
    found.set(pull.author.id, one);
  }
  return { developers: [...found.values()].sort((a, b) => b.pull_requests - a.pull_requests || a.github_id - b.github_id).slice(0, limit), basis: basis(pulls, 500, 300) };
}

const common = (a, b) => a.touches.map(({ path }) => path).filter((path) => touches(b, path));

export function overlapsOf(pulls, number, limit) {
  const mine = pulls.find((pull) => pull.number === number);
  const open = pulls.filter(({ state }) => state === 'open');
  return {
    pull_request: { number, title: mine.title, state: mine.state },
    overlaps: counted(newest(open).slice(0, 500), 300).filter((pull) => pull !== mine).map((pull) => ({ pull, paths: common(pull, mine) })).filter(({ paths }) => paths.length)
      .map(({ pull, paths }) => ({ number: pull.number, title: pull.title, author: pull.author?.login ?? null, files: paths.length, paths: paths.slice(0, 5) }))
      .sort((a, b) => b.files - a.files || b.number - a.number).slice(0, limit),
    basis: basis(open, 500, 300),
  };
}

export function overlaps(pulls, limit) {
  const open = pulls.filter(({ state }) => state === 'open');
  const few = counted(newest(open).slice(0, 100), 100);
  return {
    pairs: pairs([...few].reverse()).map(([a, b]) => ({ pull_requests: [a.number, b.number], paths: common(a, b) })).filter(({ paths }) => paths.length)
      .map(({ pull_requests: two, paths }) => ({ pull_requests: two, files: paths.length, paths: paths.slice(0, 5) }))
      .sort((a, b) => b.files - a.files || b.pull_requests[1] - a.pull_requests[1] || b.pull_requests[0] - a.pull_requests[0]).slice(0, limit),
    basis: basis(open, 100, 100),
  };
}

export function neighbours(pulls, path, limit) {
  const mine = newest(pulls.filter((pull) => touches(pull, path)));
  const authors = tally(counted(mine.slice(0, 500), 30).filter(({ author }) => author).map(({ author }) => author));
  return {
    pull_requests: mine.slice(0, limit).map((pull) => {
      const { additions, deletions } = pull.touches.find((touch) => touch.path === path);
      return { number: pull.number, title: pull.title, state: pull.state, author: pull.author?.login ?? null, additions, deletions };
    }),
    people: authors.map(([author, n]) => ({ login: author.login, github_id: author.id, pull_requests: n })).sort((a, b) => b.pull_requests - a.pull_requests || a.github_id - b.github_id).slice(0, limit),
    ...togetherWith(pulls, path, limit),
  };
}
