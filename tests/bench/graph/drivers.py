"""What others do to write files into Neo4j with the official Python driver, for the bench: each line of standard input is a
step, "build REPO_ID FILES", and is answered by a line when it is done.

  drivers.py original ROWS         the way of the backend that Repobus replaces: asynchronous, 200 rows a transaction, MERGE of
                                   each node, then MERGE of each relationship
  drivers.py create ROWS           as fast as the driver goes: 5,000 rows, one CREATE; not safe to send again
  drivers.py original ROWS same    the same graph as Repobus: folders, both links to a file, all properties
  drivers.py create ROWS same
"""

import asyncio
import os
import sys

from neo4j import AsyncGraphDatabase, GraphDatabase

ADDRESS = os.environ["NEO4J_BOLT_URI"]
LOGIN = (os.environ["NEO4J_USERNAME"], os.environ["NEO4J_PASSWORD"])
REPOSITORY = "MERGE (r:Repository {repo_id: $repo})"
FOUND = "MATCH (r:Repository {repo_id: $repo}) UNWIND $rows AS row "
ALL = """name: row.name, language: row.language, size: row.size, sha: row.sha, is_test: row.is_test,
is_generated: row.is_generated, is_vendored: row.is_vendored, generation: 1"""
# By way, then what of it is written for folders and for files.
STATEMENTS = {
    "original": {
        "folders": [],
        "files": [
            """UNWIND $rows AS row MERGE (f:File {repo_id: $repo, path: row.path})
SET f.language = row.language, f.size = row.size, f.sha = row.sha""",
            FOUND + "MATCH (f:File {repo_id: $repo, path: row.path}) MERGE (r)-[:CONTAINS]->(f)",
        ],
    },
    "create": {
        "folders": [],
        "files": [
            FOUND + """CREATE (r)-[:CONTAINS]->(:File {repo_id: $repo, path: row.path, language: row.language,
size: row.size, sha: row.sha})"""
        ],
    },
    "original same": {
        "folders": [
            "UNWIND $rows AS row MERGE (d:Directory {repo_id: $repo, path: row.path}) SET d.name = row.name, d.generation = 1",
            FOUND + """MATCH (d:Directory {repo_id: $repo, path: row.path})
OPTIONAL MATCH (p:Directory {repo_id: $repo, path: row.folder})
WITH d, coalesce(p, r) AS parent MERGE (parent)-[:CONTAINS]->(d)""",
        ],
        "files": [
            f"UNWIND $rows AS row MERGE (f:File {{repo_id: $repo, path: row.path}}) SET f += {{{ALL}}}",
            FOUND + """MATCH (f:File {repo_id: $repo, path: row.path}) MATCH (d:Directory {repo_id: $repo, path: row.folder})
MERGE (r)-[:CONTAINS]->(f) MERGE (d)-[:CONTAINS]->(f)""",
        ],
    },
    "create same": {
        "folders": [
            FOUND + """CREATE (d:Directory {repo_id: $repo, path: row.path, name: row.name, generation: 1})
WITH r, row, d OPTIONAL MATCH (p:Directory {repo_id: $repo, path: row.folder})
WITH d, coalesce(p, r) AS parent CREATE (parent)-[:CONTAINS]->(d)"""
        ],
        "files": [
            FOUND + f"""MATCH (d:Directory {{repo_id: $repo, path: row.folder}})
CREATE (r)-[:CONTAINS]->(:File {{repo_id: $repo, path: row.path, {ALL}}})<-[:CONTAINS]-(d)"""
        ],
    },
}


def read(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, language, size, sha, marks = line.rstrip("\n").split("\t")
            row = {"path": name, "language": language or None, "size": int(size), "sha": sha}
            if len(sys.argv) > 3:
                row["folder"], row["name"] = os.path.split(name)
                row.update((key, mark == "1") for key, mark in zip(("is_test", "is_generated", "is_vendored"), marks))
            yield row


def folders_of(files):
    found = set()
    for file in files:
        folder = file.get("folder")
        while folder and folder not in found:
            found.add(folder)
            folder = os.path.dirname(folder)
    return [{"path": path, "folder": os.path.dirname(path), "name": os.path.basename(path)} for path in sorted(found)]


def batches(files, size):
    for kind, rows in (("folders", folders_of(files)), ("files", files)):
        for at in range(0, len(rows), size):
            yield STATEMENTS[" ".join(sys.argv[1:2] + sys.argv[3:])][kind], rows[at : at + size]


def steps():
    print("ready", flush=True)
    for line in sys.stdin:
        _, repo, count = line.split()
        yield int(repo), int(count)
        print("{}", flush=True)


async def original(files):
    async def write(tx, statements, rows, repo):
        for statement in statements:
            await (await tx.run(statement, rows=rows, repo=repo)).consume()

    async with AsyncGraphDatabase.driver(ADDRESS, auth=LOGIN) as driver:
        for repo, count in steps():
            async with driver.session() as session:
                await (await session.run(REPOSITORY, repo=repo)).consume()
                for statements, rows in batches(files[:count], 200):
                    await session.execute_write(write, statements, rows, repo)


def create(files):
    def write(tx, statements, rows, repo):
        for statement in statements:
            tx.run(statement, rows=rows, repo=repo).consume()

    with GraphDatabase.driver(ADDRESS, auth=LOGIN) as driver:
        for repo, count in steps():
            with driver.session() as session:
                session.run(REPOSITORY, repo=repo).consume()
                for statements, rows in batches(files[:count], 5000):
                    session.execute_write(write, statements, rows, repo)


ways = {"original": lambda files: asyncio.run(original(files)), "create": create}
ways[sys.argv[1]](list(read(sys.argv[2])))
