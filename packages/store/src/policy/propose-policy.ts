/**
 * From a proposed policy to a version in force, held or rejected (rule B1). One process at a time leads a version
 * through its plan; the plan is made outside the transaction that puts the version in force.
 */
import { ConflictError, parsePolicy, type Policy, policyReferences, type Problem } from "@branchward/core";
import type { Database, Queryable } from "../connection/database.ts";
import { raiseFinding, resolveFinding, resolveOtherFindings } from "../scopes/findings.ts";
import { lockPolicy, withPolicyLead } from "../locks.ts";
import { notify } from "../connection/notifications.ts";
import { readClock } from "../access/access-facts.ts";
import { bindReferences } from "./policy-bindings.ts";
import { digestPolicy, type MadePolicyPlan, makePolicyPlan } from "../policy-plan/make-policy-plan.ts";
import { summarizePlan } from "../policy-plan/summarize-plan.ts";
import { wakePlanned } from "../policy-plan/wake-planned.ts";
import {
  activateVersion,
  findActivePolicyVersionId,
  findLastProposal,
  findPolicyVersion,
  holdVersion,
  insertProposedVersion,
  insertRejectedVersion,
  insertReturnedVersion,
  type PolicyVersion,
  withdrawProposals,
} from "./policy-versions.ts";
import type { RequestedScope } from "../scopes/scopes.ts";

export interface ProposedPolicy {
  /** The whole configuration file. */
  readonly text: string;
  /** Its name, as rules cite it. */
  readonly file: string;
  readonly author: string;
  readonly origin: PolicyVersion["origin"];
}

export interface ProposalOutcome {
  /** `unchanged`: it is in force already, or the file said it before and it was decided. */
  readonly state: "active" | "held" | "rejected" | "unchanged";
  /** The version that it became, or is; undefined for what could not be read. */
  readonly version: PolicyVersion | undefined;
  readonly problems: readonly Problem[];
  /** Scopes to be enqueued. */
  readonly woken: readonly RequestedScope[];
}

/** What became of a text that was proposed. */
export interface Proposal extends ProposalOutcome {
  /** What it says that can have no effect; the version counts all the same. */
  readonly warnings: readonly Problem[];
}

const quiet = { problems: [], woken: [] } as const;

/** Proposes a policy: plans it against the version in force, and activates it unless it needs approval. */
export async function proposePolicy(
  db: Database,
  endpoints: readonly string[],
  proposed: ProposedPolicy,
): Promise<Proposal> {
  const parsed = parsePolicy(proposed.text, proposed.file, { now: await readClock(db) });
  const outcome = await withPolicyLead(db, async (): Promise<ProposalOutcome> => {
    if ("problems" in parsed) return reject(db, proposed, parsed.problems);
    await resolveFinding(db, "policy-broken", proposed.file);
    if (proposed.origin === "file") await noteWarnings(db, proposed.file, parsed.warnings);
    const { policy } = parsed;
    const digest = digestPolicy(policy);
    const known = await findKnown(db, proposed, digest);
    if (known !== undefined) return { state: "unchanged", version: known, ...quiet };
    const id = await insertProposedVersion(db, { ...proposed, digest });
    return leadVersion(db, { id, policy, endpoints, decide: "by-plan" });
  });
  return { ...outcome, warnings: "problems" in parsed ? [] : parsed.warnings };
}

/** What the file says that can have no effect stands as a finding, for who writes it may never run `branchward check`. */
async function noteWarnings(db: Database, file: string, warnings: readonly Problem[]): Promise<void> {
  if (warnings.length === 0) return resolveFinding(db, "policy-warning", file);
  await raiseFinding(db, {
    kind: "policy-warning",
    subject: file,
    severity: "warning",
    message: `${tellProblems(warnings)}. branchward check tells each`,
  });
}

/** The version in force where it is the same, or what the file proposed when it last said something else. */
async function findKnown(db: Database, proposed: ProposedPolicy, digest: string): Promise<PolicyVersion | undefined> {
  const { origin, file } = proposed;
  const activeId = await findActivePolicyVersionId(db);
  const active = activeId === undefined ? undefined : await findPolicyVersion(db, activeId);
  const last = origin === "file" ? await findLastProposal(db, file, "readable") : undefined;
  if (last?.digest === digest && last.state !== "proposed") return last;
  if (active?.digest !== digest) return undefined;
  if (origin === "file") await noteReturn(db, { ...proposed, digest });
  return active;
}

/** The file says again what is in force: what it said before waits no more, and would be news if it came back. */
async function noteReturn(db: Database, returned: ProposedPolicy & { readonly digest: string }): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const isWithdrawn = await withdrawProposals(trx, returned.file);
    if (isWithdrawn) await resolveFinding(trx, "policy-held", returned.file);
    await insertReturnedVersion(trx, returned);
  });
}

