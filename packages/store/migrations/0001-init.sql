-- The record: deliveries, the branch registry, scopes, syncs, policy versions, tokens.
-- Ids are UUIDv7 made by the application. Rows read by a cursor carry `xid` beside the identity:
-- a reader orders by both and stops below pg_snapshot_xmin(pg_current_snapshot()).

create table repositories (
  id uuid primary key,
  name text not null,
  vcs text not null check (vcs in ('git', 'hg')),
  created_at timestamptz not null default now()
);
create index repositories__name on repositories (name);

-- How one source names a repository (rule A2). native_id survives renames; without one the name is the identity.
create table repository_bindings (
  id uuid primary key,
  repository_id uuid not null references repositories (id),
  source text not null,
  native_id text,
  name text not null,
  created_at timestamptz not null default now()
);
create index repository_bindings__repository_id on repository_bindings (repository_id);
create unique index repository_bindings__source_native_id on repository_bindings (source, native_id) where native_id is not null;
create unique index repository_bindings__source_name on repository_bindings (source, name) where native_id is null;

create table deliveries (
  id uuid primary key,
  seq bigint generated always as identity,
  xid xid8 not null default pg_current_xact_id(),
  source text not null,
  delivery_key text not null,
  body_digest bytea not null,
  event text not null,
  outcome text not null check (outcome in ('accepted', 'ignored')),
  note text,
  repository_id uuid references repositories (id),
  actor text,
  headers jsonb not null,
  body bytea not null,
  occurred_at timestamptz,
  received_at timestamptz not null default now(),
  constraint deliveries__source_delivery_key unique (source, delivery_key),
  constraint deliveries__source_body_digest unique (source, body_digest)
);
create index deliveries__repository_id on deliveries (repository_id);
create index deliveries__seq on deliveries (seq desc);

-- Incarnations: one life of a branch each. name_key is the SHA-256 of the name, since names may outgrow an index row.
create table incarnations (
  id uuid primary key,
  seq bigint generated always as identity,
  repository_id uuid not null references repositories (id),
  ref_type text not null check (ref_type in ('branch', 'bookmark', 'topic')),
  name text not null,
  name_key text not null,
  state text not null check (state in ('active', 'closed', 'deleted')),
  suspect boolean not null default false,
  head text,
  previous_names text[] not null default '{}',
  merged_into uuid references incarnations (id),
  born_at timestamptz not null,
  born_of text not null check (born_of in ('create', 'push', 'sighting')),
  ended_at timestamptz,
  born_group text,
  born_by text,
  ended_group text,
  ended_by text,
  evidence_at timestamptz,
  updated_at timestamptz not null default now()
);
create unique index incarnations__live_name on incarnations (repository_id, ref_type, name_key) where state <> 'deleted';
create index incarnations__repository_id_name_key on incarnations (repository_id, name_key);
create index incarnations__repository_id_born_at on incarnations (repository_id, born_at);
create index incarnations__repository_id_ended_at on incarnations (repository_id, ended_at);
create index incarnations__merged_into on incarnations (merged_into) where merged_into is not null;
create index incarnations__seq on incarnations (seq desc);

create table branch_events (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  delivery_id uuid not null references deliveries (id),
  incarnation_id uuid references incarnations (id),
  kind text not null check (kind in ('checkout', 'create', 'rename', 'delete', 'push')),
  ref_type text not null,
  name text not null,
  previous_name text,
  before text,
  after text,
  note text,
  created_at timestamptz not null default now()
);
create index branch_events__delivery_id on branch_events (delivery_id);
create index branch_events__incarnation_id on branch_events (incarnation_id);

-- Heads an incarnation had, with what each scope had to reach for it (rule D1): {scope id: requested}.
create table incarnation_heads (
  incarnation_id uuid not null references incarnations (id),
  revision text not null,
  requested jsonb not null default '{}',
  seen_at timestamptz not null default now(),
  primary key (incarnation_id, revision)
);

create table policy_versions (
  id uuid primary key,
  seq bigint generated always as identity,
  digest text not null,
  file text not null,
  text text not null,
  author text not null,
  state text not null check (state in ('active', 'superseded')),
  activated_at timestamptz not null default now()
);
create unique index policy_versions__active on policy_versions ((true)) where state = 'active';

