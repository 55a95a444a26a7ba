-- What happens on GitHub, as the graph keeps it where it lives in PostgreSQL: pull requests, issues, people, and what a
-- repository depends on. Nothing here refers to graph_repositories: a pull request may be known before the files are.

create table graph_developers (
  github_id bigint primary key,
  login     text not null
);

-- A number has one version of what is known of it: the newest by the order of `version` (GitHub's time of the change).
create table graph_pull_requests (
  repo_id    bigint not null,
  number     bigint not null,
  version    text collate "C" not null,
  title      text not null,
  state      text not null check (state in ('open', 'closed', 'merged')),
  author_id  bigint,                                -- null: the account is gone
  head_sha   text not null,
  created_at timestamptz not null,
  merged_at  timestamptz,
  primary key (repo_id, number)
);
create index graph_pull_requests_author on graph_pull_requests (author_id);

create table graph_touches (
  repo_id   bigint not null,
  number    bigint not null,
  path      text collate "C" not null,
  additions bigint not null,
  deletions bigint not null,
  primary key (repo_id, number, path)
);
create index graph_touches_path on graph_touches (repo_id, path, number);

create table graph_issues (
  repo_id    bigint not null,
  number     bigint not null,
  version    text collate "C" not null,
  title      text not null,
  state      text not null check (state in ('open', 'closed', 'transferred', 'deleted')),
  author_id  bigint,
  created_at timestamptz not null,
  primary key (repo_id, number)
);
create index graph_issues_author on graph_issues (author_id);

-- The issue may be of another repository, and need not be known.
create table graph_closes (
  repo_id       bigint not null,
  number        bigint not null,
  issue_repo_id bigint not null,
  issue_number  bigint not null,
  primary key (repo_id, number, issue_repo_id, issue_number)
);
create index graph_closes_issue on graph_closes (issue_repo_id, issue_number);

-- Of the newest scan (grapher/packages.h). The same package may be wanted for several purposes; what several manifests
-- want of it for one purpose is one requirement.
create table graph_dependencies (
  repo_id     bigint not null,
  purl        text collate "C" not null,            -- without the version
  scope       text collate "C" not null,
  requirement text not null,
  generation  bigint not null,
  primary key (repo_id, purl, scope)
);
create index graph_dependencies_purl on graph_dependencies (purl, repo_id);

-- What the grapher knows about a graph, wherever that lives: which commit it shows, and what came of what else.
create table graph_states (
  repo_id                 bigint primary key,
  generation              bigint,                   -- of the build; null: none has ended yet
  commit_sha              text,
  graphed_at              timestamptz,
  dependencies_generation bigint,                   -- of the scan whose packages are there
  listed_at               timestamptz,              -- pull requests and issues that were open before
  merged_sha              text,                     -- the last merge into the default branch that GitHub told of
  merged_at               timestamptz,              -- GitHub's time, in seconds
  merged_since            timestamptz               -- the first such merge that the newest tree does not hold
);

-- The newest commit of the default branch that is known: the one whose tree was fetched last, or one that a pull request
-- was merged as after that. Other pushes GitHub does not tell us of. `since` is when it (or the first merge behind which
-- the tree is) became known. Merges have whole seconds.
create function graph_head(repo bigint, out sha text, out at timestamptz, out since timestamptz, out source text)
  returns setof record language sql stable
  as $$ with tree as (select commit_sha, seen_at from tree_heads where repo_id = repo order by generation desc limit 1)
        select case when m then s.merged_sha else tree.commit_sha end, case when m then s.merged_at else tree.seen_at end,
          case when m then coalesce(s.merged_since, s.merged_at) else tree.seen_at end, case when m then 'merge' else 'tree' end
        from tree left join graph_states s on s.repo_id = repo,
        lateral (select coalesce(s.merged_at >= date_trunc('second', tree.seen_at), false) as m) as newer $$;

-- How fresh a graph is: the commit it shows and since when, the newest that is known and when it was seen.
create function json_freshness(repo bigint) returns jsonb language sql stable
  as $$ select jsonb_build_object('commit', s.commit_sha, 'graphed_at', json_time(s.graphed_at), 'head', h.sha,
          'head_at', json_time(h.at), 'head_from', h.source,
          'behind_since', case when h.sha <> s.commit_sha then json_time(h.since) end)
        from graph_states s, graph_head(repo) h where s.repo_id = repo and s.commit_sha is not null $$;
