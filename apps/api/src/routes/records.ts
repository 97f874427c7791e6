import { findingItem, page, pageQuery } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type Database, listFindings } from "@branchward/store";

export function createRecordRoutes(db: Database): readonly Route[] {
  return [
    defineRoute({
      method: "get",
      path: "/v1/findings",
      summary: "What stands and wants a look, the gravest first",
      scope: "read",
      query: pageQuery,
      responses: { 200: { description: "open findings", body: page(findingItem) } },
      async handle({ query: { limit } }) {
        return answer(200, { items: [...(await listFindings(db, limit))], nextCursor: null });
      },
    }),
  ];
}
