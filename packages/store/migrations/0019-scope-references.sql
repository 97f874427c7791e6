-- Which references of the policy decide about each scope, so that a change in the directory finds its scopes by index.
-- Many scopes share a set. `references_stale` asks for a new look: the branch has another name, or lives again.

create table reference_sets (
  id bigint generated always as identity primary key,
  -- SHA-256 of the mentions, since a set may be longer than an index row.
  digest text not null,
  mentions text[] not null,
  constraint reference_sets__digest unique (digest)
);
create index reference_sets__mentions on reference_sets using gin (mentions);

alter table scopes add column reference_set_id bigint references reference_sets (id);
alter table scopes add column references_stale boolean not null default true;
create index scopes__reference_set_id on scopes (reference_set_id) where reference_set_id is not null;
create index scopes__references_stale on scopes (id) where references_stale;
create index scopes__strict_names on scopes (id) where strict_names <> '{}';

-- One row: the policy version that the sets are made for. Locked by whoever writes them.
create table reference_index (
  is_only boolean primary key default true check (is_only),
  policy_version_id uuid references policy_versions (id)
);
insert into reference_index default values;
create index reference_index__policy_version_id on reference_index (policy_version_id);

-- For patterns that name a user: live branches by the beginning of their names, which may outgrow an index row.
create index incarnations__live_beginning on incarnations ((left(name, 200)) collate "C") where state <> 'deleted';
