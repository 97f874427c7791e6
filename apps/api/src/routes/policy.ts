/** `/v1/policy`: the version in force, versions before and waiting, plans, proposals, approvals (rule B1). */
import { Readable } from "node:stream";
import {
  findSizeProblem,
  InvalidInputError,
  MAX_CONFIGURATION_BYTES,
  NotFoundError,
  parsePolicy,
  type Problem,
} from "@branchward/core";
import {
  approveVersionBody,
  idParams,
  page,
  pageQuery,
  policyBody,
  policyDetails,
  policyPlanDocument,
  policyPlanSummary,
  policyVersionDetails,
  policyVersionItem,
  problem,
  proposedVersion,
  rejectVersionBody,
} from "@branchward/core/api";
import { answer, defineRoute, HttpError, type Route } from "@branchward/runtime";
import {
  approvePolicy,
  type Database,
  findActivePolicyVersion,
  findPolicyVersion,
  listPolicyVersions,
  makePolicyPlan,
  type PolicyVersion,
  type ProposalOutcome,
  proposePolicy,
  rejectPolicy,
} from "@branchward/store";
import type { FollowUp } from "../follow-up.ts";
import { writePlanDocument } from "../policy-plan-document.ts";
import { toPage } from "./page.ts";

export interface PolicyDeps {
  readonly db: Database;
  readonly followUp: FollowUp;
  /** Names of all configured endpoints. */
  readonly endpoints: readonly string[];
}

export function createPolicyRoutes(deps: PolicyDeps): readonly Route[] {
  return [...createReadRoutes(deps.db), planRoute(deps), proposeRoute(deps), approveRoute(deps), rejectRoute(deps)];
}

function createReadRoutes(db: Database): readonly Route[] {
  return [
    defineRoute({
      method: "get",
      path: "/v1/policy",
      summary: "The policy version in force, with its text",
      scope: "read",
      responses: {
        200: { description: "the active version", body: policyDetails },
        404: { description: "none is in force yet", body: problem },
      },
      async handle() {
        const version = await findActivePolicyVersion(db);
        if (version === undefined) throw new NotFoundError("no policy version is in force yet");
        return answer(200, { ...toItem(version), text: version.text });
      },
    }),
    defineRoute({
      method: "get",
      path: "/v1/policy/versions",
      summary: "Policy versions, newest first",
      scope: "read",
      query: pageQuery,
      responses: { 200: { description: "a page", body: page(policyVersionItem) } },
      async handle({ query: { limit, cursor } }) {
        const before = cursor === undefined ? {} : { before: Number(cursor) };
        return answer(200, toPage(await listPolicyVersions(db, { limit, ...before }), limit, toItem));
      },
    }),
    defineRoute({
      method: "get",
      path: "/v1/policy/versions/:id",
      summary: "One policy version, with its text and, where it was held, its plan in numbers",
      scope: "read",
      params: idParams,
      responses: {
        200: { description: "the version", body: policyVersionDetails },
        404: { description: "there is none", body: problem },
      },
      async handle({ params: { id } }) {
        const version = await findPolicyVersion(db, id);
        if (version === undefined) throw new NotFoundError(`there is no policy version ${id}`);
        return answer(200, { ...toItem(version), text: version.text, plan: toSummary(version) });
      },
    }),
  ];
}

/**
 * A file at its limit, in JSON: escapes make two bytes of one (`\n`, `\"`), and at worst three of one where a client
 * writes in ASCII alone (six of the two of é). The rest holds the file's name.
 */
const MAX_POLICY_BODY_BYTES = 3 * MAX_CONFIGURATION_BYTES + 16_384;

/** @throws {HttpError} 413 `configuration_too_large`, as the same file on disk is refused */
function requireSize(text: string): void {
  const tooLarge = findSizeProblem(Buffer.byteLength(text));
  if (tooLarge !== undefined) throw new HttpError(413, "configuration_too_large", tooLarge);
}

function planRoute({ db, endpoints }: PolicyDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/policy/plan",
    summary: "What a policy would do to every live branch; nothing is changed",
    scope: "read",
    body: policyBody,
    maxBodyBytes: MAX_POLICY_BODY_BYTES,
    responses: {
      200: {
        description: "the plan, against the version in force",
        body: policyPlanDocument,
        contentType: "application/json",
      },
      400: { description: "the policy is broken: `errors` names every problem", body: problem },
    },
    async handle({ body: { text, file } }) {
      requireSize(text);
      const { policy, warnings } = readPolicy(text, file);
      const made = await makePolicyPlan(db, { policy, endpoints });
      return answer(200, Readable.from(writePlanDocument(made, warnings)));
    },
  });
}

