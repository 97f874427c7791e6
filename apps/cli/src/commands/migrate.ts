import { migrateQueue } from "@branchward/queue";
import { startEmbeddedPostgres } from "@branchward/runtime/postgres";
import { connectDatabase, migrateStore } from "@branchward/store";
import { createLogger } from "@branchward/runtime";
import { loadSetup } from "../configuration-file.ts";
import { type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

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
  const { db } = stack.use(connectDatabase({ url, max: 2, onError: (error) => log.warn({ err: error }, "database") }));
  const applied = await migrateStore(db);
  const queue = environment.redisUrl === undefined ? await migrateQueue({ kind: "postgres", url }) : null;
  if (options.json === true) writeJson(context, { applied, queueSchemaVersion: queue });
  else {
    writeLine(context.stdout, applied.length === 0 ? "tables are up to date" : `applied ${applied.join(", ")}`);
    writeLine(context.stdout, queue === null ? "the queue is on Redis" : `queue schema version ${queue}`);
  }
  return EXIT.ok;
}
