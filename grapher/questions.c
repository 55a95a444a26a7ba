/*
 * The statements behind the questions of readers.
 *
 * What is counted from pull requests looks at the newest ones only, and leaves out those that touch very many
 * files: a sweep through the code (a licence header, a formatter) says nothing about what belongs together,
 * and the pairs of its files grow with the square of their number. code-maat, which made the measure known,
 * leaves out changes of more than 30 files as well. A pull request that was closed without being merged has
 * changed nothing. Each such answer has a basis: how many pull requests were counted, how many were left out,
 * and whether there may be older ones that were not looked at.
 */
#include "grapher/questions.h"

#define PULLS         "500"  /* the newest that are looked at */
#define SWEEP         "30"   /* files of a pull request up to which its files are said to belong together */
#define LARGE         "300"  /* files of one up to which it is looked at for anything else */
#define PAIRED_PULLS  "100"  /* open pull requests of which all pairs are made: 4,950 at most */
#define PAIRED_LARGE  "100"  /* files of each of them */
#define FOLDER_FILES  "2000" /* below a folder, among which those directly in it are counted */
#define SCOPES        "20"   /* for which a repository wants a package: the scanner knows fewer */
#define OVERLAP_PATHS "5"    /* named of all that two pull requests have in common */

/* ---- what several have in common ----------------------------------------------------------------------- */

#define SQL_FILES_BETWEEN "from graph_files where repo_id = $1 and path > $2 and path < $3 order by path "
#define CYPHER_FILES_BETWEEN                                                               \
    "MATCH (f:File {repo_id: $given.repo_id}) "                                            \
    "WHERE f.path > $given.after AND f.path < $given.before AND f.generation IS NOT NULL " \
    "WITH f ORDER BY f.repo_id, f.path "

/* Pull requests to look at. */
#define SQL_OF_FILE                                                       \
    "(select number from graph_touches where repo_id = $1 and path = $2 " \
    "order by number desc limit " PULLS ") m "                            \
    "cross join lateral (select * from graph_pull_requests "              \
    "where repo_id = $1 and number = m.number limit 1) p"
#define SQL_NEWEST \
    "(select * from graph_pull_requests where repo_id = $1 order by number desc limit " PULLS ") p"
#define SQL_OPEN(pulls)                                                         \
    "(select * from graph_pull_requests where repo_id = $1 and state = 'open' " \
    "order by number desc limit " pulls ") p"
#define CYPHER_OF_FILE                                                                        \
    "MATCH (:File {repo_id: $given.repo_id, path: $given.path})<-[:TOUCHES]-(p:PullRequest) " \
    "WITH p ORDER BY p.number DESC LIMIT " PULLS " "
/* Told which index, since the planner may prefer to walk a whole one for the order. */
#define CYPHER_NEWEST                                                                                        \
    "MATCH (p:PullRequest {repo_id: $given.repo_id}) USING INDEX SEEK p:PullRequest(repo_id, number) WHERE " \
    "p.number > 0 "                                                                                          \
    "WITH p ORDER BY p.repo_id DESC, p.number DESC LIMIT " PULLS " "
#define CYPHER_OPEN(pulls)                                                             \
    "MATCH (p:PullRequest {repo_id: $given.repo_id, state: 'open'}) USING INDEX SEEK " \
    "p:PullRequest(repo_id, "                                                          \
    "state, number) WHERE p.number > 0 "                                               \
    "WITH p ORDER BY p.repo_id DESC, p.state DESC, p.number DESC LIMIT " pulls " "

/* looked: those, with the number of their files up to one more than `large`. */
#define SQL_LOOKED(source, large)                                                                      \
    "with looked as materialized (select p.number, p.state, p.title, p.author_id, "                    \
    "(select count(*) from (select from graph_touches t where t.repo_id = $1 and t.number = p.number " \
    "limit " large " + 1) few) as files from " source ") "
#define CYPHER_LOOKED(source) \
    source "WITH p, p.state <> 'closed' AS counts, COUNT { (p)-[:TOUCHES]->() } AS files "

