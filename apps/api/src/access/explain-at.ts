/** `GET /v1/access?at=`: the answer as it was, from policy versions, the registry's past and the ledger. */
import { explainPast, InvalidInputError, NotFoundError, parsePolicy, type Policy } from "@branchward/core";
import {
  type BranchThen,
  type Database,
  findPolicyVersionAt,
  findUserIdAt,
  getLedgerStart,
  listBranchesAt,
  type PolicyVersion,
  readClock,
  wasActiveAt,
} from "@branchward/store";
import type { BranchQuestion } from "../branch-question.ts";
import { describeState } from "./describe-state.ts";

export interface PastAccessQuestion extends BranchQuestion {
  readonly user: string;
  readonly entitlement: string;
  readonly at: Date;
}

/**
 * @throws {InvalidInputError} `future`, `ambiguous_branch` or `ambiguous_repository`
 * @throws {NotFoundError} `unknown_branch` or `no_policy` when nothing is known of them at that moment
 */
export async function explainAt(db: Database, question: PastAccessQuestion) {
  const { user: userName, entitlement, at } = question;
  if (at > (await readClock(db))) throw new InvalidInputError("at lies in the future", { code: "future" });
  const then = await getBranchAt(db, question);
  const version = await findPolicyVersionAt(db, at);
  if (version === undefined) throw new NotFoundError("no policy version was in force then", { code: "no_policy" });
  const userId = (await findUserIdAt(db, userName, at)) ?? null;
  const policy = parseStored(version);
  const branch = { repository: then.branch.repository, name: then.name };
  const { holdings, checkouts, endpoints } = await describeState(db, {
    policy,
    branch,
    incarnationId: then.branch.id,
    entitlement,
    userId,
    at,
  });
  const { allowed, governed, reasons } = explainPast({
    policy,
    branch,
    entitlement,
    userName,
    user: userId === null ? null : { wasActive: await wasActiveAt(db, userId, at) },
    holdings,
    withheld: endpoints.map(({ endpoint, withheld, notAdded }) => ({ endpoint, isKept: withheld, notAdded })),
    at,
    ledgerStart: await getLedgerStart(db),
  });
  const asked = { user: userName, entitlement, repository: branch.repository, branch: branch.name, at };
  const copied = reasons.map((reason) => ({ ...reason, path: [...reason.path] }));
  const record = { policyVersion: version.id, incarnation: then.branch.id, checkouts, endpoints };
  return { allowed, governed, ...asked, ...record, reasons: copied };
}

async function getBranchAt(db: Database, question: PastAccessQuestion): Promise<BranchThen> {
  const { repository, branch, at } = question;
  const found = await listBranchesAt(db, question);
  const [first, second] = found;
  if (first === undefined) {
    throw new NotFoundError(`${repository} had no branch ${branch} at ${at.toISOString()} that we know of`, {
      code: "unknown_branch",
    });
  }
  if (second === undefined) return first;
  const isSameType = found.every((each) => each.branch.refType === first.branch.refType);
  throw new InvalidInputError(
    isSameType ? `several repositories are named ${repository}` : `${branch} was several things; add refType`,
    { code: isSameType ? "ambiguous_repository" : "ambiguous_branch" },
  );
}

function parseStored({ text, file, id }: PolicyVersion): Policy {
  const parsed = parsePolicy(text, file, { isStored: true });
  if ("policy" in parsed) return parsed.policy;
  throw new InvalidInputError(`this program can no longer read the policy version ${id}`, { code: "old_version" });
}
