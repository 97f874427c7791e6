import { page, repositoryItem, repositoryQuery } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type Database, listRepositories, type RepositoryRow } from "@branchward/store";
import { toFilter, toPage } from "./page.ts";

/** `GET /v1/repositories` */
export function createRepositoryRoute(db: Database): Route {
  return defineRoute({
    method: "get",
    path: "/v1/repositories",
    summary: "Repositories with the sources that feed them, newest first",
    scope: "read",
    query: repositoryQuery,
    responses: { 200: { description: "a page", body: page(repositoryItem) } },
    async handle({ query: { q, ...rest } }) {
      const rows = await listRepositories(db, toFilter({ ...rest, text: q }));
      return answer(200, toPage(rows, rest.limit, toItem));
    },
  });
}

function toItem({ id, name, vcs, sources, branches, lastDeliveryAt }: RepositoryRow) {
  return { id, name, vcs, sources: [...sources], branches, lastDeliveryAt };
}
