import { InvalidInputError, NotFoundError, policyReferences } from "@branchward/core";
import { bindingBody, bindingItem, problem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  type ActivePolicy,
  bindReference,
  type Database,
  findGroup,
  listLiveBranches,
  listPolicyBindings,
  requestScopesOf,
} from "@branchward/store";
import { z } from "zod";
import type { FollowUp } from "../follow-up.ts";

export interface BindingDeps {
  readonly db: Database;
  readonly followUp: FollowUp;
  readonly activePolicy: ActivePolicy;
}

export function createBindingRoutes(deps: BindingDeps): readonly Route[] {
  return [listRoute(deps), bindRoute(deps)];
}

function listRoute({ db, activePolicy }: BindingDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/policy/bindings",
    summary: "Which directory group each group of the policy means",
    scope: "read",
    responses: { 200: { description: "all references", body: z.object({ items: z.array(bindingItem) }) } },
    async handle() {
      const active = await activePolicy.find(db);
      const references = active === undefined ? [] : policyReferences(active.policy).groups;
      return answer(200, { items: [...(await listPolicyBindings(db, references))] });
    },
  });
}

function bindRoute({ db, followUp, activePolicy }: BindingDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/policy/bindings",
    summary: "Bind a group of the policy to a directory group by its id",
    scope: "admin",
    body: bindingBody,
    responses: {
      200: { description: "bound; every live branch is looked at again", body: bindingItem },
      400: { description: "the policy names no such group", body: problem },
      404: { description: "the directory has no such group", body: problem },
    },
    async handle({ body: { reference, groupId } }) {
      const active = await activePolicy.find(db);
      if (active === undefined || !policyReferences(active.policy).groups.includes(reference)) {
        throw new InvalidInputError(`the policy in force names no ${reference}`, { code: "unknown_reference" });
      }
      const group = await findGroup(db, groupId);
      if (group === undefined || group.kind !== "provisioned") {
        throw new NotFoundError(`the directory has no provisioned group ${groupId}`, { code: "unknown_group" });
      }
      const scopes = await db.transaction().execute(async (trx) => {
        await bindReference(trx, reference, groupId);
        const branches = await listLiveBranches(trx);
        return requestScopesOf(trx, new Map(branches.map((branch) => [branch.id, "directory"])));
      });
      followUp.reconcile(scopes);
      return answer(200, { reference, groupId, displayName: group.displayName, state: "bound" as const });
    },
  });
}
