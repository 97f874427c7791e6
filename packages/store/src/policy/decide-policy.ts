/** A person's word on a policy version that waits for approval (rules B1, C1). */
import {
  ConflictError,
  ForbiddenError,
  listGuardedLosses,
  NotFoundError,
  parsePolicy,
  type Policy,
} from "@branchward/core";
import { readClock } from "../access/access-facts.ts";
import { insertApproval } from "../scopes/approvals.ts";
import type { Database, Queryable } from "../connection/database.ts";
import { resolveFinding } from "../scopes/findings.ts";
import { withPolicyLead } from "../locks.ts";
import type { MadePolicyPlan } from "../policy-plan/make-policy-plan.ts";
import { findPolicyVersion, type PolicyVersion, rejectVersion } from "./policy-versions.ts";
import { leadVersion, type ProposalOutcome } from "./propose-policy.ts";

/** How long the plan that was shown may be approved. */
const SHOWN_FOR_MS = 24 * 3_600_000;

export interface PolicyApproval {
  readonly id: string;
  /** Of the plan as it was shown. */
  readonly digest: string;
  readonly by: string;
  readonly endpoints: readonly string[];
}

/**
 * Puts a held version in force if its plan is still the one that was shown.
 * @throws {ForbiddenError} `own_proposal` for its author
 * @throws {ConflictError} `not_held`, or `plan_changed` when its plan is another by now: the version then shows that one
 */
export async function approvePolicy(db: Database, approval: PolicyApproval): Promise<ProposalOutcome> {
  const { id, digest, by, endpoints } = approval;
  return withPolicyLead(db, async () => {
    const version = await getHeldVersion(db, id);
    if (version.origin === "api" && version.author === by) {
      throw new ForbiddenError("a policy version is not approved by its author", { code: "own_proposal" });
    }
    const now = await readClock(db);
    const isShown = version.plannedAt !== null && now.getTime() - version.plannedAt.getTime() < SHOWN_FOR_MS;
    const shown = isShown && version.planDigest === digest ? digest : "";
    return leadVersion(db, {
      id: version.id,
      policy: parseStored(version),
      endpoints,
      decide: { digest: shown, by, onActivate: (trx, made) => recordApproval(trx, { ...approval, made }) },
    });
  });
}

/** What was approved, guards let go: whatever these users hold through these references. */
async function recordApproval(
  trx: Queryable,
  { id, digest, by, made }: PolicyApproval & { readonly made: MadePolicyPlan },
): Promise<void> {
  const removals = listGuardedLosses(made.plan).map((loss) => ({ ...loss, scopeId: null }));
  await insertApproval(trx, { kind: "policy", subject: id, digest, approvedBy: by, removals });
}

/** Refuses a held version: the one in force stays. @throws {ConflictError} `not_held` */
export async function rejectPolicy(
  db: Database,
  { id, by, reason }: { readonly id: string; readonly by: string; readonly reason: string },
): Promise<PolicyVersion> {
  return withPolicyLead(db, async () => {
    const { file } = await getHeldVersion(db, id);
    await db.transaction().execute(async (trx) => {
      await rejectVersion(trx, id, { by, reason });
      await resolveFinding(trx, "policy-held", file);
    });
    return getVersion(db, id);
  });
}

async function getVersion(db: Database, id: string): Promise<PolicyVersion> {
  const version = await findPolicyVersion(db, id);
  if (version === undefined) throw new NotFoundError(`there is no policy version ${id}`, { code: "unknown_version" });
  return version;
}

async function getHeldVersion(db: Database, id: string): Promise<PolicyVersion> {
  const version = await getVersion(db, id);
  if (version.state === "held") return version;
  throw new ConflictError(`the policy version waits for no approval: it is ${version.state}`, { code: "not_held" });
}

function parseStored({ text, file }: PolicyVersion): Policy {
  const parsed = parsePolicy(text, file, { isStored: true });
  if ("policy" in parsed) return parsed.policy;
  throw new ConflictError("this program can no longer read the version; propose it again", { code: "not_held" });
}
