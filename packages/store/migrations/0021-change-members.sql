-- Removes and adds members of a provisioned group in one statement that also tells what the group is, so that a change
-- that does not depend on the rest of the group needs no reading before it. Where the writer decided by what it saw
-- (`seen_name` is given), nothing is written unless the group is still that; `changed` then, and where there is no such
-- group. A version is given where the writer insists on it. `more` tells whether the group then has more members than
-- asked about.
create function directory_change_members(
  of_group uuid, owner text, seen_name text, seen_external_id text, seen_attributes jsonb, seen_version bigint,
  remove_ids uuid[], add_ids uuid[], than integer,
  out state text, out client text, out external_id text, out display_name text, out attributes jsonb,
  out version bigint, out created_at timestamptz, out updated_at timestamptz,
  out added text[], out removed text[], out unknown text[], out more boolean
) language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  new_ids uuid[];
  unknown_ids uuid[];
begin
  select d.client, d.external_id, d.display_name, d.attributes, d.version, d.created_at, d.updated_at
  into client, external_id, display_name, attributes, version, created_at, updated_at
  from directory_groups d
  where d.id = of_group and d.kind = 'provisioned' and (owner is null or d.client = owner) for no key update;
  if not found or version <> coalesce(seen_version, version) or (seen_name is not null and (
    display_name <> seen_name or external_id is distinct from seen_external_id or attributes <> seen_attributes
  )) then
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
  if cardinality(added) + cardinality(removed) > 0 then
    update directory_groups d set version = d.version + 1, updated_at = now() where d.id = of_group
    returning d.version, d.updated_at into version, updated_at;
    insert into directory_changes (kind, resource_id, details)
    values ('group.members', of_group, jsonb_build_object('added', added, 'removed', removed));
  end if;
  more := than is not null and directory_has_more_members(of_group, than);
end
$$;

drop function directory_patch_members;
