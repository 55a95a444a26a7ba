// What others do to write files into Neo4j with the official JavaScript driver, for the bench: 5,000 rows, one CREATE. The same
// steps as drivers.py: "build REPO_ID FILES" on standard input, a line when it is done.

import fs from 'node:fs';
import { createInterface } from 'node:readline';
import neo4j from 'neo4j-driver';

const rows = fs.readFileSync(process.argv[2], 'utf8').trimEnd().split('\n').map((line) => {
  const [path, language, size, sha] = line.split('\t');
  return { path, language: language || null, size: neo4j.int(size), sha };
});
const driver = neo4j.driver(process.env.NEO4J_BOLT_URI, neo4j.auth.basic(process.env.NEO4J_USERNAME, process.env.NEO4J_PASSWORD));
const create = `MATCH (r:Repository {repo_id: $repo}) UNWIND $rows AS row
  CREATE (r)-[:CONTAINS]->(:File {repo_id: $repo, path: row.path, language: row.language, size: row.size, sha: row.sha})`;

console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [, repoId, count] = line.split(' ').map(Number);
  const [session, repo] = [driver.session(), neo4j.int(repoId)];
  await session.run('MERGE (r:Repository {repo_id: $repo})', { repo });
  for (let at = 0; at < count; at += 5000) {
    await session.executeWrite((tx) => tx.run(create, { repo, rows: rows.slice(at, Math.min(at + 5000, count)) }));
  }
  await session.close();
  console.log('{}');
}
await driver.close();
