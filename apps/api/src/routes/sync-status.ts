import { problem, syncStatus, syncStatusQuery } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type StatusAnswer, type StatusDeps, waitForStatus } from "../sync-status/find-status.ts";

/** `GET /v1/sync-status`: what CI waits on. */
export function createSyncStatusRoute(deps: StatusDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/sync-status",
    summary: "Whether access to a branch is what policy says, at every endpoint",
    scope: "status",
    query: syncStatusQuery,
    responses: {
      200: { description: "in sync, or past a deadline that is neutral", body: syncStatus },
      202: { description: "pending", body: syncStatus },
      404: { description: "not known yet", body: syncStatus },
      409: { description: "failed, diverged, held, or past a deadline that is a failure", body: syncStatus },
      400: { description: "several branches match, or the query is wrong", body: problem },
    },
    async handle({ query, signal }) {
      const { wait, ...question } = query;
      const { retired, ...status } = await waitForStatus(deps, question, { waitMs: wait ?? 0, signal });
      return answer(toHttpStatus(status), {
        ...status,
        endpoints: [...status.endpoints],
        ...(retired.length > 0 && { retired: [...retired] }),
      });
    },
  });
}

function toHttpStatus({ state, conclusion }: Pick<StatusAnswer, "state" | "conclusion">): 200 | 202 | 404 | 409 {
  if (state === "unknown") return 404;
  if (conclusion === "waiting") return 202;
  return conclusion === "failure" ? 409 : 200;
}
