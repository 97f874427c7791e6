import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Kysely, sql } from "kysely";
import { type Migration, type MigrationProvider, Migrator } from "kysely/migration";
import type { Database } from "./connection/database.ts";

const MIGRATIONS_DIR = join(import.meta.dirname, "..", "migrations");

/** Numbered plain SQL files, forward only, immutable once landed. */
const sqlFiles: MigrationProvider = {
  async getMigrations() {
    const names = (await readdir(MIGRATIONS_DIR)).filter((name) => name.endsWith(".sql")).toSorted();
    const migrations: Record<string, Migration> = {};
    for (const name of names) {
      const text = await readFile(join(MIGRATIONS_DIR, name), "utf8");
      migrations[name.slice(0, -".sql".length)] = {
        up: (db: Kysely<unknown>) =>
          sql
            .raw(text)
            .execute(db)
            .then(() => {}),
      };
    }
    return migrations;
  },
};

function createMigrator(db: Database): Migrator {
  return new Migrator({
    db,
    provider: sqlFiles,
    migrationTableName: "migrations",
    migrationLockTableName: "migration_lock",
  });
}

/** Brings the schema up to date under an advisory lock; returns the names applied, none when it was current. */
export async function migrateStore(db: Database): Promise<readonly string[]> {
  const { error, results } = await createMigrator(db).migrateToLatest();
  if (error !== undefined) throw error;
  return (results ?? []).filter((result) => result.status === "Success").map((result) => result.migrationName);
}

/** Names of migrations not applied yet. */
export async function listPendingMigrations(db: Database): Promise<readonly string[]> {
  const all = await createMigrator(db).getMigrations();
  return all.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name);
}
