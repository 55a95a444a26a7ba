// What others do to write files into Neo4j with the official JavaScript driver, for the bench: 5,000 rows, one CREATE. The same
// steps as drivers.py: "build REPO_ID FILES" on standard input, a line when it is done; and with "same" the same graph as Repobus.

import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import neo4j from 'neo4j-driver';

const isSame = process.argv[3] === 'same';
const rows = fs.readFileSync(process.argv[2], 'utf8').trimEnd().split('\n').map((line) => {
  const [name, language, size, sha, marks] = line.split('\t');
  const row = { path: name, language: language || null, size: neo4j.int(size), sha };
  if (!isSame) return row;
  const [isTest, isGenerated, isVendored] = [...marks].map((mark) => mark === '1');
  return { ...row, folder: path.posix.dirname(name), name: path.posix.basename(name), isTest, isGenerated, isVendored };
});
const driver = neo4j.driver(process.env.NEO4J_BOLT_URI, neo4j.auth.basic(process.env.NEO4J_USERNAME, process.env.NEO4J_PASSWORD));
const found = 'MATCH (r:Repository {repo_id: $repo}) UNWIND $rows AS row ';
const createFiles = isSame
  ? `${found} MATCH (d:Directory {repo_id: $repo, path: row.folder})
    CREATE (r)-[:CONTAINS]->(:File {repo_id: $repo, path: row.path, name: row.name, language: row.language, size: row.size, sha: row.sha,
      is_test: row.isTest, is_generated: row.isGenerated, is_vendored: row.isVendored, generation: 1})<-[:CONTAINS]-(d)`
  : `${found} CREATE (r)-[:CONTAINS]->(:File {repo_id: $repo, path: row.path, language: row.language, size: row.size, sha: row.sha})`;
const createFolders = `${found} CREATE (d:Directory {repo_id: $repo, path: row.path, name: row.name, generation: 1})
  WITH r, row, d OPTIONAL MATCH (p:Directory {repo_id: $repo, path: row.folder})
  WITH d, coalesce(p, r) AS parent CREATE (parent)-[:CONTAINS]->(d)`;

function foldersOf(files) {
  const all = new Set();
  for (const file of files) {
    for (let folder = file.folder; folder && folder !== '.' && !all.has(folder); folder = path.posix.dirname(folder)) all.add(folder);
  }
  return [...all].sort().map((name) => ({ path: name, folder: path.posix.dirname(name), name: path.posix.basename(name) }));
}

console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [, repoId, count] = line.split(' ').map(Number);
  const [session, repo] = [driver.session(), neo4j.int(repoId)];
  await session.run('MERGE (r:Repository {repo_id: $repo})', { repo });
  const files = rows.slice(0, count);
  for (const [statement, all] of [[createFolders, foldersOf(files)], [createFiles, files]]) {
    for (let at = 0; at < all.length; at += 5000) {
      await session.executeWrite((tx) => tx.run(statement, { repo, rows: all.slice(at, at + 5000) }));
    }
  }
  await session.close();
  console.log('{}');
}
await driver.close();
