import { listFindings, requestRevocations } from "@branchward/store";
import { insertUser } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lastTry, openTestScope, type TestScope } from "../reconcile/testing.ts";
import { createRevokeAccess } from "./revoke-access.ts";

describe("a revocation that an endpoint fails (rule C3)", () => {
  const context: { scope: TestScope } = {} as never;
  let onCall: () => Promise<unknown> = async () => undefined;

  beforeEach(async () => {
    onCall = async () => undefined;
    context.scope = await openTestScope({
      to: "user:alice",
      prepare: async ({ db }) => void (await insertUser(db, "alice")),
      async answer() {
        await onCall();
        return { status: 500, headers: {}, body: undefined };
      },
    });
    const { db } = context.scope.database;
    await requestRevocations(db, [{ kind: "scope", id: context.scope.scopeId, cause: "expired" }]);
  });
  afterEach(() => context.scope[Symbol.asyncDispose]());

  async function revoke(): Promise<readonly string[]> {
    const { deps, scopeId, database } = context.scope;
    await createRevokeAccess(deps)({ v: 1, kind: "scope", id: scopeId }, lastTry);
    return (await listFindings(database.db, 10)).map(({ kind }) => kind);
  }

  it("stands as a finding", async () => {
    expect(await revoke()).toContain("revocation-outstanding");
  });

  it("is no finding of a run that another has overtaken, which ended it", async () => {
    onCall = () => context.scope.database.pool.query("update revocations set done_at = now()");
    expect(await revoke()).not.toContain("revocation-outstanding");
  });
});
