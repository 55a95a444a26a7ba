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

-- Of the newest scan; the same package may be wanted in several ways.
create table graph_dependencies (
  repo_id     bigint not null,
  purl        text collate "C" not null,            -- without the version
  scope       text not null,
  requirement text not null,
  generation  bigint not null,
  primary key (repo_id, purl, scope)
);
create index graph_dependencies_purl on graph_dependencies (purl, repo_id);