/* counted: those of them that an answer is made of. */
#define SQL_COUNTED(source, large) \
    SQL_LOOKED(source, large)      \
    ", counted as (select * from looked where state <> 'closed' and files <= " large ") "
#define CYPHER_COUNTED(source, large) CYPHER_LOOKED(source) "WHERE counts AND files <= " large " "

#define SQL_COUNTED_OF_FILE    SQL_COUNTED(SQL_OF_FILE, SWEEP)
#define SQL_COUNTED_SMALL      SQL_COUNTED(SQL_NEWEST, SWEEP)
#define SQL_COUNTED_NEWEST     SQL_COUNTED(SQL_NEWEST, LARGE)
#define SQL_COUNTED_OPEN       SQL_COUNTED(SQL_OPEN(PULLS), LARGE)
#define SQL_COUNTED_PAIRED     SQL_COUNTED(SQL_OPEN(PAIRED_PULLS), PAIRED_LARGE)
#define CYPHER_COUNTED_OF_FILE CYPHER_COUNTED(CYPHER_OF_FILE, SWEEP)
#define CYPHER_COUNTED_SMALL   CYPHER_COUNTED(CYPHER_NEWEST, SWEEP)
#define CYPHER_COUNTED_NEWEST  CYPHER_COUNTED(CYPHER_NEWEST, LARGE)
#define CYPHER_COUNTED_OPEN    CYPHER_COUNTED(CYPHER_OPEN(PULLS), LARGE)
#define CYPHER_COUNTED_PAIRED  CYPHER_COUNTED(CYPHER_OPEN(PAIRED_PULLS), PAIRED_LARGE)

/* A planner that knows little about a repository that has just come joins as if it had a few rows. What is
 * below `lateral` and has a limit is looked up for each row, whatever it knows. */
#define SQL_TOUCHED                                                                                    \
    "from counted c cross join lateral (select t.path, t.additions, t.deletions from graph_touches t " \
    "where t.repo_id = $1 and t.number = c.number order by t.path limit " LARGE ") t "
#define SQL_LOGIN "(select login from graph_developers where github_id = author_id)"

/* How many these are, how many are left out, whether there may be more behind them. */
#define SQL_BASIS(pulls, large)                                                 \
    "select count(*) filter (where state <> 'closed' and files <= " large "), " \
    "count(*) filter (where state <> 'closed' and files > " large "), count(*) = " pulls " from looked"
#define CYPHER_BASIS(pulls, large)                                                        \
    "RETURN count(CASE WHEN counts AND files <= " large " THEN 1 END) AS pull_requests, " \
    "count(CASE WHEN counts AND files > " large " THEN 1 END) AS left_out, count(p) = " pulls " AS bounded"
