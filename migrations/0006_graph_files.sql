-- What the graph knows of a file beside its language. A program of before writes none of it: what it has written is
-- compared with the tree anew, since it names no rules.
alter table graph_repositories add rules text not null default '';  -- by which the rows were made (grapher/graph_store.h)
alter table graph_files
  add name         text,                                            -- behind the last slash
  add is_test      boolean not null default false,
  add is_generated boolean not null default false,
  add is_vendored  boolean not null default false;
