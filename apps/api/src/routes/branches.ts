import { NotFoundError } from "@branchward/core";
import { branchDetails, branchItem, branchQuery, idParams, page, problem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  type BranchRow,
  type Database,
  findBranch,
  listBranches,
  listScopesOf,
  type ScopeState,
} from "@branchward/store";
import { toPage } from "./page.ts";

export function createBranchRoutes(db: Database): readonly Route[] {
  return [
    defineRoute({
      method: "get",
      path: "/v1/branches",
      summary: "Branches, one item per incarnation",
      scope: "read",
      query: branchQuery,
      responses: { 200: { description: "a page", body: page(branchItem) } },
      async handle({ query }) {
        const { limit, cursor, repository, branch, refType } = query;
        const rows = await listBranches(db, {
          limit,
          ...(cursor === undefined ? {} : { before: Number(cursor) }),
          ...(repository === undefined ? {} : { repository }),
          ...(branch === undefined ? {} : { name: branch }),
          ...(refType === undefined ? {} : { refType }),
        });
        return answer(200, toPage(rows, limit, toItem));
      },
    }),
    defineRoute({
      method: "get",
      path: "/v1/branches/:id",
      summary: "A branch with what each endpoint holds for it; a merged id answers with the survivor",
      scope: "read",
      params: idParams,
      responses: {
        200: { description: "the branch", body: branchDetails },
        404: { description: "no such branch", body: problem },
      },
      async handle({ params }) {
        const row = await findBranch(db, params.id);
        if (row === undefined) throw new NotFoundError(`no branch has the id ${params.id}`);
        const scopes = await listScopesOf(db, row.id);
        return answer(200, { ...toItem(row), scopes: scopes.map(toScope) });
      },
    }),
  ];
}

function toItem(row: BranchRow) {
  const { id, repository, name, refType, vcs, state, suspect, head, previousNames, bornAt, endedAt } = row;
  return {
    id,
    repository,
    name,
    refType,
    vcs,
    state,
    suspect,
    head,
    previousNames: [...previousNames],
    bornAt,
    endedAt,
  };
}

function toScope(scope: ScopeState) {
  const reached = scope.reconciled >= scope.requested && scope.verdict !== null;
  return {
    endpoint: scope.endpoint,
    verdict: reached && scope.verdict !== null ? scope.verdict : ("pending" as const),
    checkedAt: scope.verdictAt,
    dueAt: scope.dueAt,
    mismatches: [...scope.mismatches],
    sync: scope.lastSync,
  };
}
