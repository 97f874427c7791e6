/** Bringing the tables up to date, which may take minutes on a large install, and telling so. */
import { UnavailableError } from "@branchward/core";
import { type BackendTarget, migrateQueue } from "@branchward/queue";
import { isDatabaseAway, type Logger } from "@branchward/runtime";
import { type DatabaseConnection, migrateStore } from "@branchward/store";

/** At the level that is logged unless somebody asks for less: nobody is to think that it hangs, and end it. */
const TELL_EVERY_MS = 10_000;

/**
 * Our tables; resolves with the names of the migrations applied. Each is logged, and again while it goes on.
 * @throws {UnavailableError} when the database is away, or somebody keeps the lock of a table.
 */
export async function migrateRecord(
  connection: DatabaseConnection,
  log: Logger,
  tellEveryMs = TELL_EVERY_MS,
): Promise<readonly string[]> {
  const state: { migration: string | null } = { migration: null };
  return tellWhile(
    () => log.warn({ migration: state.migration }, waitingOr(state.migration, "the migration goes on")),
    tellEveryMs,
    () =>
      migrateStore(connection, {
        onBegin(migration) {
          state.migration = migration;
          log.info({ migration }, waitingOr(migration, "migration begun"));
        },
        onEnd: (migration, tookMs) => log.info({ migration, tookMs }, "migration done"),
      }),
  ).catch((cause: unknown) => {
    if (!isDatabaseAway(cause)) throw cause;
    throw new UnavailableError(`the database of DATABASE_URL cannot be reached: ${String(cause)}`, { cause });
  });
}

/** BullMQ's tables, where it stands on PostgreSQL; resolves with the version reached. */
export function migrateWork(target: BackendTarget, log: Logger): Promise<number> {
  const tell = (): void => log.warn("the migration of the queue's tables goes on, or that of another process");
  return tellWhile(tell, TELL_EVERY_MS, () => migrateQueue(target));
}

function waitingOr(migration: string | null, otherwise: string): string {
  return migration === null ? "another process migrates; waiting for it" : otherwise;
}

async function tellWhile<T>(tell: () => void, everyMs: number, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(tell, everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
