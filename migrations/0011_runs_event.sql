-- Which event a run is of: what is done stays done for it (edge/projection.c).
alter table runs add column event text not null default '';
