/** Hides how the statements of a transaction travel: together where they are asked for together, and not one by one. */
import {
  CompiledQuery,
  type ConnectionProvider,
  type DatabaseConnection,
  DummyDriver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  Transaction,
} from "kysely";
import type { Database } from "./database.ts";
import { PREPARED_MARK } from "./prepared-statements.ts";
import type { Tables } from "../tables.ts";

/**
 * Runs the work in one transaction, read committed. Statements that it asks for without waiting in between (`Promise.all`)
 * are sent in one go; the server takes them one after the other, in the order in which they were asked for, and each sees
 * what those before it did or waited for. Once one fails, those after it fail too, and nothing of the transaction stays.
 *
 * The transaction's begin travels with the first statements, which had therefore better read than write.
 */
export function transact<T>(db: Database, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
  return run(db, "begin", work);
}

/** As `transact`, to read alone: everything as of one moment, that of the first statement. */
export function readSnapshot<T>(db: Database, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
  return run(db, "begin isolation level repeatable read read only", work);
}

function run<T>(db: Database, begin: string, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
  const executor = db.getExecutor();
  return executor.provideConnection(async (connection) => {
    const { provider, end } = open(connection, begin);
    const trx = new Transaction<Tables>({ ...COMPILING, executor: executor.withConnectionProvider(provider) });
    try {
      const result = await work(trx);
      await end("commit");
      return result;
    } catch (error) {
      // What keeps it from being rolled back, a lost connection, has ended it too; the cause is what is told.
      await end("rollback").catch(() => undefined);
      throw error;
    }
  });
}

interface OpenTransaction {
  readonly provider: ConnectionProvider;
  /** Once over, a second call does nothing. @throws where a commit was none, since a statement before it had failed */
  readonly end: (how: "commit" | "rollback") => Promise<void>;
}

function open(connection: DatabaseConnection, begin: string): OpenTransaction {
  const state = { isOver: false };
  const begun = send(connection, begin);
  // Whoever asked for the first statement is told; nobody may have.
  begun.catch(() => undefined);
  return {
    provider: {
      async provideConnection(consumer) {
        // A statement that comes late would land in what the connection is used for next.
        if (state.isOver) throw new Error("the transaction is over");
        const [result] = await Promise.all([consumer(connection), begun]);
        return result;
      },
    },
    async end(how) {
      if (state.isOver) return;
      state.isOver = true;
      await begun;
      // PostgreSQL answers the commit of what had failed with ROLLBACK.
      if ((await send(connection, how)) !== how.toUpperCase()) throw new Error("the transaction was rolled back");
    },
  };
}

async function send(connection: DatabaseConnection, statement: string): Promise<string | undefined> {
  const { rows } = await connection.executeQuery<{ command: string }>(
    CompiledQuery.raw(`${PREPARED_MARK} ${statement}`),
  );
  return rows[0]?.command;
}

const DIALECT = {
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: (db: Database) => new PostgresIntrospector(db),
  createQueryCompiler: () => new PostgresQueryCompiler(),
};

/** Statements are made by it; they run on the connection of the transaction. */
const COMPILING = { config: { dialect: DIALECT }, dialect: DIALECT, driver: new DummyDriver() };
