import { CompiledQuery, Kysely, PostgresDialect, type Transaction } from "kysely";
import pg from "pg";
import { BatchedSocket } from "./batched-socket.ts";
import { withPreparedStatements } from "./prepared-statements.ts";
import type { Tables } from "../tables.ts";

export type Database = Kysely<Tables>;
/** What a query takes first: a database or an open transaction. */
export type Queryable = Database | Transaction<Tables>;

/** Of a connection on which nothing is asked, until the system asks the other side whether it is there. */
const KEEP_ALIVE_AFTER_MS = 10_000;

export interface DatabaseConnection extends AsyncDisposable {
  readonly db: Database;
  readonly pool: pg.Pool;
}

const INT8_OID = 20;

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 out of range: ${text}`);
  return value;
}

export interface ConnectOptions {
  readonly url: string;
  /** Connections in the pool. */
  readonly max: number;
  /** How long a statement may be without an answer before its connection counts as dead; 20 s unless given. */
  readonly silenceMs?: number;
  /** Told of errors of idle connections; the pool replaces them by itself. */
  readonly onError: (error: Error) => void;
}

const STATEMENT_TIMEOUT_MS = 15_000;
/** By then a server that lives has answered, if only that the statement took too long. */
const SILENCE_MS = STATEMENT_TIMEOUT_MS + 5_000;

/**
 * Opens a pool. Statements end after 15 s, idle transactions after 10 s, a connection attempt after 2 s,
 * so that a stuck record answers with an error and never holds a request. A server that vanished without a word, as one
 * that another takes over from, ends no statement: a connection on which none comes back for 20 s is given up.
 */
export function connectDatabase({ url, max, silenceMs = SILENCE_MS, onError }: ConnectOptions): DatabaseConnection {
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8_OID, parseInt8);
  const pool = new pg.Pool({
    connectionString: url,
    max,
    types,
    connectionTimeoutMillis: 2_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: silenceMs,
    idle_in_transaction_session_timeout: 10_000,
    application_name: "branchward",
    stream: () => new BatchedSocket(),
    // Statements are sent without waiting for the answers to those before them; whoever depends on an answer awaits it.
    pipeline: true,
  });
  const state = { closing: false };
  // On the way down the server may end connections first.
  pool.on("error", (error) => {
    if (!state.closing) onError(error);
  });
  // A client in use whose connection breaks tells its query; without a listener it would end the process as well.
  pool.on("connect", (client) => client.on("error", () => undefined));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: withPreparedStatements(pool) }) });
  return {
    db,
    pool,
    [Symbol.asyncDispose]() {
      state.closing = true;
      return db.destroy();
    },
  };
}

/**
 * Two connections to the same database, whose statements take the time they need, whatever the server's own settings are: an
 * index of a large table takes minutes, and who waits for another's waits as long. A server that is gone ends them still.
 */
export function connectWithoutDeadlines({ pool }: DatabaseConnection): DatabaseConnection {
  const { connectionString } = pool.options;
  const unhurried = new pg.Pool({
    ...(connectionString === undefined ? {} : { connectionString }),
    max: 2,
    connectionTimeoutMillis: 2_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    application_name: "branchward-migrate",
  });
  // Whoever waits for an answer on a broken connection is told; without a listener it would end the process as well.
  unhurried.on("error", () => undefined);
  unhurried.on("connect", (client) => client.on("error", () => undefined));
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({
      pool: unhurried,
      onCreateConnection: async (connection) => {
        for (const setting of ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]) {
          await connection.executeQuery(CompiledQuery.raw(`set ${setting} = 0`));
        }
      },
    }),
  });
  return { db, pool: unhurried, [Symbol.asyncDispose]: () => db.destroy() };
}
