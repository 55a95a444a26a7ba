-- What the graph keeps of people and pull requests is the same whatever order events come in.
alter table graph_developers add column login_at text collate "C" not null default '';  -- GitHub's time of what told of it
alter table graph_pull_requests add column base_ref text not null default '';            -- of the files, as head_sha
