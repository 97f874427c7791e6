-- Resource types that configuration adds, their unique values, the catalogues, the clients of the directory as their
-- traffic shows them, and what makes lists cost the same however long they are.

create table directory_resources (
  id uuid not null,
  type text collate "C" not null,
  client text not null,
  external_id text collate "C",
  attributes jsonb not null,
  search_keys jsonb not null,
  version bigint not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  constraint directory_resources__id primary key (id),
  constraint directory_resources__external_id_type_client unique (external_id, type, client)
);
create index directory_resources__type_id on directory_resources (type, id);
create index directory_resources__search_keys on directory_resources using gin (search_keys jsonb_path_ops);

-- The values of attributes that no two resources of a type may share; by digest, since a value may be longer than an index row.
create table directory_resource_keys (
  resource_id uuid not null,
  type text collate "C" not null,
  attribute text collate "C" not null,
  digest text collate "C" not null,
  constraint directory_resource_keys__type_attribute_digest primary key (type, attribute, digest),
  constraint directory_resource_keys__resource_id foreign key (resource_id) references directory_resources (id) on delete cascade
);
create index directory_resource_keys__resource_id on directory_resource_keys (resource_id);

-- The entitlements that policy defines, one for each entitlement group, in the shape of a resource.
create view directory_entitlements as
select id, client, null::text as external_id,
  jsonb_build_object(
    'value', external_id, 'display', display_name, 'displayName', display_name, 'type', 'branch', 'supported', true
  ) as attributes,
  jsonb_build_object(
    'value', external_id, 'display', display_key, 'displayName', display_key, 'type', 'branch', 'supported', true
  ) as search_keys,
  version, created_at, updated_at
from directory_groups where kind = 'entitlement';

-- The verbs among them. Their names are lower case by configuration, hence their own comparison keys.
create view directory_roles as
select md5('branchward:role:' || entitlement)::uuid as id, min(client) as client, null::text as external_id,
  jsonb_build_object(
    'value', entitlement, 'display', entitlement, 'displayName', entitlement, 'type', 'verb', 'supported', true
  ) as attributes,
  jsonb_build_object(
    'value', entitlement, 'display', entitlement, 'displayName', entitlement, 'type', 'verb', 'supported', true
  ) as search_keys,
  1::bigint as version, min(created_at) as created_at, min(created_at) as updated_at
from directory_groups where kind = 'entitlement' and entitlement is not null
group by entitlement;

create table directory_clients (
  client text not null,
  dialect text,
  user_agent text,
  requests bigint not null,
  coercions jsonb not null,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  constraint directory_clients__client primary key (client),
  constraint directory_clients__dialect check (dialect in ('okta', 'entra'))
);

