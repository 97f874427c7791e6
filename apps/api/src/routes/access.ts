import { explainAccess, UnavailableError, type UserId } from "@branchward/core";
import { access, accessQuery, problem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  type ActivePolicy,
  type ActivePolicyVersion,
  type BranchRow,
  type Database,
  loadUserAccessFacts,
} from "@branchward/store";
import { describeState } from "../access/describe-state.ts";
import { explainAt } from "../access/explain-at.ts";
import { type BranchQuestion, getBranchNamed } from "../branch-question.ts";

export interface AccessDeps {
  readonly db: Database;
  readonly activePolicy: ActivePolicy;
}

/** `GET /v1/access`: may this user do that on this branch, and why. */
export function createAccessRoute({ db, activePolicy }: AccessDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/access",
    summary: "May this user do that, and why",
    scope: "read",
    query: accessQuery,
    responses: {
      200: { description: "the decision with every rule considered", body: access },
      400: { description: "several branches match, or `at` lies in the future", body: problem },
      404: { description: "no such branch; with `at`: no such branch or no policy then", body: problem },
    },
    async handle({ query }) {
      const { user: userName, entitlement, at } = query;
      if (at !== undefined) return answer(200, await explainAt(db, { ...query, at: new Date(at) }));
      const { branch, active, facts } = await loadQuestion({ db, activePolicy }, query);
      const { user, findBranch } = facts;
      const { strictNames, ...branchFacts } = findBranch(branch.id);
      const { allowed, governed, reasons } = explainAccess({
        ...facts,
        ...branchFacts,
        repository: { name: branch.repository },
        incarnation: { refType: branch.refType, state: branch.state, names: [branch.name, ...strictNames] },
        userId: user?.id ?? null,
        entitlement,
      });
      const shown = {
        user: user?.userName ?? userName,
        entitlement,
        repository: branch.repository,
        branch: branch.name,
      };
      const copied = reasons.map((reason) => ({ ...reason, path: [...reason.path] }));
      // What a checkout gives ends; of what is denied all the same nothing is given.
      const given = allowed ? reasons.filter(({ until }) => until instanceof Date) : [];
      const giving = new Set(given.flatMap(({ rule }) => (rule === null ? [] : [rule])));
      const details = { entitlement, policy: active, branch, userId: user?.id ?? null, at: facts.now, giving };
      const state = query.details === "true" ? await describeNow(db, details) : {};
      return answer(200, { allowed, governed, ...shown, ...state, reasons: copied });
    },
  });
}

interface Details {
  readonly entitlement: string;
  readonly policy: ActivePolicyVersion;
  readonly branch: BranchRow;
  readonly userId: UserId | null;
  readonly at: Date;
  readonly giving: ReadonlySet<string>;
}

async function describeNow(db: Database, { policy: active, branch, ...question }: Details) {
  const { id: incarnation } = branch;
  const { policy, version: policyVersion } = active;
  const { checkouts, endpoints } = await describeState(db, { ...question, policy, branch, incarnationId: incarnation });
  return { policyVersion, incarnation, checkouts, endpoints };
}

interface AccessQuestion extends BranchQuestion {
  readonly user: string;
}

/** All as of one moment: a user deactivated, or a branch renamed, between two reads would decide what never was so. */
function loadQuestion({ db, activePolicy }: AccessDeps, question: AccessQuestion) {
  return db
    .transaction()
    .setIsolationLevel("repeatable read")
    .setAccessMode("read only")
    .execute(async (trx) => {
      const branch = await getBranchNamed(trx, question);
      const active = await activePolicy.find(trx);
      if (active === undefined) throw new UnavailableError("no policy version is in force yet");
      const { policy } = active;
      const facts = await loadUserAccessFacts(trx, {
        policy,
        userName: question.user,
        incarnationIds: [branch.id],
      });
      return { branch, active, facts };
    });
}
