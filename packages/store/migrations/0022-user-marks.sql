-- How often the users before some user became more or fewer. A process remembers which user is the so-and-so-many-th,
-- and trusts it as long as this stays, so that a page far into a long list does not walk over all before it.
-- Ids are of their time: a new one goes to the end, unless it is much older than its transaction.
alter table directory_counts add column shifts bigint not null default 0;

create function directory_id_at(moment timestamptz) returns uuid language sql immutable as $$
  select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

create or replace function directory_count_users() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    perform directory_add_count('user', old.client, -1);
    update directory_counts set shifts = shifts + 1
    where kind = 'user' and client = old.client and shard = pg_backend_pid() % 32;
  end if;
  if tg_op <> 'DELETE' then
    perform directory_add_count('user', new.client, 1);
    if tg_op = 'UPDATE' or new.id < directory_id_at(now() - interval '5 seconds') then
      update directory_counts set shifts = shifts + 1
      where kind = 'user' and client = new.client and shard = pg_backend_pid() % 32;
    end if;
  end if;
  return null;
end
$$;

create function directory_user_shifts(owner text) returns bigint language plpgsql stable as $$
begin
  return (select coalesce(sum(c.shifts), 0) from directory_counts c where c.kind = 'user' and (owner is null or c.client = owner));
end
$$;

-- Every so-many-th of the users in the order of ids, without those of the last 20 seconds: a statement that makes a user
-- may take 15, so that one with an earlier id could still come.
create function directory_mark_users(owner text, step integer, out ids uuid[], out shifts bigint) language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  shifts := directory_user_shifts(owner);
  if owner is null then
    select array_agg(m.id order by m.id) into ids from (
      select u.id, row_number() over (order by u.id) - 1 as nth from directory_users u
      where u.id < directory_id_at(now() - interval '20 seconds')
    ) m where m.nth % step = 0;
  else
    select array_agg(m.id order by m.id) into ids from (
      select u.id, row_number() over (order by u.id) - 1 as nth from directory_users u
      where u.client = owner and u.id < directory_id_at(now() - interval '20 seconds')
    ) m where m.nth % step = 0;
  end if;
end
$$;

-- As the function of two arguments, from a remembered user on where that still is the `mark_nth`.
create function directory_nth_user(owner text, nth bigint, mark_id uuid, mark_nth bigint, mark_shifts bigint)
returns uuid language plpgsql stable
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  if mark_id is null or mark_shifts <> directory_user_shifts(owner) then return directory_nth_user(owner, nth); end if;
  if owner is null then
    return (select u.id from directory_users u where u.id >= mark_id order by u.id offset nth - mark_nth limit 1);
  end if;
  return (
    select u.id from directory_users u where u.client = owner and u.id >= mark_id order by u.id offset nth - mark_nth limit 1
  );
end
$$;
