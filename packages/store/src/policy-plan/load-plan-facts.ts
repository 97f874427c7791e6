/** The directory as a version's plan needs it: every user and group that either version may reach, once. */
import {
  type DirectoryUser,
  findUserByName,
  foldName,
  type GroupResolution,
  isGrantedAt,
  parsePrincipal,
  type Policy,
  type PolicyPlanFacts,
  policyReferences,
  toDirectoryUsers,
  type UserId,
} from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { listFlattenedMembers, listGroupsByName } from "../directory/read.ts";
import { readClock } from "../access/access-facts.ts";
import { listRetiredEndpoints } from "../endpoints/endpoint-retirements.ts";
import { listPolicyBindings, resolveReferences } from "../policy/policy-bindings.ts";

const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/** What a `group:` of a proposed version means, or will mean once it is in force (rule B4). */
export interface PlannedBinding {
  readonly reference: string;
  readonly state: "bound" | "would-bind" | "unbound" | "ambiguous" | "lost";
  readonly groupId: string | null;
  readonly displayName: string | null;
}

export interface PlanDirectory {
  readonly facts: PolicyPlanFacts;
  readonly bindings: readonly PlannedBinding[];
  /** Users named by the proposed version that the directory does not have. */
  readonly unknownUsers: readonly string[];
  /** Attributes in its patterns of which no user has a text (rule B5): they match nobody. */
  readonly unknownAttributes: readonly string[];
  /** Endpoints that its grants are limited to and that are not configured. */
  readonly unusedEndpoints: readonly string[];
  /** Endpoints that its grants are about and that are retired: what they give is not given there. */
  readonly retiredEndpoints: readonly string[];
}

export interface PlanQuestion {
  readonly before: Policy | null;
  readonly after: Policy;
  readonly endpoints: readonly string[];
}

/** Everything but the branches. Reads one snapshot if the transaction is one. */
export async function loadPlanDirectory(
  trx: Queryable,
  { before, after, endpoints }: PlanQuestion,
): Promise<PlanDirectory> {
  const needed = [after, ...(before === null ? [] : [before])].map(policyReferences);
  const references = [...new Set(needed.flatMap(({ groups }) => groups))];
  const known = await resolveReferences(trx, references);
  const { bindings, fresh } = await foreseeBindings(trx, policyReferences(after).groups);
  const names = [...new Set(needed.flatMap(({ userNames }) => userNames))];
  const attributes = [...new Set(needed.flatMap((each) => each.attributes))];
  const groups = new Map([...known, ...fresh]);
  const users = toDirectoryUsers(await listReachedUsers(trx, { groups, names, attributes }));
  const named = policyReferences(after);
  const retired = await listRetiredEndpoints(trx, endpoints);
  const grants = after.rules.flatMap((rule) => rule.grants);
  return {
    facts: {
      before: before === null ? null : { policy: before, groups: known },
      after: { policy: after, groups },
      users,
      endpoints,
      retired,
      now: await readClock(trx),
    },
    bindings,
    unknownUsers: named.userNames.filter((name) => findUserByName(users, name) === undefined),
    unknownAttributes: await listUnknownAttributes(trx, named.attributes),
    unusedEndpoints: named.endpoints.filter((endpoint) => !endpoints.includes(endpoint)),
    retiredEndpoints: retired.filter((endpoint) => grants.some((grant) => isGrantedAt(grant, endpoint))),
  };
}

/** A user's value of what a pattern names, as `toDirectoryUser` reads it. */
const namedValue = sql`
  case when name = 'externalId' then to_jsonb(external_id)
  else coalesce(attributes -> name, attributes -> ${ENTERPRISE} -> name) end`;

async function listUnknownAttributes(trx: Queryable, attributes: readonly string[]): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select name from unnest(${[...attributes]}::text[]) as name
    where not exists (
      select from directory_users
      where jsonb_typeof(${namedValue}) = 'string'
    ) order by name`.execute(trx);
  return rows.map(({ name }) => name);
}

interface Foreseen {
  readonly bindings: readonly PlannedBinding[];
  /** The groups that would be bound. */
  readonly fresh: ReadonlyMap<string, GroupResolution>;
}

async function foreseeBindings(trx: Queryable, references: readonly string[]): Promise<Foreseen> {
  const bindings: PlannedBinding[] = [];
  for (const binding of await listPolicyBindings(trx, references)) {
    const { reference, state } = binding;
    bindings.push(state === "unbound" ? await foreseeBinding(trx, reference) : { ...binding, state });
  }
  const ids = bindings.flatMap(({ state, groupId }) => (state === "would-bind" && groupId !== null ? [groupId] : []));
  const members = await listFlattenedMembers(trx, [...new Set(ids)]);
  const fresh = bindings.flatMap(({ reference, state, groupId }) =>
    state === "would-bind" && groupId !== null
      ? [[reference, { state: "bound", members: members.get(groupId) ?? [] }] as const]
      : [],
  );
  return { bindings, fresh: new Map(fresh) };
}

/** As `bindReferences` will bind it: exactly one candidate. */
async function foreseeBinding(trx: Queryable, reference: string): Promise<PlannedBinding> {
  const nothing = { reference, groupId: null, displayName: null };
  const principal = parsePrincipal(reference);
  if (principal?.kind !== "group") return { ...nothing, state: "unbound" };
  const [only, second] = await listGroupsByName(trx, principal.name, principal.client ?? undefined);
  if (only === undefined) return { ...nothing, state: "unbound" };
  if (second !== undefined) return { ...nothing, state: "ambiguous" };
  return { reference, state: "would-bind", groupId: only.id, displayName: only.displayName };
}

interface UserQuestion {
  readonly groups: ReadonlyMap<string, GroupResolution>;
  readonly names: readonly string[];
  readonly attributes: readonly string[];
}

/** Members of the groups, users that policy names, and whoever has a checkout; of their attributes what patterns need. */
async function listReachedUsers(
  trx: Queryable,
  { groups, names, attributes }: UserQuestion,
): Promise<readonly DirectoryUser[]> {
  const members = new Set([...groups.values()].flatMap((group) => group.members.map(({ userId }) => userId)));
  const keys = names.map((name) => foldName(name));
  const { rows } = await sql<{ id: UserId; userName: string; active: boolean; values: Record<string, unknown> }>`
    select id, user_name as "userName", active, coalesce((
      select jsonb_object_agg(name, ${namedValue})
      from unnest(${attributes}::text[]) as name
    ), '{}') as values
    from directory_users
    where id = any (${[...members]}::uuid[])
      or user_name_key = any (${keys}::text[])
      or id in (select user_id from checkouts where ended_at is null)
      or id in (select user_id from emergency_grants where expires_at > now() and ended_at is null)`.execute(trx);
  return rows.map(({ values, ...user }) => ({ ...user, attributes: keepText(values) }));
}

function keepText(values: Record<string, unknown>): Readonly<Record<string, string>> {
  const text = Object.entries(values).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : []));
  return Object.fromEntries(text);
}
