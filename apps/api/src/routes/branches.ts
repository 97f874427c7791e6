import { NotFoundError } from "@branchward/core";
import { branchDetails, branchItem, branchQuery, idParams, page, problem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { findBranch, listBranches } from "@branchward/store";
import { type BranchDetailDeps, findBranchDetails } from "../branch-details.ts";
import { toBranchItem } from "../items.ts";
import { toFilter, toPage } from "./page.ts";

export function createBranchRoutes(deps: BranchDetailDeps): readonly Route[] {
  return [
    defineRoute({
      method: "get",
      path: "/v1/branches",
      summary: "Branches, one item per incarnation",
      scope: "read",
      query: branchQuery,
      responses: { 200: { description: "a page", body: page(branchItem) } },
      async handle({ query: { branch, q, ...rest } }) {
        const rows = await listBranches(deps.db, toFilter({ ...rest, name: branch, text: q }));
        return answer(200, toPage(rows, rest.limit, toBranchItem));
      },
    }),
    defineRoute({
      method: "get",
      path: "/v1/branches/:id",
      summary: "A branch, its lives, who may do what and why; a merged id answers with the survivor",
      scope: "read",
      params: idParams,
      responses: {
        200: { description: "the branch", body: branchDetails },
        404: { description: "no such branch", body: problem },
      },
      async handle({ params }) {
        const branch = await findBranch(deps.db, params.id);
        if (branch === undefined) throw new NotFoundError(`no branch has the id ${params.id}`);
        return answer(200, await findBranchDetails(deps, branch));
      },
    }),
  ];
}