/** What cannot be read leaves the version in force as it is. */
async function reject(db: Database, proposed: ProposedPolicy, problems: readonly Problem[]): Promise<ProposalOutcome> {
  const reason = tellProblems(problems);
  if (proposed.origin === "api") return { ...quiet, state: "rejected", version: undefined, problems };
  await raiseFinding(db, {
    kind: "policy-broken",
    subject: proposed.file,
    severity: "critical",
    message: `${reason}; the policy version in force stays. Mend the file: branchward check names every problem`,
  });
  const last = await findLastProposal(db, proposed.file, "any");
  if (last?.text === proposed.text) return { ...quiet, state: "rejected", version: last, problems };
  const id = await insertRejectedVersion(db, { ...proposed, reason });
  return { ...quiet, state: "rejected", version: await findPolicyVersion(db, id), problems };
}

function tellProblems([first, ...more]: readonly Problem[]): string {
  if (first === undefined) return "the policy is broken";
  const rest = more.length === 0 ? "" : `, and ${more.length} more`;
  return `${first.file}:${first.line} ${first.path === "" ? "" : `${first.path}: `}${first.message}${rest}`;
}

export interface LedVersion {
  readonly id: PolicyVersion["id"];
  readonly policy: Policy;
  readonly endpoints: readonly string[];
  /** `by-plan`: held where the plan asks for it; an approval: in force whatever the plan says, if it is still this one. */
  readonly decide:
    | "by-plan"
    | { readonly digest: string; readonly by: string; onActivate(trx: Queryable, made: MadePolicyPlan): Promise<void> };
}

/** Findings about references of the policy in force. */
const GROUP_FINDINGS = ["group-unbound", "group-lost", "group-renamed"];

/** How often a version is planned anew because another came in force meanwhile. */
const MAX_PLANS = 3;

/** Plans a recorded version and puts it in force or holds it. Needs the lead of `withPolicyLead`. */
export async function leadVersion(db: Database, led: LedVersion): Promise<ProposalOutcome> {
  for (let attempt = 1; attempt <= MAX_PLANS; attempt += 1) {
    const made = await makePolicyPlan(db, led);
    const outcome = await decideVersion(db, led, made);
    if (outcome !== undefined) return outcome;
  }
  throw new ConflictError("other policy versions came in force while this one was planned; propose it again", {
    code: "policy_moved",
  });
}

async function decideVersion(
  db: Database,
  led: LedVersion,
  made: MadePolicyPlan,
): Promise<ProposalOutcome | undefined> {
  const { id, decide } = led;
  const isMoved = decide !== "by-plan" && decide.digest !== made.digest;
  if (isMoved || (decide === "by-plan" && made.plan.holds.length > 0)) {
    await hold(db, id, made);
    if (isMoved) {
      throw new ConflictError("the plan is no longer the one that was shown; look at it again", {
        code: "plan_changed",
      });
    }
    return { ...quiet, state: "held", version: await findPolicyVersion(db, id) };
  }
  const woken = await db.transaction().execute((trx) => activate(trx, led, made));
  return woken && { state: "active", version: await findPolicyVersion(db, id), problems: [], woken };
}

async function hold(db: Database, id: PolicyVersion["id"], made: MadePolicyPlan): Promise<void> {
  const { plan, digest } = made;
  const [first] = plan.holds;
  const more = plan.holds.length > 1 ? `; and ${plan.holds.length - 1} more` : "";
  const reason = `${first?.message ?? "its plan changed"}${more}`;
  await db.transaction().execute(async (trx) => {
    await holdVersion(trx, id, { reason, plan: summarizePlan(made), digest });
    const version = await findPolicyVersion(trx, id);
    const subject = version?.file ?? id;
    await resolveOtherFindings(trx, "policy-held", [subject]);
    await raiseFinding(trx, {
      kind: "policy-held",
      subject,
      severity: "critical",
      message: `a proposed policy waits for approval: ${reason}. The version in force stays. Look at it with branchward plan show ${id}, then branchward plan approve ${id}, or plan reject; or change the file`,
    });
  });
}

/** @returns the scopes woken; undefined when another version came in force since the plan was made. */
async function activate(
  trx: Queryable,
  { id, policy, endpoints, decide }: LedVersion,
  made: MadePolicyPlan,
): Promise<readonly RequestedScope[] | undefined> {
  await lockPolicy(trx);
  if ((await findActivePolicyVersionId(trx)) !== made.base?.id) return undefined;
  await activateVersion(trx, id, decide === "by-plan" ? null : decide.by);
  const { groups } = policyReferences(policy);
  await bindReferences(trx, groups);
  // What is wrong with a group that policy names no more is nobody's matter; the fix that such a finding names is done.
  for (const kind of GROUP_FINDINGS) await resolveOtherFindings(trx, kind, groups);
  if (decide !== "by-plan") await decide.onActivate(trx, made);
  await resolveOtherFindings(trx, "policy-held", []);
  const woken = await wakePlanned(trx, { policy, endpoints }, made);
  await notify(trx, "registry", "");
  return woken;
}
