import { page, pageQuery, revocationItem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type Database, listRevocations } from "@branchward/store";

/** `GET /v1/revocations`: what ends ahead of everything, the outstanding first (rule C3). */
export function createRevocationRoute(db: Database): Route {
  return defineRoute({
    method: "get",
    path: "/v1/revocations",
    summary: "Revocations: the outstanding first, then the newest",
    scope: "read",
    query: pageQuery,
    responses: { 200: { description: "revocations", body: page(revocationItem) } },
    async handle({ query: { limit } }) {
      return answer(200, { items: (await listRevocations(db, limit)).map(toItem), nextCursor: null });
    },
  });
}

function toItem({ id, kind, subject, cause, requestedAt, attempts, total, outstanding, lastError, doneAt }: Row) {
  return { id, kind, subject, cause, requestedAt, attempts, total, outstanding, lastError, doneAt };
}

type Row = Awaited<ReturnType<typeof listRevocations>>[number];
