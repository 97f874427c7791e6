import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin, entra, okta, openTestDirectory, type TestDirectory } from "./testing.ts";
import { createUserMarks, type UserMarks } from "./user-marks.ts";

const USERS = 2_600;

let directory: TestDirectory;
beforeAll(async () => {
  directory = await openTestDirectory();
  await insertUsers(Array.from({ length: USERS }, (_, n) => toId(n)));
});
afterAll(() => directory[Symbol.asyncDispose]());

/** Ids of an hour ago, a millisecond apart. */
const startedAt = Date.now() - 3_600_000;
function toId(n: number): string {
  const time = (startedAt + n * 2).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
}

async function insertUsers(ids: readonly string[]): Promise<void> {
  await sql`
    insert into directory_users (id, client, user_name, user_name_key, active, attributes, search_keys)
    select id, 'okta', id, id, true, '{}', '{}' from unnest(${ids}::uuid[]) as u(id)
  `.execute(directory.db);
}

/** The id that a page from an offset begins with, found by the marks that there are. */
async function findFirst(marks: UserMarks, offset: number): Promise<string | undefined> {
  const mark = await marks.find(directory.db, null, offset);
  const { rows } = await sql<{ id: string }>`
    select directory_nth_user(null, ${offset}, ${mark?.id ?? null}, ${mark?.nth ?? null}, ${mark?.shifts ?? null}) as id
  `.execute(directory.db);
  return rows[0]?.id;
}

async function countFrom(offset: number): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    select id from directory_users order by id offset ${offset} limit 1
  `.execute(directory.db);
  return rows[0]?.id;
}

const OFFSETS = [0, 1, 999, 1_000, 1_001, 1_499, 1_500, 2_000, 2_599, 2_600, 2_601];

describe("marks of users", () => {
  it("name the user at an offset, for every client by what it sees", async () => {
    const marks = createUserMarks(() => 0);
    expect(await marks.find(directory.db, null, 1_700)).toEqual({ id: toId(1_500), nth: 1_500, shifts: USERS });
    expect(await marks.find(directory.db, null, 999)).toBeUndefined();
    for (const offset of OFFSETS) expect(await findFirst(marks, offset)).toBe((await countFrom(offset)) ?? null);
    expect(await marks.find(directory.db, "entra", 1_700)).toBeUndefined();
  });

  it("that are remembered lead to no wrong page after users came in between or went", async () => {
    const marks = createUserMarks(() => 0);
    await findFirst(marks, 2_000);
    const between = `${toId(10).slice(0, -1)}1`;
    await insertUsers([between]);
    for (const offset of OFFSETS) expect(await findFirst(marks, offset)).toBe((await countFrom(offset)) ?? null);
    await findFirst(marks, 2_000);
    await directory.request(admin, `DELETE /Users/${between}`);
    await directory.request(admin, `DELETE /Users/${toId(3)}`);
    for (const offset of OFFSETS) expect(await findFirst(marks, offset)).toBe((await countFrom(offset)) ?? null);
    await insertUsers([toId(3)]);
  });

  it("stay as they are when users are added at the end, and those are found too", async () => {
    const marks = createUserMarks(() => 0);
    const before = await marks.find(directory.db, null, 2_500);
    const added = await directory.createUser(entra);
    await insertUsers([uuidv7()]);
    expect(await createUserMarks().find(directory.db, null, 2_500)).toEqual(before);
    expect(await findFirst(marks, USERS)).toBe(added);
  });

  it("are made anew after a while", async () => {
    const clock = { now: 0 };
    const marks = createUserMarks(() => clock.now);
    const before = await marks.find(directory.db, null, 2_500);
    await directory.request(admin, `DELETE /Users/${toId(7)}`);
    expect(await marks.find(directory.db, null, 2_500)).toEqual(before);
    clock.now = 5_000;
    const after = await marks.find(directory.db, null, 2_500);
    expect(after?.id).toBe(toId(2_501));
    expect(after?.shifts).toBeGreaterThan(before?.shifts ?? 0);
  });

  it("give every page once, whatever its size", async () => {
    const seen: string[] = [];
    for (let start = 1; ; start += 100) {
      const { json } = await directory.request(okta, `GET /Users?startIndex=${start}&count=100&attributes=id`);
      if (json.Resources.length === 0) break;
      seen.push(...json.Resources.map(({ id }) => id));
    }
    const { rows } = await sql<{
      id: string;
    }>`select id from directory_users where client = 'okta' order by id`.execute(directory.db);
    expect(seen).toEqual(rows.map(({ id }) => id));
  });
});
