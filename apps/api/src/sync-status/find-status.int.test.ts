import type { ReconcileRequest } from "@branchward/queue";
import { createLogger } from "@branchward/runtime";
import { createActivePolicy, openNotifications, requestBranches } from "@branchward/store";
import { insertBranch, openTestDatabase } from "@branchward/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type StatusDeps, waitForStatus } from "./find-status.ts";

describe("a question that finds a scope pending", () => {
  const stack = new AsyncDisposableStack();
  const asked: ReconcileRequest[] = [];
  const context: { deps: StatusDeps; scopeId: string; repository: string } = {} as never;

  beforeAll(async () => {
    const database = stack.use(await openTestDatabase());
    const incarnationId = await insertBranch(database.db, "dev/busy");
    const request = { incarnationId, reason: "push", isPlainPush: true, endpoints: ["hg"], heads: [] };
    const [scope] = await requestBranches(database.db, [request]);
    const row = await database.db
      .selectFrom("incarnations")
      .innerJoin("repositories", "repositories.id", "repository_id")
      .select("repositories.name")
      .where("incarnations.id", "=", incarnationId)
      .executeTakeFirstOrThrow();
    const deps: StatusDeps = {
      db: database.db,
      activePolicy: createActivePolicy(),
      notifications: stack.use(await openNotifications(database.url, () => undefined)),
      endpoints: new Map([["hg", "required"]]),
      askable: [],
      ci: { deadlineMs: 60_000, onDeadline: { default: "neutral", byEntitlement: {} }, unverifiable: "degraded" },
      queues: { enqueueReconcile: async (one) => void asked.push(one), enqueueBackfill: () => Promise.resolve() },
      log: createLogger({ level: "silent" }),
    };
    Object.assign(context, { deps, scopeId: scope?.id ?? "", repository: row.name });
  });
  afterAll(() => stack.disposeAsync());

  it("has it looked at ahead of what nobody waits for, once, however long it waits", async () => {
    const question = { repository: context.repository, branch: "dev/busy" };
    const answer = await waitForStatus(context.deps, question, { waitMs: 1_500, signal: new AbortController().signal });
    expect(answer.state).toBe("pending");
    expect(asked).toEqual([{ scopeId: context.scopeId, endpoint: "hg", lane: "ci" }]);
  });
});
