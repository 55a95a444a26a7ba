-- Sign-in, the whole life of a connection, and webhooks.

-- ---- people ------------------------------------------------------------------------------------------------

alter table users add column scopes text not null default '';  -- as GitHub granted them, "repo,read:user"
alter table users add column signed_in_at timestamptz;

-- What must not be accepted (again) though its signature is right: JWTs after a logout, states of a sign-in.
create table spent_tokens (
  id         text primary key check (length(id) between 1 and 200),
  expires_at timestamptz not null                   -- forgotten afterwards: it is not valid any more anyway
);
create index spent_tokens_expiry on spent_tokens (expires_at);

-- The person a JWT speaks of, unless it has logged out: what every route asks first.
create function signed_in(person bigint, token text) returns setof users language sql stable
  as $$ select u.* from users u where u.id = person
        and not exists (select from spent_tokens s where s.id = token) $$;

-- The repositories a person can see, as GitHub listed them: a page each, asked for again with its ETag.
create table github_repo_pages (
  user_id    bigint not null references users (id) on delete cascade,
  page       integer not null check (page >= 1),
  etag       text not null,
  has_next   boolean not null,
  repos      jsonb compression lz4 not null,        -- [{"id","full_name","private","default_branch","admin"}]
  fetched_at timestamptz not null default now(),
  primary key (user_id, page)
);

-- ---- the life of a connection ------------------------------------------------------------------------------

alter table installations add column hook_left boolean not null default false; -- its hook may still be on GitHub
-- A disconnect under way, or the sweeper at a hook that was left; past it, a crash to clean up.
alter table installations add column leaving_until timestamptz;
-- What the reconciler found; it says 'ok' until it has looked.
alter table installations add column health text not null default 'ok';
alter table installations add column health_reason text not null default '';
alter table installations add column health_since timestamptz;
alter table installations add column checked_at timestamptz;
create index installations_checked on installations (checked_at nulls first) where state = 'active';
create index installations_hook_left on installations (checked_at nulls first) where hook_left;
create index installations_user on installations (user_id, id);

-- One connect or disconnect of a repository at a time, whoever asks. It is small, and serves whoever looks for what ran out.
drop index installations_connecting, installations_reserved;
create unique index installations_connecting on installations (repo_id)
  where state = 'reserved' or leaving_until is not null;

-- What holds of each installation, in a function, which a session parses once: PostgreSQL reads the expression of a check
-- from the catalogue for each statement, and six of them took a quarter of what an install costs it.
create function installation_is_sound(i installations) returns boolean language plpgsql immutable
  as $$ begin return i.repo_full_name ~ '^[^/]+/[^/]+$' and length(i.repo_full_name) <= 160
        and i.state in ('reserved', 'active', 'disconnected')
        and (i.state <> 'active' or (i.repo_id is not null and i.webhook_id is not null and i.connected_at is not null))
        and (i.state = 'reserved') = (i.reserved_until is not null)
        and (i.leaving_until is null or i.state = 'active' or i.hook_left)
        and i.health in ('ok', 'hook_missing', 'hook_disabled', 'access_lost', 'token_invalid'); end $$;
alter table installations
  drop constraint installations_repo_full_name_check, drop constraint installations_state_check,
  drop constraint installations_check, drop constraint installations_check1,
  add constraint installations_sound check (installation_is_sound(installations));

-- A profile is of the repository: whoever has connected it reads the newest.
create index profiles_repo on profiles (repo_id, generation desc);

-- The last time a repository was asked to be worked on again: one at a time.
create table rescans (
  repo_id    bigint primary key,
  generation bigint not null,
  asked_at   timestamptz not null
);

-- ---- webhooks ----------------------------------------------------------------------------------------------

-- Every delivery that was accepted, once: GitHub uses one delivery id for all hooks of an event.
create table deliveries (
  hook_id     bigint not null,
  delivery_id uuid not null,
  event       text not null,
  action      text not null default '',
  outcome     text not null check (outcome in ('published', 'ignored', 'ping')),
  event_id    uuid,                                 -- of the outbox, where it was published
  received_at timestamptz not null default now(),
  payload     bytea compression lz4,                -- where it is too large for an event: its reference
  primary key (hook_id, delivery_id)
);
create index deliveries_recent on deliveries (hook_id, received_at);
create index deliveries_age on deliveries using brin (received_at); -- rows come in its order

-- Up to where GitHub's own list of a hook's deliveries has been looked through for failed ones.
create table hook_checks (
  hook_id    bigint primary key,
  seen_until timestamptz not null,
  checked_at timestamptz not null default now()
);
create index hook_checks_age on hook_checks (checked_at);