-- Bound groups (rule B4): a reference of the policy and the directory group it means, for ever.
create table policy_bindings (
  reference text primary key,
  group_id uuid,
  last_members jsonb not null default '[]',
  bound_at timestamptz,
  updated_at timestamptz not null default now()
);

create table scopes (
  id uuid primary key,
  incarnation_id uuid not null references incarnations (id),
  endpoint text not null,
  requested bigint not null default 1,
  requested_at timestamptz not null default now(),
  reason text not null,
  reconciled bigint not null default 0,
  verdict text check (verdict in ('verified', 'diverged', 'unverifiable', 'held', 'failed')),
  verdict_at timestamptz,
  mismatches jsonb not null default '[]',
  strict_names text[] not null default '{}',
  lease_token bigint not null default 0,
  lease_holder text,
  lease_until timestamptz,
  due_at timestamptz,
  failures integer not null default 0,
  created_at timestamptz not null default now(),
  constraint scopes__incarnation_id_endpoint unique (incarnation_id, endpoint)
);
create index scopes__unreconciled on scopes (requested_at) where requested > reconciled;
create index scopes__due_at on scopes (due_at) where due_at is not null;

-- The entitlement groups of a scope, bound by the id that the endpoint gave. Intent is recorded before a POST (rule C6).
create table entitlement_groups (
  scope_id uuid not null references scopes (id),
  entitlement text not null,
  external_id text not null,
  display_name text not null,
  group_id text,
  intended_at timestamptz not null default now(),
  bound_at timestamptz,
  primary key (scope_id, entitlement)
);

create table syncs (
  id uuid primary key,
  seq bigint generated always as identity,
  xid xid8 not null default pg_current_xact_id(),
  scope_id uuid not null references scopes (id),
  reason text not null,
  requested bigint not null,
  requested_at timestamptz not null,
  lease_token bigint not null,
  policy_version_id uuid references policy_versions (id),
  started_at timestamptz not null,
  finished_at timestamptz not null,
  verdict text not null,
  mismatches jsonb not null default '[]',
  added integer not null default 0,
  removed integer not null default 0,
  changes jsonb not null default '[]',
  calls jsonb not null default '[]',
  error jsonb
);
create index syncs__scope_id on syncs (scope_id, seq desc);
create index syncs__seq on syncs (seq desc);
create index syncs__policy_version_id on syncs (policy_version_id);

-- One row per stay of a working copy on a branch (rule B6). An open row is where the working copy is now.
create table checkouts (
  id uuid primary key,
  repository_id uuid not null references repositories (id),
  working_copy text not null,
  delivery_id uuid not null references deliveries (id),
  actor text not null,
  trust text not null check (trust in ('token', 'claim')),
  user_id uuid,
  incarnation_id uuid references incarnations (id),
  ref_type text not null,
  name text not null,
  name_key text not null,
  started_at timestamptz not null,
  ended_at timestamptz
);
create unique index checkouts__open on checkouts (repository_id, working_copy) where ended_at is null;
create index checkouts__incarnation_id on checkouts (incarnation_id) where ended_at is null;
create index checkouts__name_key on checkouts (repository_id, name_key) where ended_at is null;
create index checkouts__user_id on checkouts (user_id) where ended_at is null;
create index checkouts__delivery_id on checkouts (delivery_id);

create table findings (
  id uuid primary key,
  kind text not null,
  subject text not null,
  severity text not null check (severity in ('info', 'warning', 'critical')),
  message text not null,
  details jsonb not null default '{}',
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  resolved_at timestamptz
);
create unique index findings__kind_subject on findings (kind, subject) where resolved_at is null;

create table tokens (
  id uuid primary key,
  client text not null,
  scope text not null check (scope in ('admin', 'read', 'status', 'scim', 'agent')),
  hash bytea not null unique,
  hint text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index tokens__client on tokens (client);

-- How far a reader of rows by (xid, id) has come.
create table cursors (
  name text primary key,
  xid xid8 not null,
  id bigint not null
);
