-- Groups within groups are few, and what a user holds is asked for with every user shown: the way up goes by this index
-- alone. Without it, a planner that knows nothing of the table yet, or takes it for small, reads all of it each time.
create index directory_members__member_id_nested on directory_members (member_id) where member_kind = 'Group';

create or replace function directory_list_held(user_ids uuid[], kinds text[], owner text)
returns table (user_id uuid, id uuid, kind text, external_id text, display_name text, direct boolean)
language plpgsql stable set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  return query
  with recursive held (user_id, group_id, direct) as (
    select m.member_id, m.group_id, true from directory_members m where m.member_id = any(user_ids)
    union
    select held.user_id, m.group_id, false
    from held join directory_members m on m.member_id = held.group_id and m.member_kind = 'Group'
  )
  select held.user_id, g.id, g.kind, g.external_id, g.display_name, bool_or(held.direct)
  from held join directory_groups g on g.id = held.group_id
  where g.kind = any(kinds) and (g.kind = 'entitlement' or owner is null or g.client = owner)
  group by held.user_id, g.id
  order by held.user_id, g.id;
end
$$;
