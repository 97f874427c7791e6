/** What an explanation says beside its reasons: the user's working copies on the branch, and how each endpoint stands. */
import { decidingVerb, type Entitlement, listMatchingRules, type Policy, type UserId } from "@branchward/core";
import {
  type Database,
  type Holding,
  listEndpointsAt,
  listHoldingsAt,
  listStaysAt,
  type StayThen,
} from "@branchward/store";

export interface StateQuestion {
  readonly policy: Policy;
  readonly branch: { readonly repository: string; readonly name: string };
  readonly incarnationId: string;
  readonly entitlement: Entitlement;
  /** Null for somebody whom the directory does not know. */
  readonly userId: UserId | null;
  readonly at: Date;
  /** The rules by which the user gets it; left out, those by which the ledger says it was held. */
  readonly giving?: ReadonlySet<string>;
}

/** By the record, at that moment; nothing of it is asked of an endpoint. */
export async function describeState(db: Database, question: StateQuestion) {
  const { policy, branch, incarnationId, entitlement, userId, at } = question;
  const verb = decidingVerb(policy, branch, entitlement);
  const held = { incarnationId, userId, at, entitlement: "governedBy" in verb ? verb.governedBy : entitlement };
  const endpoints = await listEndpointsAt(db, held);
  const holdings = userId === null ? [] : await listHoldingsAt(db, { ...held, userId });
  const stays = userId === null ? [] : await listStaysAt(db, { incarnationId, userId, at });
  const giving = question.giving ?? new Set(holdings.flatMap(({ reasons }) => reasons.map(({ rule }) => rule)));
  const lasting = listLasting({ policy, branch, giving }, held.entitlement);
  return {
    holdings,
    checkouts: stays.map((stay) => ({ ...stay, until: untilOf(stay, lasting) })),
    endpoints: endpoints.map((endpoint) => ({
      ...endpoint,
      verifiedAgeMs: endpoint.verifiedAt === null ? null : Math.max(0, at.getTime() - endpoint.verifiedAt.getTime()),
      held: toHeld(holdings.find((each) => each.endpoint === endpoint.endpoint)),
    })),
  };
}

type Lasting = readonly { readonly forMs: number; readonly requireTrust: string }[];

/** How long checkouts give the verb here, by each rule that gives it to the user. */
function listLasting(
  { policy, branch, giving }: Required<Pick<StateQuestion, "policy" | "branch" | "giving">>,
  verb: Entitlement,
): Lasting {
  return listMatchingRules(policy, branch).flatMap(({ grants }) =>
    grants.flatMap(({ rule, entitlement, checkout }) =>
      entitlement === verb && checkout !== null && giving.has(rule) ? [checkout] : [],
    ),
  );
}

function untilOf({ startedAt, trust }: StayThen, lasting: Lasting): Date | null {
  const lengths = lasting
    .filter(({ requireTrust }) => requireTrust === "claim" || trust === "token")
    .map(({ forMs }) => forMs);
  return lengths.length === 0 ? null : new Date(startedAt.getTime() + Math.max(...lengths));
}

function toHeld(holding: Holding | undefined) {
  if (holding === undefined) return null;
  const { endpoint: _endpoint, reasons, ...rest } = holding;
  return {
    ...rest,
    reasons: reasons.map(({ rule, file, line, reference, path, kind }) => {
      return { rule, file, line, reference, path: [...path], kind };
    }),
  };
}
