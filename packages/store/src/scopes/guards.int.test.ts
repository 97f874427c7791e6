import type { UserId } from "@branchward/core";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { countDirectoryGroups } from "./guards.ts";
import { insertGroup, insertUser, openTestDatabase } from "../testing.ts";

const HOUR_MS = 3_600_000;
const reference = "group:engineering";

describe("the members of a directory group at the start of the window", () => {
  it("are those of now, and whom the plan removes since they left: whoever is both counts once", async () => {
    await using database = await openTestDatabase();
    const { db } = database;
    const users: UserId[] = [];
    for (let n = 0; n < 10; n += 1) users.push(await insertUser(db, `user-${n}`));
    const groupId = await insertGroup(db, { name: "engineering", client: "okta", users: users.slice(0, 8) });
    await sql`update directory_groups set created_at = now() - interval '1 day'`.execute(db);
    await sql`update directory_members set added_at = now() - interval '1 day'`.execute(db);
    await sql`insert into policy_bindings (reference, group_id) values (${reference}, ${groupId})`.execute(db);
    // Two have left the group; one is in it still, and loses what it gave for another cause.
    const planned = new Map([[reference, [users[7], users[8], users[9]].flatMap((id) => id ?? [])]]);
    const counted = await countDirectoryGroups(db, { planned, windowMs: HOUR_MS });
    expect(counted.get(reference)).toMatchObject({ baseline: 10, remaining: 8 });
  });
});