-- Signs the cursors of lists; shared by all processes, and worth nothing to who reads it without a token.
create table directory_cursor_keys (
  key bytea not null
);
insert into directory_cursor_keys (key)
values (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- How many users and groups there are, so that no list has to count them. Spread over rows by writing backend, so that
-- writers at the same time rarely wait for each other.
create table directory_counts (
  kind text not null,
  client text not null,
  shard integer not null,
  total bigint not null,
  constraint directory_counts__kind_client_shard primary key (kind, client, shard)
) with (fillfactor = 50);

create function directory_add_count(kind text, client text, change bigint) returns void language sql as $$
  insert into directory_counts (kind, client, shard, total) values (kind, client, pg_backend_pid() % 32, change)
  on conflict (kind, client, shard) do update set total = directory_counts.total + excluded.total
$$;

create function directory_count_users() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then perform directory_add_count('user', old.client, -1); end if;
  if tg_op <> 'DELETE' then perform directory_add_count('user', new.client, 1); end if;
  return null;
end
$$;

create function directory_count_groups() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then perform directory_add_count(old.kind, old.client, -1); end if;
  if tg_op <> 'DELETE' then perform directory_add_count(new.kind, new.client, 1); end if;
  return null;
end
$$;

insert into directory_counts (kind, client, shard, total)
select 'user', client, 0, count(*) from directory_users group by client
union all
select kind, client, 0, count(*) from directory_groups group by kind, client;

create trigger directory_users__count after insert or delete or update of client on directory_users
  for each row execute function directory_count_users();
create trigger directory_groups__count after insert or delete or update of client on directory_groups
  for each row execute function directory_count_groups();

create index directory_users__client_id on directory_users (client, id);
create index directory_groups__client_kind_id on directory_groups (client, kind, id);

-- Functions, so that a statement of many parts is one way to the server, planned once for each connection: their plans
-- go by indexes whatever the arguments are.

-- The members of groups in the order of ids.
create function directory_list_members(group_ids uuid[])
returns table (group_id uuid, value uuid, type text, display text) language plpgsql stable set plan_cache_mode = force_generic_plan as $$
begin
  return query
  select m.group_id, m.member_id, m.member_kind, coalesce(u.attributes ->> 'displayName', u.user_name, g.display_name)
  from directory_members m
  left join directory_users u on u.id = m.member_id and m.member_kind = 'User'
  left join directory_groups g on g.id = m.member_id and m.member_kind = 'Group'
  where m.group_id = any(group_ids)
  order by m.group_id, m.member_id;
end
$$;

create function directory_has_more_members(of_group uuid, than integer) returns boolean language plpgsql stable set plan_cache_mode = force_generic_plan as $$
begin
  return exists (select 1 from directory_members m where m.group_id = of_group offset than);
end
$$;

-- The groups of these kinds that hold users, directly or through other groups; provisioned ones of one owner alone, where
-- that is given.
create function directory_list_held(user_ids uuid[], kinds text[], owner text)
returns table (user_id uuid, id uuid, kind text, external_id text, display_name text, direct boolean)
language plpgsql stable set plan_cache_mode = force_generic_plan as $$
begin
  return query
  with recursive held (user_id, group_id, direct) as (
    select m.member_id, m.group_id, true from directory_members m where m.member_id = any(user_ids)
    union
    select held.user_id, m.group_id, false from held join directory_members m on m.member_id = held.group_id
  )
  select held.user_id, g.id, g.kind, g.external_id, g.display_name, bool_or(held.direct)
  from held join directory_groups g on g.id = held.group_id
  where g.kind = any(kinds) and (g.kind = 'entitlement' or owner is null or g.client = owner)
  group by held.user_id, g.id
  order by held.user_id, g.id;
end
$$;

-- Adds members to a group whose row is locked. The rows of new members are held against deletion until commit. Nothing
-- is added where one of them does not exist for the owner (null: any); entitlement groups are nobody's members.
create function directory_add_members(to_group uuid, member_ids uuid[], owner text, out added uuid[], out unknown uuid[])
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  wanted uuid[];
  users uuid[];
  groups uuid[];
begin
  select array_agg(w.id) into wanted from (select distinct unnest(member_ids) as id) w
  where not exists (select 1 from directory_members m where m.group_id = to_group and m.member_id = w.id);
  if wanted is null then return; end if;
  select array_agg(u.id) into users from (
    select id from directory_users
    where id = any(wanted) and (owner is null or client = owner) order by id for key share
  ) u;
  if cardinality(users) is distinct from cardinality(wanted) then
    select array_agg(g.id) into groups from (
      select id from directory_groups
      where id = any(wanted) and kind = 'provisioned' and (owner is null or client = owner) order by id for key share
    ) g;
    select array_agg(w.id) into unknown from unnest(wanted) as w (id)
    where not (w.id = any(coalesce(users, '{}') || coalesce(groups, '{}')));
    if unknown is not null then return; end if;
  end if;
  insert into directory_members (group_id, member_id, member_kind)
  select to_group, id, 'User' from unnest(users) as u (id)
  union all
  select to_group, id, 'Group' from unnest(groups) as g (id);
  added := wanted;
end
$$;

-- Removes and adds members of a provisioned group in one statement, if the group is still what the writer saw; `changed`
-- otherwise, and then nothing is written. A version is given where the writer insists on it. `more` tells whether the
-- group then has more members than asked about.
create function directory_patch_members(
  of_group uuid, owner text, seen_name text, seen_external_id text, seen_attributes jsonb, seen_version bigint,
  remove_ids uuid[], add_ids uuid[], than integer,
  out state text, out version bigint, out updated_at timestamptz,
  out added text[], out removed text[], out unknown text[], out more boolean
) language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  g directory_groups;
  new_ids uuid[];
  unknown_ids uuid[];
begin
  select * into g from directory_groups d
  where d.id = of_group and d.kind = 'provisioned' and (owner is null or d.client = owner) for no key update;
  if not found or g.display_name <> seen_name or g.external_id is distinct from seen_external_id
    or g.attributes <> seen_attributes or g.version <> coalesce(seen_version, g.version) then
    state := 'changed';
    return;
  end if;
  if cardinality(add_ids) > 0 then
    select m.added, m.unknown into new_ids, unknown_ids from directory_add_members(of_group, add_ids, owner) m;
    if unknown_ids is not null then
      state := 'unknown';
      unknown := unknown_ids::text[];
      return;
    end if;
  end if;
  if cardinality(remove_ids) > 0 then
    with gone as (
      delete from directory_members m where m.group_id = of_group and m.member_id = any(remove_ids) returning m.member_id
    )
    select array_agg(member_id::text) into removed from gone;
  end if;
  added := coalesce(new_ids::text[], '{}');
  removed := coalesce(removed, '{}');
  state := 'done';
  version := g.version;
  updated_at := g.updated_at;
  if cardinality(added) + cardinality(removed) > 0 then
    update directory_groups d set version = d.version + 1, updated_at = now() where d.id = of_group
    returning d.version, d.updated_at into version, updated_at;
    insert into directory_changes (kind, resource_id, details)
    values ('group.members', of_group, jsonb_build_object('added', added, 'removed', removed));
  end if;
  more := than is not null and directory_has_more_members(of_group, than);
end
$$;

-- The id of the user after `nth` others in the order of ids: by the index alone, which a planner that has not seen a
-- vacuum yet would not take.
create function directory_nth_user(owner text, nth bigint) returns uuid language plpgsql stable
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  if owner is null then return (select u.id from directory_users u order by u.id offset nth limit 1); end if;
  return (select u.id from directory_users u where u.client = owner order by u.id offset nth limit 1);
end
$$;
