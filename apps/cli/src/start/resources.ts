/** What a process of Branchward stands on: the record in PostgreSQL, and the queue beside it or on Redis. */
import { type BackendTarget, createQueues, openQueueBackend, type QueueBackend, type Queues } from "@branchward/queue";
import { type Environment, type Logger } from "@branchward/runtime";
import { startEmbeddedPostgres } from "@branchward/runtime/postgres";
import { connectDatabase, type Database, type Notifications, openNotifications } from "@branchward/store";
import { migrateRecord, migrateWork } from "./migrations.ts";

export interface OpenedRecord extends AsyncDisposable {
  readonly db: Database;
  readonly url: string;
  readonly notifications: Notifications;
  readonly notes: readonly string[];
  /** Resolves with the reason when an embedded server ends by itself. */
  readonly ended: Promise<string>;
}

/** Connections of our own pool; the queue and the notifications have theirs. */
const POOL_MAX = 20;

/** The database of DATABASE_URL or an embedded one, brought up to date. */
export async function openRecord({ databaseUrl, dataDir }: Environment, log: Logger): Promise<OpenedRecord> {
  await using stack = new AsyncDisposableStack();
  const embedded = databaseUrl === undefined ? stack.use(await startEmbeddedPostgres({ dataDir, log })) : undefined;
  const url = databaseUrl ?? embedded?.url ?? "";
  const onError = (error: Error): void => log.warn({ err: error }, "database connection");
  const connection = stack.use(connectDatabase({ url, max: POOL_MAX, onError }));
  await migrateRecord(connection, log);
  const notifications = stack.use(await openNotifications(url, onError));
  const held = stack.move();
  const ended = embedded?.ended ?? new Promise<never>(() => undefined);
  return {
    db: connection.db,
    url,
    notifications,
    notes: embedded?.notes ?? [],
    ended,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

export interface OpenedWork extends AsyncDisposable {
  readonly backend: QueueBackend;
  readonly queues: Queues;
}

/** BullMQ on Redis where REDIS_URL is set, else on the record's own server. */
export async function openWork(
  { redisUrl }: Environment,
  databaseUrl: string,
  endpoints: readonly string[],
  log: Logger,
): Promise<OpenedWork> {
  const target: BackendTarget =
    redisUrl === undefined ? { kind: "postgres", url: databaseUrl } : { kind: "redis", url: redisUrl };
  await migrateWork(target, log);
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(openQueueBackend(target, (error) => log.warn({ err: error }, "queue connection")));
  const queues = stack.use(createQueues(backend, endpoints));
  const held = stack.move();
  return { backend, queues, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
