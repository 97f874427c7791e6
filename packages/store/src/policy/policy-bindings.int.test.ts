import { randomUUID } from "node:crypto";
import type { GroupId, UserId } from "@branchward/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listFindings } from "../scopes/findings.ts";
import {
  bindReference,
  bindReferences,
  keepLastMembers,
  listPolicyBindings,
  listReferencesReaching,
  noteLostGroups,
  resolveReferences,
} from "./policy-bindings.ts";
import { insertGroup, insertUser, openTestDatabase, type TestDatabase } from "../testing.ts";

describe("the groups of a policy (rule B4)", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeEach(async () => {
    context.database = await openTestDatabase();
  });
  afterEach(() => context.database[Symbol.asyncDispose]());

  const resolve = async (reference: string) =>
    (await resolveReferences(context.database.db, [reference])).get(reference);

  async function createTeam(name: string, client = "okta"): Promise<{ groupId: GroupId; alice: UserId }> {
    const { db } = context.database;
    const alice = await insertUser(db, `alice-${randomUUID()}`);
    return { groupId: await insertGroup(db, { name, client, users: [alice] }), alice };
  }

  it("are unbound and found to be until a group of the name appears, and bound when it does", async () => {
    const { db } = context.database;
    expect(await bindReferences(db, ["group:engineering"])).toEqual([]);
    expect(await resolve("group:engineering")).toBeUndefined();
    expect((await listFindings(db, 10)).map((finding) => finding.subject)).toEqual(["group:engineering"]);
    const { alice } = await createTeam("engineering");
    expect(await bindReferences(db, ["group:engineering"])).toEqual(["group:engineering"]);
    expect(await resolve("group:engineering")).toMatchObject({ state: "bound", members: [{ userId: alice }] });
    expect(await listFindings(db, 10)).toEqual([]);
  });

  it("are bound to nothing by two candidates, and to the pinned client's", async () => {
    const { db } = context.database;
    await createTeam("ops", "okta");
    const entra = await createTeam("ops", "entra");
    expect(await bindReferences(db, ["group:ops", "group:entra/ops"])).toEqual(["group:entra/ops"]);
    expect(
      (await listPolicyBindings(db, ["group:ops", "group:entra/ops"])).map(({ state, groupId }) => [state, groupId]),
    ).toEqual([
      ["unbound", null],
      ["bound", entra.groupId],
    ]);
  });

  it("stay with the group through its rename, and a namesake inherits nothing", async () => {
    const { db } = context.database;
    const { groupId, alice } = await createTeam("core");
    await bindReferences(db, ["group:core"]);
    await db
      .updateTable("directory_groups")
      .set({ display_name: "kernel", display_key: "kernel" })
      .where("id", "=", groupId)
      .execute();
    await createTeam("core");
    await bindReferences(db, ["group:core"]);
    expect(await resolve("group:core")).toMatchObject({ state: "bound", members: [{ userId: alice }] });
  });

  it("keep the last members once the group is deleted, and are re-bound by hand alone", async () => {
    const { db } = context.database;
    const { groupId, alice } = await createTeam("contractors");
    await bindReferences(db, ["group:contractors"]);
    await db.transaction().execute(async (trx) => {
      await keepLastMembers(trx, groupId);
      await trx.deleteFrom("directory_groups").where("id", "=", groupId).execute();
    });
    expect(await resolve("group:contractors")).toMatchObject({ state: "lost", members: [{ userId: alice }] });
    const next = await createTeam("contractors");
    await bindReferences(db, ["group:contractors"]);
    expect(await resolve("group:contractors")).toMatchObject({ state: "lost" });
    await bindReference(db, "group:contractors", next.groupId);
    expect(await resolve("group:contractors")).toMatchObject({ state: "bound", members: [{ userId: next.alice }] });
  });

  it("stand as findings where a policy comes to name one whose group was gone before", async () => {
    const { db } = context.database;
    const { groupId } = await createTeam("former");
    await bindReferences(db, ["group:former"]);
    await db.deleteFrom("directory_groups").where("id", "=", groupId).execute();
    await noteLostGroups(db, ["group:former", "group:never-there"]);
    const lost = async () => (await listFindings(db, 100)).filter(({ kind }) => kind === "group-lost");
    expect(await lost()).toMatchObject([{ subject: "group:former", severity: "critical" }]);
    await bindReference(db, "group:former", (await createTeam("latter")).groupId);
    await noteLostGroups(db, ["group:former"]);
    expect(await lost()).toEqual([]);
  });

  it("are reached by their own members and by those of nested groups", async () => {
    const { db } = context.database;
    const { groupId, alice } = await createTeam("inner");
    await insertGroup(db, { name: "outer", client: "okta", groups: [groupId] });
    await createTeam("stranger");
    await bindReferences(db, ["group:inner", "group:outer", "group:stranger"]);
    const reached = async (question: { groupIds: string[]; userIds: string[] }) =>
      (await listReferencesReaching(db, question)).toSorted((a, b) => a.localeCompare(b));
    expect(await reached({ groupIds: [], userIds: [alice] })).toEqual(["group:inner", "group:outer"]);
    expect(await reached({ groupIds: [groupId], userIds: [] })).toEqual(["group:inner", "group:outer"]);
    expect(await resolve("group:outer")).toMatchObject({ members: [{ userId: alice, path: ["outer", "inner"] }] });
  });
});
