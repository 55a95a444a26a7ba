-- Contents of files that scans have read, so that the next one asks GitHub for what changed. By repository, although
-- equal names are equal contents: who may see the one may not see the other. Can be emptied at any time.
create table blobs (
  repo_id  bigint not null,
  sha      text collate "C" not null check (sha ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
  content  bytea compression lz4 not null,
  size     integer not null generated always as (octet_length(content)) stored,
  used_on  date not null default current_date,      -- the last scan that wanted it; days, so that reading seldom writes
  primary key (repo_id, sha)
);
create index blobs_age on blobs (used_on);