/** @throws {InvalidInputError} `invalid_policy` with every problem */
function readPolicy(text: string, file: string) {
  const parsed = parsePolicy(text, file, { now: new Date() });
  if ("policy" in parsed) return parsed;
  throw brokenPolicy(parsed.problems);
}

function brokenPolicy(problems: readonly unknown[]): InvalidInputError {
  return new InvalidInputError(`the policy has ${problems.length} problem${problems.length === 1 ? "" : "s"}`, {
    code: "invalid_policy",
    details: { errors: problems },
  });
}

const outcomes = {
  200: { description: "in force, or in force already", body: proposedVersion },
  202: { description: "it waits for approval; the version in force stays", body: proposedVersion },
} as const;

function proposeRoute(deps: PolicyDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/policy/versions",
    summary: "Propose a policy version: in force at once, unless its plan needs approval",
    scope: "admin",
    body: policyBody,
    maxBodyBytes: MAX_POLICY_BODY_BYTES,
    responses: {
      ...outcomes,
      400: { description: "the policy is broken: `errors` names every problem", body: problem },
      409: { description: "other versions came in force meanwhile", body: problem },
    },
    async handle({ body, principal }) {
      requireSize(body.text);
      const author = principal?.client ?? "";
      const outcome = await proposePolicy(deps.db, deps.endpoints, { ...body, author, origin: "api" });
      if (outcome.version === undefined) throw brokenPolicy(outcome.problems);
      deps.followUp.reconcile(outcome.woken);
      return tellOutcome(outcome.state, outcome.version, outcome.warnings);
    },
  });
}

function approveRoute(deps: PolicyDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/policy/versions/:id/approve",
    summary: "Put a held version in force, by the digest of its plan as it was shown",
    scope: "admin",
    params: idParams,
    body: approveVersionBody,
    responses: {
      ...outcomes,
      403: { description: "its author does not approve it", body: problem },
      404: { description: "there is none", body: problem },
      409: { description: "it is not held, or its plan is another by now and is to be looked at again", body: problem },
    },
    async handle({ params: { id }, body: { digest }, principal }) {
      const approval = { id, digest, by: principal?.client ?? "", endpoints: deps.endpoints };
      const outcome = await approvePolicy(deps.db, approval);
      deps.followUp.reconcile(outcome.woken);
      if (outcome.version === undefined) throw new NotFoundError(`there is no policy version ${id}`);
      return tellOutcome(outcome.state, outcome.version);
    },
  });
}

function rejectRoute({ db }: PolicyDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/policy/versions/:id/reject",
    summary: "Refuse a held version: the one in force stays",
    scope: "admin",
    params: idParams,
    body: rejectVersionBody,
    responses: {
      200: { description: "refused", body: policyVersionItem },
      404: { description: "there is none", body: problem },
      409: { description: "it is not held", body: problem },
    },
    async handle({ params: { id }, body: { reason }, principal }) {
      const by = principal?.client ?? "";
      return answer(200, toItem(await rejectPolicy(db, { id, by, reason })));
    },
  });
}

function tellOutcome(state: ProposalOutcome["state"], version: PolicyVersion, warnings: readonly Problem[] = []) {
  const body = { version: toItem(version), plan: toSummary(version), warnings: [...warnings] };
  return state === "held"
    ? answer(202, { ...body, state: "held" as const })
    : answer(200, { ...body, state: state === "unchanged" ? ("unchanged" as const) : ("active" as const) });
}

/** Null for what an older program wrote in another form. */
function toSummary({ plan }: PolicyVersion) {
  return policyPlanSummary.safeParse(plan).data ?? null;
}

function toItem(version: PolicyVersion) {
  const { id, digest, file, author, origin, state, reason, planDigest, decidedBy } = version;
  const { proposedAt, activatedAt, plannedAt, decidedAt } = version;
  const told = { id, digest, file, author, origin, state, reason, planDigest, decidedBy };
  return { ...told, proposedAt, activatedAt, plannedAt, decidedAt };
}
