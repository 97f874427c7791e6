import {
  type AccessQuestion,
  type Entitlement,
  explainAccess,
  ForbiddenError,
  type RefType,
  tellDenial,
  UnavailableError,
} from "@branchward/core";
import { accessDecisions, accessDecisionsBody } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  type ActorResolution,
  type AskedBranches,
  type Database,
  findAgentById,
  findAskedBranches,
  type IdentitySource,
  loadUserAccessFacts,
  NO_BRANCH_FACTS,
  noteActor,
  resolveActor,
  type UserAccessFacts,
  type UserBranchFacts,
} from "@branchward/store";
import type { AccessDeps } from "./access.ts";

export interface DecisionDeps extends AccessDeps {
  /** The configured ones: each says whom its actors are (rule B5). */
  readonly sources: readonly IdentitySource[];
}

/** `POST /v1/access/decisions`: what hooks in Git and Mercurial servers ask, once for each push. */
export function createDecisionRoute({ db, activePolicy, sources }: DecisionDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/access/decisions",
    summary: "May this user push that: a decision for each change of a push",
    scope: "agent",
    body: accessDecisionsBody,
    responses: { 200: { description: "a decision for each change, in their order", body: accessDecisions } },
    async handle({ body: { user, changes, ...origin }, principal }) {
      const tokenId = principal?.tokenId ?? null;
      const source = sources.find(({ name }) => name === origin.source);
      const [active, branches, pusher, device] = await Promise.all([
        activePolicy.find(db),
        findAskedBranches(db, { ...origin, branches: changes }),
        resolvePusher(db, source, user),
        tokenId === null ? undefined : findAgentById(db, tokenId),
      ]);
      if (device !== undefined) {
        throw new ForbiddenError("a device's token asks about nobody: make one for the server", {
          code: "device_token",
        });
      }
      if (active === undefined) throw new UnavailableError("no policy version is in force yet");
      const incarnationIds = changes.flatMap(({ refType, branch }) => branches.find(refType, branch)?.id ?? []);
      const { userName } = pusher;
      const facts = await loadUserAccessFacts(db, { policy: active.policy, userName, incarnationIds });
      const decisions = changes.map((change) => decide(facts, branches, { ...change, user }));
      return answer(200, { allowed: decisions.every(({ allowed }) => allowed), decisions });
    },
  });
}

/**
 * Whom the server's name for a pusher means: as for every actor of its source, and nobody for a source that is not
 * configured (rule B5). Somebody unresolved stands as a finding: a push that is denied tells of itself nowhere else.
 */
async function resolvePusher(
  db: Database,
  source: IdentitySource | undefined,
  pusher: string | null,
): Promise<Pick<ActorResolution, "userName">> {
  if (source === undefined || pusher === null) return { userName: null };
  const actor = { key: pusher, email: pusher.includes("@") ? pusher : null };
  const resolution = await resolveActor(db, { source, actor });
  if (resolution.userId === null) await noteActor(db, { source: source.name, actor: pusher, resolution });
  return resolution;
}

interface Change {
  readonly branch: string;
  readonly refType: RefType;
  readonly entitlement: string;
  readonly user: string | null;
}

function decide(facts: UserAccessFacts, branches: AskedBranches, { user, branch, refType, entitlement }: Change) {
  const { allowed, governed, reasons } = explainAccess({
    ...facts,
    ...toBranchFacts(facts, branches, { branch, refType, entitlement }),
    repository: { name: branches.repository },
    userId: facts.user?.id ?? null,
    entitlement,
  });
  const change = { userName: facts.user?.userName ?? user, repository: branches.repository, branch, refType };
  const message = allowed ? [] : [...tellDenial(facts.policy, { ...change, entitlement }, reasons)];
  return { branch, refType, entitlement, allowed, governed, message };
}

/**
 * The push decides what becomes of the branch, so that a branch not known yet, or closed, counts as active. What is
 * created inherits nothing of what had its name before but a pending rename's narrower names.
 */
function toBranchFacts(
  facts: UserAccessFacts,
  branches: AskedBranches,
  { branch, refType, entitlement }: Omit<Change, "user">,
): Pick<AccessQuestion, "incarnation" | keyof Omit<UserBranchFacts, "strictNames">> {
  const known = branches.find(refType, branch);
  const { strictNames, ...held } = known === undefined ? NO_BRANCH_FACTS : facts.findBranch(known.id);
  const { strictNames: _, ...nothing } = NO_BRANCH_FACTS;
  return {
    incarnation: { refType, state: "active", names: [branch, ...strictNames] },
    ...(entitlement === CREATE ? nothing : held),
  };
}

const CREATE: Entitlement = "create";
