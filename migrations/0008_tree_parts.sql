-- File lists are stored in parts: of a list of a million files neither side holds all at once. What was stored as one is
-- fetched again when it is wanted.
delete from tree_heads;
delete from trees;
alter table trees
  drop column entries,
  add part_count integer not null,
  add reason     text not null;                     -- why it is not complete
create table tree_parts (
  repo_id    bigint not null,
  commit_sha text not null,
  part       integer not null,                      -- from 0 on, in the order of the paths
  entries    bytea compression lz4 not null,        -- lib/store/tree_pack.c
  primary key (repo_id, commit_sha, part),
  foreign key (repo_id, commit_sha) references trees (repo_id, commit_sha) on delete cascade
);
