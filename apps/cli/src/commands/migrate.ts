import { UnavailableError } from "@branchward/core";
import { startEmbeddedPostgres } from "@branchward/runtime/postgres";
import { connectDatabase } from "@branchward/store";
import { createLogger } from "@branchward/runtime";
import { loadSetup } from "../configuration-file.ts";
import { type CommandContext, CommandError, EXIT, writeJson, writeLine } from "../context.ts";
import { migrateRecord, migrateWork } from "../start/migrations.ts";

/** `branchward migrate`: our tables, then BullMQ's where it stands on PostgreSQL. */
export async function migrate(
  context: CommandContext,
  options: { readonly config?: string; readonly json?: boolean },
): Promise<number> {
  const { environment } = await loadSetup(context, options.config);
  const log = createLogger({ level: "warn" });
  await using stack = new AsyncDisposableStack();
  const embedded =
    environment.databaseUrl === undefined
      ? stack.use(await startEmbeddedPostgres({ dataDir: environment.dataDir, log }))
      : undefined;
  const url = environment.databaseUrl ?? embedded?.url ?? "";
  const onError = (error: Error): void => log.warn({ err: error }, "database");
  const connection = stack.use(connectDatabase({ url, max: 1, onError }));
  const applied = await migrateRecord(connection, log).catch((error: unknown) => {
    if (error instanceof UnavailableError) throw new CommandError(EXIT.failed, error.message);
    throw error;
  });
  const queue = environment.redisUrl === undefined ? await migrateWork({ kind: "postgres", url }, log) : null;
  if (options.json === true) writeJson(context, { applied, queueSchemaVersion: queue });
  else {
    writeLine(context.stdout, applied.length === 0 ? "tables are up to date" : `applied ${applied.join(", ")}`);
    writeLine(context.stdout, queue === null ? "the queue is on Redis" : `queue schema version ${queue}`);
  }
  return EXIT.ok;
}
