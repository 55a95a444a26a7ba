-- The outbox costs PostgreSQL little: an event is written once and never again. That it waits for the relay is a narrow row
-- beside it, deleted when the stream has acknowledged it; before, the mark rewrote the whole row and its indexes.

-- When events went out that waited longer than a second, a row for each batch of the relay: all between `first_at` and
-- `last_at` (created_at). Those that no row speaks of were published within a second of created_at.
create table outbox_late (
  first_at     timestamptz not null,
  last_at      timestamptz not null,
  published_at timestamptz not null
);
insert into outbox_late
  select min(created_at), max(created_at), max(published_at) from outbox
  where published_at > created_at + interval '1 second' group by position / 64;

alter table outbox rename to outbox_events;
alter table outbox_events rename constraint outbox_pkey to outbox_events_pkey;
-- Their order is that of the numbers, roughly. Never a high-water mark: a lower number may be committed later.
create table outbox_waiting (
  position bigint primary key,
  id       uuid not null                            -- of outbox_events
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
insert into outbox_waiting select position, id from outbox_events where published_at is null;
drop index outbox_unpublished, outbox_published;
alter table outbox_events drop column published_at;
create index outbox_events_age on outbox_events using brin (created_at) with (autosummarize = on); -- rows come in its order

-- Since when an event is on the bus; null: it waits, or is not kept any more.
create function outbox_published_at(event uuid) returns timestamptz language sql stable
  as $$ select coalesce((select max(l.published_at) from outbox_late l where e.created_at between l.first_at and l.last_at),
          e.created_at)
        from outbox_events e where e.id = event
        and not exists (select from outbox_waiting w where w.position = e.position) $$;

-- The outbox as it was, for programs of before, which run beside newer ones during a deployment, and for people. What is
-- published has the time at which it was written: so the relay of before finds by an index that nothing here is null.
create view outbox as
  select e.id, e.position, e.subject, e.traceparent, e.body, e.created_at, null::timestamptz as published_at
    from outbox_waiting w join outbox_events e using (id)
  union all
  select e.id, e.position, e.subject, e.traceparent, e.body, e.created_at, e.created_at
    from outbox_events e where not exists (select from outbox_waiting w where w.position = e.position);

create function outbox_write() returns trigger language plpgsql as $$ begin
  if tg_op = 'INSERT' then
    insert into outbox_events (id, subject, traceparent, body, created_at)
      values (new.id, new.subject, coalesce(new.traceparent, ''), new.body, coalesce(new.created_at, now()))
      returning position into new.position;
  end if;
  if tg_op = 'DELETE' then
    delete from outbox_waiting where position = old.position;
    delete from outbox_events where id = old.id;
    return old;
  elsif new.published_at is null then
    insert into outbox_waiting (position, id) values (new.position, new.id) on conflict do nothing;
  else
    delete from outbox_waiting where position = new.position;
  end if;
  return new;
end $$;
create trigger outbox_write instead of insert or update or delete on outbox for each row execute function outbox_write();
