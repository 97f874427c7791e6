-- The built-in directory: users, provisioned and entitlement groups, and what changed in them.
-- Columns ending in _key hold comparison keys (folded by the application), so that no comparison depends on a locale;
-- search_keys holds the attributes in the same shape with every value replaced by its comparison key.

create table directory_users (
  id uuid not null,
  client text not null,
  external_id text collate "C",
  user_name text not null,
  user_name_key text collate "C" not null,
  active boolean not null,
  attributes jsonb not null,
  search_keys jsonb not null,
  version bigint not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  constraint directory_users__id primary key (id),
  constraint directory_users__user_name_key unique (user_name_key),
  constraint directory_users__external_id_client unique (external_id, client)
);
create index directory_users__search_keys on directory_users using gin (search_keys jsonb_path_ops);

create table directory_groups (
  id uuid not null,
  kind text not null,
  client text not null,
  external_id text collate "C",
  display_name text not null,
  display_key text collate "C" not null,
  attributes jsonb not null,
  search_keys jsonb not null,
  incarnation text collate "C" generated always as (
    attributes #>> '{urn:branchward:scim:schemas:extension:1.0:BranchEntitlement,incarnation}'
  ) stored,
  entitlement text collate "C" generated always as (
    attributes #>> '{urn:branchward:scim:schemas:extension:1.0:BranchEntitlement,entitlement}'
  ) stored,
  fence bigint not null default 0,
  version bigint not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  constraint directory_groups__id primary key (id),
  constraint directory_groups__kind check (kind in ('provisioned', 'entitlement')),
  constraint directory_groups__external_id_client unique (external_id, client)
);
-- By digest, since the name of an entitlement group holds a branch name, which may be longer than an index row.
create unique index directory_groups__display_key_kind_client on directory_groups (md5(display_key), kind, client);
create index directory_groups__incarnation_entitlement on directory_groups (incarnation, entitlement);
create index directory_groups__search_keys on directory_groups using gin (search_keys jsonb_path_ops);

-- A member is a user or a group; writers lock the member's row, which stands for the foreign key that two tables forbid.
create table directory_members (
  group_id uuid not null,
  member_id uuid not null,
  member_kind text not null,
  added_at timestamptz(3) not null default now(),
  constraint directory_members__group_id_member_id primary key (group_id, member_id),
  constraint directory_members__group_id foreign key (group_id) references directory_groups (id) on delete cascade,
  constraint directory_members__member_kind check (member_kind in ('User', 'Group'))
);
create index directory_members__member_id on directory_members (member_id);

-- Read by cursor: in the order of (xid, id), below pg_snapshot_xmin(pg_current_snapshot()).
create table directory_changes (
  id bigint generated always as identity,
  xid xid8 not null default pg_current_xact_id(),
  kind text not null,
  resource_id uuid not null,
  details jsonb not null,
  created_at timestamptz(3) not null default now(),
  constraint directory_changes__id primary key (id)
);
create index directory_changes__xid_id on directory_changes (xid, id);
