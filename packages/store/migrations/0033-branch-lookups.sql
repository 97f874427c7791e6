-- Branches to be looked up at their host, each a timer; a row goes once the host has shown the branch or its absence.
create table branch_lookups (
  repository_id uuid not null references repositories (id),
  name_key text not null,
  name text not null,
  requested_at timestamptz not null default now(),
  due_at timestamptz not null default now(),
  failures integer not null default 0,
  -- While a worker asks the host.
  leased_until timestamptz,
  primary key (repository_id, name_key)
);
create index branch_lookups__due_at on branch_lookups (due_at);

-- Hosts that want no further call before a time.
create table host_limits (
  source text primary key,
  until timestamptz not null
);

create index incarnations__suspect on incarnations (repository_id) where suspect;
