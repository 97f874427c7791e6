/** Hides how statements that come often are parsed and planned once for each connection, and not at each use. */
import { createHash } from "node:crypto";
import { type PostgresCursor, type PostgresPool, type PostgresPoolClient, type PostgresQueryResult, sql } from "kysely";
import type pg from "pg";

/** Text with this in it is prepared. */
export const PREPARED_MARK = "/* prepared */";

/**
 * SQL that, put first or by `modifyEnd`, has a statement prepared. For few texts whose plan does not depend on the
 * values, with columns named one by one: a `*` would fail on open connections once a migration adds a column.
 */
export const prepared = sql.raw(PREPARED_MARK);

/** Connections hold prepared statements until they close; texts past this number are not prepared. */
const MAX_STATEMENTS = 200;

/** The pool as Kysely takes it, with marked statements prepared. */
export function withPreparedStatements(pool: pg.Pool): PostgresPool {
  const names = new Map<string, string>();
  const clients = new WeakMap<pg.PoolClient, PostgresPoolClient>();
  function findName(text: string): string | undefined {
    const known = names.get(text);
    if (known !== undefined || names.size >= MAX_STATEMENTS) return known;
    const name = createHash("sha256").update(text).digest("base64url").slice(0, 32);
    names.set(text, name);
    return name;
  }
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect();
      const wrapped = clients.get(client) ?? wrap(client, findName);
      clients.set(client, wrapped);
      return wrapped;
    },
  };
}

function wrap(client: pg.PoolClient, findName: (text: string) => string | undefined): PostgresPoolClient {
  function query<R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  function query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  function query(text: unknown, parameters: readonly unknown[] = []): unknown {
    if (typeof text !== "string") throw new TypeError("cursors are not used");
    const name = text.includes(PREPARED_MARK) ? findName(text) : undefined;
    const values = [...parameters];
    return name === undefined ? client.query(text, values) : client.query({ name, text, values });
  }
  return { query, release: (destroy) => client.release(destroy) };
}
