import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { UnavailableError } from "@branchward/core";
import { type Kysely, sql } from "kysely";
import { type Migration, type MigrationProvider, Migrator } from "kysely/migration";
import { connectWithoutDeadlines, type Database, type DatabaseConnection } from "./connection/database.ts";

const MIGRATIONS_DIR = join(import.meta.dirname, "..", "migrations");
/** Held by the one who migrates; of the connection, not of a transaction. */
const MIGRATION_LOCK = 7_190_016;
/**
 * Who asks for a table's lock lets nobody at the table until it has it. Processes that run keep theirs for no longer than
 * their statements and transactions may take; whoever has one longer, as a dump does, keeps the migration waiting, not them.
 */
const LOCK_TIMEOUT_MS = 15_000;
const LOCK_NOT_AVAILABLE = "55P03";

export interface MigrateOptions {
  /** Told of what is begun: a migration by name, or, as null, waiting for another process that migrates. */
  readonly onBegin?: (migration: string | null) => void;
  readonly onEnd?: (migration: string, tookMs: number) => void;
  /** Of the SQL files; ours unless given. */
  readonly directory?: string;
  /** How long a statement of a migration may wait for a lock; 15 s unless given. */
  readonly lockTimeoutMs?: number;
}

/** Numbered plain SQL files, forward only, immutable once landed. */
function createSqlFiles({
  onBegin,
  onEnd,
  directory = MIGRATIONS_DIR,
  lockTimeoutMs = LOCK_TIMEOUT_MS,
}: MigrateOptions): MigrationProvider {
  async function apply(name: string, text: string, db: Kysely<unknown>): Promise<void> {
    onBegin?.(name);
    const begunAt = performance.now();
    await sql.raw(`set local lock_timeout = ${lockTimeoutMs}`).execute(db);
    await sql
      .raw(text)
      .execute(db)
      .catch((error: unknown) => {
        throw toLockError(error, name);
      });
    onEnd?.(name, Math.round(performance.now() - begunAt));
  }
  return {
    async getMigrations() {
      const files = (await readdir(directory)).filter((file) => file.endsWith(".sql")).toSorted();
      const migrations: Record<string, Migration> = {};
      for (const file of files) {
        const text = await readFile(join(directory, file), "utf8");
        const name = file.slice(0, -".sql".length);
        migrations[name] = { up: (db: Kysely<unknown>) => apply(name, text, db) };
      }
      return migrations;
    },
  };
}

function toLockError(error: unknown, migration: string): unknown {
  if (!(error instanceof Error && "code" in error && error.code === LOCK_NOT_AVAILABLE)) return error;
  return new UnavailableError(
    `migration ${migration} did not get the lock of a table, which another connection holds: pg_stat_activity tells which. Nothing is changed; start again once it is over`,
    { cause: error },
  );
}

function createMigrator(db: Database, options: MigrateOptions = {}): Migrator {
  return new Migrator({
    db,
    provider: createSqlFiles(options),
    migrationTableName: "migrations",
    migrationLockTableName: "migration_lock",
  });
}

/**
 * Brings the schema up to date, all or nothing, on connections of its own and in the time it takes; returns the names
 * applied, none when it was current. One process does it, the others wait.
 * @throws {UnavailableError} when somebody holds the lock of a table for longer than 15 s.
 */
export async function migrateStore(
  connection: DatabaseConnection,
  options: MigrateOptions = {},
): Promise<readonly string[]> {
  await using unhurried = connectWithoutDeadlines(connection);
  return await unhurried.db.connection().execute(async (held) => {
    // Let go with the connection.
    await takeMigrationLock(held, options);
    const { error, results } = await createMigrator(unhurried.db, options).migrateToLatest();
    if (error !== undefined) throw error;
    return (results ?? []).filter(({ status }) => status === "Success").map(({ migrationName }) => migrationName);
  });
}

async function takeMigrationLock(held: Database, { onBegin }: MigrateOptions): Promise<void> {
  const { rows } = await sql<{ taken: boolean }>`select pg_try_advisory_lock(${MIGRATION_LOCK}) as taken`.execute(held);
  if (rows[0]?.taken === true) return;
  onBegin?.(null);
  await sql`select pg_advisory_lock(${MIGRATION_LOCK})`.execute(held);
}

/** Names of migrations not applied yet. */
export async function listPendingMigrations(db: Database): Promise<readonly string[]> {
  const all = await createMigrator(db).getMigrations();
  return all.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name);
}
