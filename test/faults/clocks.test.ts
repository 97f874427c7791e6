import { createQueues, openQueueBackend } from "@branchward/queue";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

describe.each(["postgres", "redis"] as const)(
  "a worker's clock that was an hour ahead, with the queue on %s",
  (backend) => {
    let stack: AsyncDisposableStack;
    beforeEach(() => (stack = new AsyncDisposableStack()));
    afterEach(() => stack.disposeAsync());

    /** Leaves what the retry of such a worker leaves: a job that is due in an hour by everybody else's clock. */
    async function putOff({ database, redis }: TestSystem, scopeId: string): Promise<void> {
      const url = redis?.url ?? database.url;
      await using opened = openQueueBackend({ kind: backend, url }, () => undefined);
      await using queues = createQueues(opened, ["directory"]);
      await queues.enqueueReconcile({ scopeId, endpoint: "directory", lane: "event", delayMs: 3_600_000 });
    }

    it("puts nothing off for that hour", async () => {
      const system = stack.use(await startTestSystem({ backend }));
      const github = createGithubRepository(system.post, "acme/clocks");
      await github.push({ branch: "main", after: makeRevision() });
      const branch = await system.branches.find({ repository: github.name, branch: "main" });
      await system.branches.settle(branch.id);
      const { pool } = system.database;
      const { rows } = await pool.query<{ id: string }>("select id from scopes where incarnation_id = $1", [branch.id]);
      const scopeId = rows[0]?.id ?? "";
      await putOff(system, scopeId);
      await pool.query(
        "update scopes set requested = requested + 1, requested_at = now() - interval '10 s' where id = $1",
        [scopeId],
      );
      await vi.waitFor(
        async () => {
          const behind = await pool.query("select from scopes where requested > reconciled");
          expect(behind.rowCount).toBe(0);
        },
        { timeout: 20_000, interval: 50 },
      );
    });
  },
);
