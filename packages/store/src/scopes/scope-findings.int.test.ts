import type { Finding } from "@branchward/core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { listFindings, raiseFinding, resolveFinding } from "./findings.ts";
import { resolveUnmentioned, saveScopeFindings, settleScopeFindings } from "./scope-findings.ts";
import { insertScope, openTestDatabase, type TestDatabase } from "../testing.ts";

const tooFew: Finding = {
  code: "at-least",
  severity: "critical",
  rule: "policy[0].grants[1]",
  file: "branchward.yaml",
  line: 12,
  message: "push has 0 of at least 1 members",
  entitlement: "push",
  userId: null,
};
const unknown: Finding = { ...tooFew, code: "user-unknown", severity: "info", message: "user:ghost is no user" };

describe("findings of scopes", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => void (context.database = await openTestDatabase()));
  afterAll(() => context.database[Symbol.asyncDispose]());
  beforeEach(async () => {
    await context.database.db.deleteFrom("scope_findings").execute();
    await settleScopeFindings(context.database.db);
  });

  const createScopes = (count: number) =>
    Promise.all(Array.from({ length: count }, () => insertScope(context.database.db, { branch: "main" })));
  const save = (scopeId: string, findings: readonly Finding[]) =>
    saveScopeFindings(context.database.db, scopeId, findings);
  const standing = async () => {
    await settleScopeFindings(context.database.db);
    return listFindings(context.database.db, 100);
  };

  it("become one finding of the policy's rule, with a count and an example", async () => {
    for (const { scopeId } of await createScopes(3)) await save(scopeId, [tooFew]);
    const [only, second] = await standing();
    expect(second).toBeUndefined();
    expect(only).toMatchObject({ kind: "at-least", subject: "policy[0].grants[1]", severity: "critical" });
    expect(only?.message).toMatch(
      /^push has 0 of at least 1 members, by branchward\.yaml:12: acme\/.*:main at directory and 2 more scopes$/u,
    );
  });

  it("are resolved when the last scope has none, and counted anew before", async () => {
    const [one, two] = await createScopes(2);
    for (const scope of [one, two]) await save(scope?.scopeId ?? "", [tooFew]);
    await standing();
    await save(one?.scopeId ?? "", []);
    expect((await standing())[0]?.message).not.toContain("more scope");
    await save(two?.scopeId ?? "", []);
    expect(await standing()).toEqual([]);
  });

  it("are written no more once they stand: who watches live is told of changes alone", async () => {
    const [scope] = await createScopes(1);
    const xidOf = async () => {
      await standing();
      return context.database.db.selectFrom("findings").select("xid").where("resolved_at", "is", null).execute();
    };
    await save(scope?.scopeId ?? "", [tooFew]);
    const first = await xidOf();
    await save(scope?.scopeId ?? "", [tooFew]);
    expect(await xidOf()).toEqual(first);
  });

  it("of several users under one rule are one, which counts them", async () => {
    const [scope] = await createScopes(1);
    await save(scope?.scopeId ?? "", [unknown, { ...unknown, message: "user:spectre is no user" }]);
    expect((await standing()).map(({ message }) => message)).toEqual([
      expect.stringMatching(/^user:ghost is no user \(and 1 more\), by/u),
    ]);
  });

  it("of groups that the policy names no more are over, of the others they stand", async () => {
    const { db } = context.database;
    const unbound = { kind: "group-unbound", severity: "warning", message: "no such group" } as const;
    await raiseFinding(db, { ...unbound, subject: "group:old" });
    await raiseFinding(db, { ...unbound, subject: "group:engineering" });
    await resolveUnmentioned(db, ["group:engineering"]);
    expect((await standing()).map(({ subject }) => subject)).toEqual(["group:engineering"]);
    await resolveFinding(db, "group-unbound", "group:engineering");
  });

  it("of groups are left to where groups are bound", async () => {
    const [scope] = await createScopes(1);
    await save(scope?.scopeId ?? "", [{ ...unknown, code: "group-unbound" }]);
    expect(await standing()).toEqual([]);
  });
});
