import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { okta, openTestDirectory, type TestDirectory, userBody } from "../directory/testing.ts";
import { isNameQuarantined } from "./account-links.ts";

describe("a name freed by deletion (rule C5)", () => {
  const context: { directory: TestDirectory } = {} as never;
  beforeAll(async () => {
    context.directory = await openTestDirectory();
  });
  afterAll(() => context.directory[Symbol.asyncDispose]());

  async function free(userName: string): Promise<void> {
    const id = await context.directory.create(okta, "/Users", userBody({ userName }));
    expect(await context.directory.request(okta, `DELETE /Users/${id}`)).toMatchObject({ status: 204 });
  }
  const isQuarantined = (userName: string) => isNameQuarantined(context.directory.db, userName);
  const setAge = (age: string) =>
    sql`update directory_changes set created_at = now() - ${age}::interval where kind = 'user.deleted'`.execute(
      context.directory.db,
    );

  it.each([
    ["letter case", "Alice", "aLICE"],
    ["full case", "Stra\u00dfe", "STRASSE"],
    ["letter case beyond ASCII", "\u00c9mile", "\u00e9mile"],
    ["normal form", "Jos\u00e9", "JOSE\u0301"],
  ])("is quarantined for whomever the directory takes for its namesake: %s", async (_, freed, asked) => {
    expect(await isQuarantined(asked)).toBe(false);
    await free(freed);
    expect([await isQuarantined(asked), await isQuarantined(freed)]).toEqual([true, true]);
    expect(await isQuarantined(`${asked}r`)).toBe(false);
  });

  it("is quarantined for 90 days", async () => {
    await free("bob");
    await setAge("89 days 23 hours");
    expect(await isQuarantined("Bob")).toBe(true);
    await setAge("90 days 1 hour");
    expect(await isQuarantined("Bob")).toBe(false);
  });

  it("is quarantined where its key was not noted yet, regardless of case", async () => {
    await free("Carol");
    await sql`
      update directory_changes set details = details - 'userNameKey' where details ->> 'userName' = 'Carol'`.execute(
      context.directory.db,
    );
    expect(await isQuarantined("cAROL")).toBe(true);
  });
});
