-- What the dashboard reads: live rows by cursor, the filters of its lists, sessions, replays, timeline and diff of a sync.

-- Rows that change carry the transaction of their last change, so that a reader by cursor meets them again.
create function stamp_xid() returns trigger language plpgsql as $$
begin
  new.xid := pg_current_xact_id();
  return new;
end
$$;
alter table incarnations add column xid xid8 not null default pg_current_xact_id();
alter table findings add column xid xid8 not null default pg_current_xact_id();
alter table findings add column seq bigint generated always as identity;
create trigger deliveries__stamp_xid before update on deliveries for each row execute function stamp_xid();
create trigger incarnations__stamp_xid before update on incarnations for each row execute function stamp_xid();
create trigger findings__stamp_xid before update on findings for each row execute function stamp_xid();
create index deliveries__xid_seq on deliveries (xid, seq);
create index incarnations__xid_seq on incarnations (xid, seq);
create index syncs__xid_seq on syncs (xid, seq);
create index findings__xid_seq on findings (xid, seq);

create index syncs__verdict_seq on syncs (verdict, seq desc);
create index syncs__reason_seq on syncs (reason, seq desc);
create index syncs__finished_at on syncs (finished_at);
create index syncs__error on syncs (seq desc) where error is not null;
create index deliveries__received_at on deliveries (received_at);
create index deliveries__repository_id_seq on deliveries (repository_id, seq desc);
drop index deliveries__repository_id;
create index branch_events__incarnation_id_id on branch_events (incarnation_id, id desc);
drop index branch_events__incarnation_id;
alter table repositories add column seq bigint generated always as identity;
create unique index repositories__seq on repositories (seq desc);

-- Members that a run found as they ought to be. Most runs of a scope find what the run before them found: kept once.
create table member_sets (
  digest bytea primary key,
  groups jsonb not null,
  created_at timestamptz not null default now()
);
alter table syncs add column attempt integer not null default 1;
alter table syncs add column phases jsonb not null default '[]';
alter table syncs add column unchanged bytea references member_sets (digest);
create index syncs__unchanged on syncs (unchanged) where unchanged is not null;

-- Who is signed in to the dashboard. It ends with the token that it was opened with: token_hash is that token's.
create table sessions (
  hash bytea primary key,
  client text not null,
  scope text not null check (scope in ('admin', 'read', 'status', 'scim', 'agent')),
  token_id uuid references tokens (id),
  token_hash bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index sessions__token_id on sessions (token_id);
create index sessions__expires_at on sessions (expires_at);

-- A stored delivery applied again.
create table delivery_replays (
  id uuid primary key,
  delivery_id uuid not null references deliveries (id),
  requested_by text not null,
  outcome text not null check (outcome in ('accepted', 'ignored')),
  note text,
  scopes integer not null default 0,
  created_at timestamptz not null default now()
);
create index delivery_replays__delivery_id on delivery_replays (delivery_id, created_at desc);
alter table branch_events add column replay_id uuid references delivery_replays (id);
create index branch_events__replay_id on branch_events (replay_id) where replay_id is not null;
