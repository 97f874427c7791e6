/**
 * One clock for PostgreSQL and the process, which stands still until it is moved. `now()` and `clock_timestamp()` are
 * found in a schema that comes before `pg_catalog` on the search path of the test's database: the code under test asks
 * the database for the time as ever.
 */
import type { Pool } from "pg";
import { vi } from "vitest";

export interface ModelClock {
  now(): number;
  set(nowMs: number): Promise<void>;
}

const SCHEMA = `
  create schema model_clock;
  create table model_clock.time (at timestamptz not null);
  insert into model_clock.time values (pg_catalog.now());
  create function model_clock.now() returns timestamptz language sql stable
    as 'select at from model_clock.time';
  create function model_clock.clock_timestamp() returns timestamptz language sql stable
    as 'select at from model_clock.time';
  do $$
  declare found record;
  begin
    for found in
      select table_schema, table_name, column_name from information_schema.columns
      where table_schema = 'public' and column_default = 'now()'
    loop
      execute format('alter table %I.%I alter column %I set default model_clock.now()',
        found.table_schema, found.table_name, found.column_name);
    end loop;
    execute format('alter database %I set search_path = model_clock, public, pg_catalog', current_database());
  end $$;
`;

/** Installs the clock; connections opened afterwards live by it. */
export async function installClock(pool: Pool): Promise<void> {
  await pool.query(SCHEMA);
}

/** Moves both clocks; `pool` was opened after `installClock`. Only `Date` is replaced, timers are not. */
export function createModelClock(pool: Pool): ModelClock {
  const state = { nowMs: Date.now() };
  return {
    now: () => state.nowMs,
    async set(nowMs) {
      state.nowMs = nowMs;
      vi.setSystemTime(nowMs);
      await pool.query("update model_clock.time set at = $1", [new Date(nowMs)]);
    },
  };
}
