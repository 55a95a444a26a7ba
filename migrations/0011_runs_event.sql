-- Which event a run is of: what is done stays done for it (edge/projection.c).
drop function json_run(runs); -- PostgreSQL 15.20 changes no table whose rows a function takes
alter table runs add column event text not null default '';
create function json_run(r runs) returns jsonb language sql stable
  return jsonb_build_object('subscriber', r.subscriber, 'state', r.state, 'generation', r.generation,
    'attempt', r.attempt, 'done', r.done, 'total', r.total, 'note', r.note, 'error', r.error,
    'started_at', json_time(r.started_at), 'finished_at', json_time(r.finished_at), 'at', json_time(r.at));