#define BASIS(of, source, pulls, large, ...)                                                              \
    {                                                                                                     \
        .parameters = {__VA_ARGS__}, .kinds = "iib", .columns = {"pull_requests", "left_out", "bounded"}, \
        .postgres = {"graph_basis_" of, SQL_LOOKED(SQL_##source, large) SQL_BASIS(pulls, large)},         \
        .neo4j = CYPHER_LOOKED(CYPHER_##source) CYPHER_BASIS(pulls, large)                                \
    }

/* ---- the table ----------------------------------------------------------------------------------------- */

/* `jit`: costs look huge where no other way is left than one that is off, and compiling takes a second. */
const struct rb_statement graph_read_settings = {
    "graph_read_settings",
    "select set_config(name, 'off', true) from unnest(array['enable_seqscan', "
    "'enable_bitmapscan', 'enable_sort', 'enable_hashjoin', 'enable_mergejoin', 'jit']) name"};

const struct graph_statements graph_statements[GRAPH_QUESTIONS] = {
    [GRAPH_ASK_ABOUT] =
        {.parameters = {"repo_id"},
         .kinds = "ttiiibb",
         .columns = {"full_name", "commit", "generation", "files", "links", "complete", "is_changing"},
         .postgres = {"graph_about",
                      "select full_name, commit_sha, generation, files, links, complete, false "
                      "from graph_repositories where repo_id = $1"},
         .neo4j =
             "MATCH (r:Repository {repo_id: $given.repo_id}) WHERE r.built IS NOT NULL "
             "RETURN r.full_name AS full_name, r.commit AS commit, r.built AS generation, r.files AS files, "
             "r.links AS links, r.complete AS complete, "
             "r.generation <> r.built OR r.changing IS NOT NULL AS is_changing"},
    [GRAPH_ASK_FILES] = {.parameters = {"repo_id", "after", "before", "limit"},
                         .kinds = "tti",
                         .columns = {"path", "language", "size"},
                         .postgres = {"graph_files",
                                      "select path, language, size " SQL_FILES_BETWEEN "limit $4"},
                         .neo4j = CYPHER_FILES_BETWEEN
                         "LIMIT $given.limit RETURN f.path AS path, f.language AS language, f.size AS size"},
    /* Both stores stop as soon as there are `limit` rows. Conditions that let everything through cost Neo4j a
     * fifth of a page, so that all files are a question of their own. */
    [GRAPH_ASK_FILES_OF] =
        {.parameters = {"repo_id", "after", "before", "scan", "language", "name", "name_starts", "name_ends",
                        "name_has", "limit"},
         .kinds = "tti",
         .columns = {"path", "language", "size"},
         .postgres = {"graph_files_of",
                      "select path, language, size from (select path, language, size, "
                      "case directory when '' then path else substr(path, length(directory) + 2) end as "
                      "name " SQL_FILES_BETWEEN "limit $4) scanned where ($5::text is null or language = $5) "
                      "and ($6::text is null or name = $6) "
                      "and ($7::text is null or starts_with(name, $7) and right(name, length($8)) = $8 "
                      "and length(name) >= length($7) + length($8)) "
                      "and ($9::text is null or position($9 in name) > 0) order by path limit $10"},
         .neo4j = CYPHER_FILES_BETWEEN
         "LIMIT $given.scan WITH f WHERE ($given.language IS NULL OR f.language = $given.language) "
         "AND ($given.name IS NULL OR f.name = $given.name) "
         "AND ($given.name_starts IS NULL OR f.name STARTS WITH $given.name_starts AND f.name ENDS WITH "
         "$given.name_ends "
         "AND size(f.name) >= size($given.name_starts) + size($given.name_ends)) "
         "AND ($given.name_has IS NULL OR f.name CONTAINS $given.name_has) "
         "RETURN f.path AS path, f.language AS language, f.size AS size ORDER BY f.repo_id, f.path LIMIT "
         "$given.limit"},
    [GRAPH_ASK_FILES_END] = {.parameters = {"repo_id", "after", "before", "scan"},
                             .kinds = "t",
                             .columns = {"path"},
                             .postgres = {"graph_files_end",
                                          "select path " SQL_FILES_BETWEEN "offset $4 - 1 limit 1"},
                             .neo4j =
                                 CYPHER_FILES_BETWEEN "SKIP $given.scan - 1 LIMIT 1 RETURN f.path AS path"},
    [GRAPH_ASK_DIRECTORIES] =
        {.parameters = {"repo_id", "after", "before", "limit"},
         .kinds = "t",
         .columns = {"path"},
         .postgres = {"graph_directories", "select path from graph_directories where repo_id = $1 "
                                           "and path > $2 and path < $3 order by path limit $4"},
         .neo4j = "MATCH (d:Directory {repo_id: $given.repo_id}) WHERE d.path > $given.after "
                  "AND d.path < $given.before AND d.generation IS NOT NULL "
                  "RETURN d.path AS path ORDER BY d.repo_id, d.path LIMIT $given.limit"},

    [GRAPH_ASK_FILE] =
        {.parameters = {"repo_id", "path"},
         .kinds = "tti",
         .columns = {"path", "language", "size"},
         .postgres = {"graph_file", "select path, language, size from graph_files "
                                    "where repo_id = $1 and path = $2"},
         .neo4j =
             "MATCH (f:File {repo_id: $given.repo_id, path: $given.path}) "
             "WHERE f.generation IS NOT NULL RETURN f.path AS path, f.language AS language, f.size AS size"},
    [GRAPH_ASK_FOLDER] =
        {.parameters = {"repo_id", "after", "before", "path", "folder"},
         .kinds = "tib",
         .columns = {"path", "siblings", "complete"},
         .postgres = {"graph_folder",
                      "select $5::text, count(*) filter (where directory = $5 and path <> $4), "
                      "count(*) < " FOLDER_FILES " from (select path, directory " SQL_FILES_BETWEEN
                      "limit " FOLDER_FILES ") below"},
         .neo4j = CYPHER_FILES_BETWEEN
         "LIMIT " FOLDER_FILES " RETURN $given.folder AS path, "
         "count(CASE WHEN f.path <> $given.path AND NOT substring(f.path, size($given.after)) CONTAINS '/' "
         "THEN 1 END) AS siblings, count(f) < " FOLDER_FILES " AS complete"},
    [GRAPH_ASK_PULLS_OF_FILE] =
        {.parameters = {"repo_id", "path", "limit"},
         .kinds = "itttii",
         .columns = {"number", "title", "state", "author", "additions", "deletions"},
         .postgres =
             {"graph_pulls_of_file",
              "select t.number, p.title, p.state, " SQL_LOGIN ", t.additions, t.deletions "
              "from (select number, additions, deletions from graph_touches where repo_id = $1 and path = $2 "
              "order by number desc limit $3) t cross join lateral (select * from graph_pull_requests "
              "where repo_id = $1 and number = t.number limit 1) p order by t.number desc"},
         .neo4j = "MATCH (:File {repo_id: $given.repo_id, path: $given.path})<-[t:TOUCHES]-(p:PullRequest) "
                  "WITH p, t ORDER BY p.number DESC LIMIT $given.limit "
                  "OPTIONAL MATCH (p)-[:AUTHORED_BY]->(d:Developer) "
                  "RETURN p.number AS number, p.title AS title, p.state AS state, d.login AS author, "
                  "t.additions AS additions, t.deletions AS deletions ORDER BY p.number DESC"},
    [GRAPH_ASK_PEOPLE_OF_FILE] =
        {.parameters = {"repo_id", "path", "limit"},
         .kinds = "tii",
         .columns = {"login", "github_id", "pull_requests"},
         .postgres = {"graph_people_of_file", SQL_COUNTED_OF_FILE
                      "select " SQL_LOGIN ", author_id, count(*) from counted where author_id is not null "
                      "group by author_id order by count(*) desc, author_id limit $3"},
         .neo4j = CYPHER_COUNTED_OF_FILE
         "MATCH (p)-[:AUTHORED_BY]->(d:Developer) "
         "RETURN d.login AS login, d.github_id AS github_id, count(*) AS pull_requests ORDER BY "
         "pull_requests DESC, github_id LIMIT $given.limit"},

    [GRAPH_ASK_TOGETHER_OF_FILE] =
        {.parameters = {"repo_id", "path", "limit"},
         .kinds = "ti",
         .columns = {"path", "pull_requests"},
         .postgres = {"graph_together_of_file", SQL_COUNTED_OF_FILE
                      "select t.path, count(*) " SQL_TOUCHED
                      "where t.path <> $2 group by t.path order by count(*) desc, t.path limit $3"},
         .neo4j = CYPHER_COUNTED_OF_FILE
         "MATCH (p)-[:TOUCHES]->(f:File) WHERE f.path <> $given.path WITH f, count(*) AS pulls "
         "RETURN f.path AS path, pulls AS pull_requests ORDER BY pulls DESC, path LIMIT $given.limit"},
    [GRAPH_ASK_BASIS_OF_FILE] = BASIS("of_file", OF_FILE, PULLS, SWEEP, "repo_id", "path"),
    [GRAPH_ASK_TOGETHER] =
        {.parameters = {"repo_id", "limit"},
         .kinds = "ji",
         .columns = {"paths", "pull_requests"},
         .postgres =
             {"graph_together", SQL_COUNTED_SMALL
              ", touched as (select array_agg(t.path order by t.path) as paths " SQL_TOUCHED
              "group by c.number) "
              "select jsonb_build_array(a.path, b.path), count(*) from touched, "
              "unnest(paths) with ordinality a (path, at), unnest(paths) with ordinality b (path, at) "
              "where a.at < b.at group by a.path, b.path "
              "order by count(*) desc, a.path collate \"C\", b.path collate \"C\" limit $2"},
         .neo4j =
             CYPHER_COUNTED_SMALL "MATCH (a:File)<-[:TOUCHES]-(p)-[:TOUCHES]->(b:File) WHERE a.path < b.path "
                                  "WITH a, b, count(*) AS pulls WITH a.path AS one, b.path AS other, pulls "
                                  "RETURN [one, other] AS paths, pulls AS pull_requests ORDER BY pulls DESC, "
                                  "one, other LIMIT $given.limit"},
    [GRAPH_ASK_BASIS_TOGETHER] = BASIS("together", NEWEST, PULLS, SWEEP, "repo_id"),

    [GRAPH_ASK_DEVELOPERS] =
        {.parameters = {"repo_id", "after", "before", "limit"},
         .kinds = "tiiii",
         .columns = {"login", "github_id", "pull_requests", "additions", "deletions"},
         .postgres = {"graph_developers", SQL_COUNTED_NEWEST
                      "select " SQL_LOGIN ", author_id, count(distinct number), sum(additions)::bigint, "
                      "sum(deletions)::bigint " SQL_TOUCHED
                      "where path > $2 and path < $3 and author_id is not null "
                      "group by author_id order by 3 desc, author_id limit $4"},
         .neo4j = CYPHER_COUNTED_NEWEST
         "MATCH (p)-[t:TOUCHES]->(f:File) WHERE f.path > $given.after AND f.path < $given.before "
         "WITH p, sum(t.additions) AS additions, sum(t.deletions) AS deletions "
         "MATCH (p)-[:AUTHORED_BY]->(d:Developer) "
         "RETURN d.login AS login, d.github_id AS github_id, count(*) AS pull_requests, sum(additions) AS "
         "additions, sum(deletions) AS deletions "
         "ORDER BY pull_requests DESC, github_id LIMIT $given.limit"},
    [GRAPH_ASK_BASIS_DEVELOPERS] = BASIS("developers", NEWEST, PULLS, LARGE, "repo_id"),

    [GRAPH_ASK_PULL] = {.parameters = {"repo_id", "number"},
                        .kinds = "itt",
                        .columns = {"number", "title", "state"},
                        .postgres = {"graph_pull", "select number, title, state from graph_pull_requests "
                                                   "where repo_id = $1 and number = $2"},
                        .neo4j = "MATCH (p:PullRequest {repo_id: $given.repo_id, number: $given.number}) "
                                 "RETURN p.number AS number, p.title AS title, p.state AS state"},
    [GRAPH_ASK_OVERLAPS_OF_PULL] =
        {.parameters = {"repo_id", "number", "limit"},
         .kinds = "ittij",
         .columns = {"number", "title", "author", "files", "paths"},
         .postgres = {"graph_overlaps_of_pull", SQL_COUNTED_OPEN
                      "select c.number, c.title, " SQL_LOGIN ", count(*), "
                      "to_jsonb((array_agg(t.path order by t.path))[1:" OVERLAP_PATHS "]) " SQL_TOUCHED
                      "where c.number <> $2 and (select true from graph_touches m where m.repo_id = $1 and "
                      "m.number = $2 "
                      "and m.path = t.path limit 1) group by c.number, c.title, author_id "
                      "order by count(*) desc, c.number desc limit $3"},
         /* By file, from those pull requests on: whether this one touches a file costs a walk for each, and a
          * file may have been touched by thousands that are not open any more. */
         .neo4j = CYPHER_COUNTED_OPEN
         "AND p.number <> $given.number WITH collect(p) AS others "
         "MATCH (m:PullRequest {repo_id: $given.repo_id, number: $given.number}) UNWIND others + m AS p "
         "MATCH (p)-[:TOUCHES]->(f:File) WITH m, f, collect(p) AS pulls WHERE m IN pulls "
         "WITH m, f.path AS path, pulls ORDER BY path UNWIND pulls AS p WITH m, p, path WHERE p <> m "
         "WITH p, collect(path) AS paths "
         "OPTIONAL MATCH (p)-[:AUTHORED_BY]->(d:Developer) "
         "RETURN p.number AS number, p.title AS title, d.login AS author, size(paths) AS files, "
         "paths[.." OVERLAP_PATHS "] AS paths ORDER BY files DESC, number DESC LIMIT $given.limit"},
    [GRAPH_ASK_BASIS_OF_PULL] = BASIS("of_pull", OPEN(PULLS), PULLS, LARGE, "repo_id"),
    [GRAPH_ASK_OVERLAPS] =
        {.parameters = {"repo_id", "limit"},
         .kinds = "jij",
         .columns = {"pull_requests", "files", "paths"},
         .postgres =
             {"graph_overlaps", SQL_COUNTED_PAIRED
              ", shared as (select t.path, array_agg(c.number order by c.number) as numbers " SQL_TOUCHED
              "group by t.path having count(*) > 1) "
              "select jsonb_build_array(a.number, b.number), count(*), "
              "to_jsonb((array_agg(path order by path))[1:" OVERLAP_PATHS "]) from shared, "
              "unnest(numbers) with ordinality a (number, at), unnest(numbers) with ordinality b (number, "
              "at) "
              "where a.at < b.at group by a.number, b.number order by count(*) desc, b.number desc, a.number "
              "desc limit $2"},
         /* By file, too. */
         .neo4j = CYPHER_COUNTED_PAIRED
         "MATCH (p)-[:TOUCHES]->(f:File) WITH f, collect(p.number) AS numbers "
         "WHERE size(numbers) > 1 UNWIND numbers AS a UNWIND numbers AS b WITH f, a, b WHERE a < b "
         "WITH a, b, f.path AS path ORDER BY path WITH a, b, collect(path) AS paths "
         "RETURN [a, b] AS pull_requests, size(paths) AS files, paths[.." OVERLAP_PATHS "] AS paths "
         "ORDER BY files DESC, b DESC, a DESC LIMIT $given.limit"},
    [GRAPH_ASK_BASIS_OVERLAPS] = BASIS("overlaps", OPEN(PAIRED_PULLS), PAIRED_PULLS, PAIRED_LARGE, "repo_id"),

    /* A package may have dependents among everybody's repositories; only these few are looked at. */
    [GRAPH_ASK_DEPENDENTS] =
        {.parameters = {"purl", "repo_ids"},
         .kinds = "ititt",
         .columns = {"repo_id", "repo", "generation", "scope", "constraint"},
         .postgres =
             {"graph_dependents",
              "select r.repo_id, r.full_name, d.generation, d.scope, d.requirement "
              "from jsonb_array_elements_text($2::jsonb) as id "
              "cross join lateral (select * from graph_repositories where repo_id = id::bigint limit 1) r "
              "cross join lateral (select * from graph_dependencies where repo_id = r.repo_id and purl = $1 "
              "order by scope limit " SCOPES ") d order by r.repo_id, d.scope"},
         .neo4j =
             "MATCH (p:Package {purl: $given.purl}) UNWIND $given.repo_ids AS id "
             "MATCH (r:Repository {repo_id: id}) WHERE r.built IS NOT NULL MATCH (r)-[d:DEPENDS_ON]->(p) "
             "RETURN r.repo_id AS repo_id, r.full_name AS repo, d.generation AS generation, d.scope AS "
             "scope, d.constraint AS constraint "
             "ORDER BY repo_id, scope"},
};
