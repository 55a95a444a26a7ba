"""What others do to write files into Neo4j with the official Python driver, for the bench: each line of standard input is a
step, "build REPO_ID FILES", and is answered by a line when it is done.

  drivers.py original ROWS   the way of the backend that Repobus replaces: asynchronous, 200 rows a transaction, MERGE of each
                             node, then MERGE of each relationship
  drivers.py create ROWS     as fast as the driver goes: 5,000 rows, one CREATE; not safe to send again
"""

import asyncio
import os
import sys

from neo4j import AsyncGraphDatabase, GraphDatabase

ADDRESS = os.environ["NEO4J_BOLT_URI"]
LOGIN = (os.environ["NEO4J_USERNAME"], os.environ["NEO4J_PASSWORD"])
REPOSITORY = "MERGE (r:Repository {repo_id: $repo})"
MERGE_NODES = """UNWIND $rows AS row MERGE (f:File {repo_id: $repo, path: row.path})
SET f.language = row.language, f.size = row.size, f.sha = row.sha"""
MERGE_LINKS = """MATCH (r:Repository {repo_id: $repo}) UNWIND $rows AS row
MATCH (f:File {repo_id: $repo, path: row.path}) MERGE (r)-[:CONTAINS]->(f)"""
CREATE = """MATCH (r:Repository {repo_id: $repo}) UNWIND $rows AS row
CREATE (r)-[:CONTAINS]->(:File {repo_id: $repo, path: row.path, language: row.language, size: row.size, sha: row.sha})"""


def read(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, language, size, sha = line.rstrip("\n").split("\t")
            yield {"path": name, "language": language or None, "size": int(size), "sha": sha}


def batches(rows, size):
    return (rows[at : at + size] for at in range(0, len(rows), size))


def steps():
    print("ready", flush=True)
    for line in sys.stdin:
        _, repo, count = line.split()
        yield int(repo), int(count)
        print("{}", flush=True)


async def original(rows):
    async def write(tx, batch, repo):
        await (await tx.run(MERGE_NODES, rows=batch, repo=repo)).consume()
        await (await tx.run(MERGE_LINKS, rows=batch, repo=repo)).consume()

    async with AsyncGraphDatabase.driver(ADDRESS, auth=LOGIN) as driver:
        for repo, count in steps():
            async with driver.session() as session:
                await (await session.run(REPOSITORY, repo=repo)).consume()
                for batch in batches(rows[:count], 200):
                    await session.execute_write(write, batch, repo)


def create(rows):
    with GraphDatabase.driver(ADDRESS, auth=LOGIN) as driver:
        for repo, count in steps():
            with driver.session() as session:
                session.run(REPOSITORY, repo=repo).consume()
                for batch in batches(rows[:count], 5000):
                    session.execute_write(lambda tx, batch: tx.run(CREATE, rows=batch, repo=repo).consume(), batch)


ways = {"original": lambda rows: asyncio.run(original(rows)), "create": create}
ways[sys.argv[1]](list(read(sys.argv[2])))
