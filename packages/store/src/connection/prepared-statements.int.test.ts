import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepared } from "./prepared-statements.ts";
import { openTestDatabase, type TestDatabase } from "../testing.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await openTestDatabase();
});
afterAll(() => test[Symbol.asyncDispose]());

describe("marked statements", () => {
  it("are prepared once for a connection, and others are not", async () => {
    const names = await test.db.connection().execute(async (db) => {
      for (let n = 0; n < 3; n += 1) await sql`${prepared}select ${n}::integer as marked_once`.execute(db);
      await sql`select 1 as not_marked`.execute(db);
      const { rows } = await sql<{ statement: string; uses: number }>`
        select statement, generic_plans + custom_plans as uses from pg_prepared_statements where statement like '%mark%'
      `.execute(db);
      return rows;
    });
    expect(names).toEqual([{ statement: "/* prepared */select $1::integer as marked_once", uses: 3 }]);
  });

  it("past a number of texts run without, so that a connection never holds more", async () => {
    const found = await test.db.connection().execute(async (db) => {
      for (let n = 0; n < 230; n += 1) {
        const { rows } = await sql<{ n: number }>`${prepared}select ${sql.lit(n)}::integer as n`.execute(db);
        expect(rows).toEqual([{ n }]);
      }
      const { rows } = await sql<{ total: number }>`select count(*) as total from pg_prepared_statements`.execute(db);
      return rows[0]?.total;
    });
    expect(found).toBeLessThanOrEqual(200);
  });
});
