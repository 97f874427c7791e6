/** What a group of the policy that is renamed or deleted is worth to a person: a finding with its impact (rule B4). */
import { foldDisplayName, parsePrincipal, type Policy, type Principal } from "@branchward/core";
import {
  describeScopes,
  listReferencesBoundTo,
  listUsersById,
  noteLostGroup,
  type Queryable,
  raiseFinding,
  type RecordedChange,
  resolveFinding,
  resolveReferences,
} from "@branchward/store";
import { listScopesNaming } from "./affected-scopes.ts";

/** Of rules, branches and members, the others are counted. */
const MAX_NAMED = 3;

/** The binding stays with the group's id, whatever it is called, and while it is gone. */
export async function raiseGroupFindings(
  trx: Queryable,
  policy: Policy | undefined,
  change: RecordedChange,
): Promise<void> {
  if (change.kind !== "group.deleted" && change.kind !== "group.renamed") return;
  for (const reference of await listReferencesBoundTo(trx, change.resourceId)) {
    const impact = policy === undefined ? "" : await tellImpact(trx, policy, reference);
    if (change.kind === "group.deleted") await noteLostGroup(trx, reference, impact);
    else if ("from" in change.details) await noteRenamedGroup(trx, { reference, ...change.details, impact });
  }
}

interface Renamed {
  readonly reference: string;
  readonly from: string;
  readonly to: string;
  readonly impact: string;
}

async function noteRenamedGroup(trx: Queryable, { reference, from, to, impact }: Renamed): Promise<void> {
  const principal = parsePrincipal(reference);
  const isAsWritten = principal?.kind === "group" && foldDisplayName(principal.name) === foldDisplayName(to);
  if (isAsWritten) return resolveFinding(trx, "group-renamed", reference);
  await raiseFinding(trx, {
    kind: "group-renamed",
    subject: reference,
    severity: "warning",
    message: `its group was renamed from ${from} to ${to}; the policy still means this group${impact}. Write the new name in the policy, or bind another group: branchward groups bind ${reference} ID`,
  });
}

/** `: policy[0].grants[0] (branchward.yaml:9) grants push; 2 scopes of 1 branch (acme/web:release/1); 1 member (alice)`. */
async function tellImpact(trx: Queryable, policy: Policy, reference: string): Promise<string> {
  const { scopes, branches, examples } = await describeScopes(trx, {
    ids: await listScopesNaming(trx, policy, reference),
    examples: MAX_NAMED,
  });
  const { members = [] } = (await resolveReferences(trx, [reference])).get(reference) ?? {};
  const userIds = members.map(({ userId }) => userId);
  const named = await listUsersById(trx, userIds.slice(0, MAX_NAMED));
  const parts = [
    tellSome(listUses(policy, reference)),
    `${count(scopes, "scope")} of ${count(branches, "branch", "branches")}${toExamples(examples, branches)}`,
    `${count(userIds.length, "member")}${toExamples(
      named.map(({ userName }) => userName),
      userIds.length,
    )}`,
  ];
  return `: ${parts.join("; ")}`;
}

function listUses(policy: Policy, reference: string): readonly string[] {
  const isNamed = ({ to }: { readonly to: readonly Principal[] }) => to.some((each) => each.reference === reference);
  return policy.rules.flatMap(({ grants, deny }) => [
    ...grants
      .filter(isNamed)
      .map(({ rule, file, line, entitlement }) => `${rule} (${file}:${line}) grants ${entitlement}`),
    ...deny
      .filter(isNamed)
      .map(({ rule, file, line, entitlement }) => `${rule} (${file}:${line}) denies ${entitlement}`),
  ]);
}

function tellSome(uses: readonly string[]): string {
  if (uses.length === 0) return "no rule in force names it";
  const left = uses.length - MAX_NAMED;
  return `${uses.slice(0, MAX_NAMED).join(", ")}${left > 0 ? ` and ${count(left, "more rule")}` : ""}`;
}

function toExamples(names: readonly string[], total: number): string {
  if (names.length === 0) return "";
  return ` (${names.join(", ")}${total > names.length ? ", …" : ""})`;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
