/**
 * `endpoint.audit`: pages through an endpoint's groups within its budget, then through the accounts that are ours to keep;
 * what differs from the record is looked at (rule C9).
 */
import { type AuditConfiguration, isOurExternalId, splitExternalId, UpstreamError } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import { type ScimClient, ScimClientError, type ScimGroup } from "@branchward/scim";
import {
  type AuditRound,
  continueAudit,
  type Database,
  findRetirementMode,
  type FoundGroup,
  type ExpectedGroup,
  listExpectedGroups,
  listScopesOfIncarnations,
  listUnseenScopes,
  noteFoundGroups,
  type Queryable,
  raiseFinding,
  type RequestedAccount,
  type RequestedScope,
  requestScopes,
  resolveFinding,
  resolveFindingBefore,
  saveAuditedPage,
} from "@branchward/store";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { isUuid } from "../is-uuid.ts";
import { type AccountPage, readAccountPage, settleAccountPage } from "./audit-accounts.ts";
import { toAuditPause } from "./audit-pause.ts";
import { type AuditPlace, parsePlace, toPlace } from "./audit-place.ts";

export interface AuditDeps {
  readonly db: Database;
  readonly queues: Pick<Queues, "enqueueReconcile" | "enqueueAccount" | "enqueueAudit">;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly audit: AuditConfiguration;
}

const PAGE_SIZE = 100;
/** A page that fails is tried again as often as the sweeper finds it due. */
const FAILED_MS = 60_000;
/** The most of a round, half a million groups: an endpoint whose pages never end would keep it from all others for ever. */
const MAX_PAGES = 5_000;
const UNREADABLE = "audit-unreadable";
const ENDLESS = "audit-endless";

/** Reads the next page of an endpoint's round. */
export function createAuditEndpoint(deps: AuditDeps) {
  const watch = createReadWatch(deps.db);
  return async (name: string): Promise<void> => {
    const endpoint = deps.endpoints.get(name);
    const round = endpoint === undefined ? undefined : await continueAudit(deps.db, name);
    if (endpoint === undefined || round === undefined) return;
    // What is left at a retired endpoint is no longer ours to look at (rule B8).
    if ((await findRetirementMode(deps.db, name)) !== undefined) return;
    const place = parsePlace(round.position);
    const begunAt = performance.now();
    const part =
      place.of === "groups"
        ? await watch(name, () => readGroups(deps.db, endpoint, place))
        : await readAccounts(deps.db, endpoint, place);
    const spentMs = performance.now() - begunAt;
    const nextMs = toAuditPause(deps.audit, { ageMs: round.ageMs, isLast: part.position === null, spentMs });
    const { scopes, accounts } = await deps.db.transaction().execute((trx) => settlePart(trx, { round, part, nextMs }));
    for (const account of accounts) await deps.queues.enqueueAccount(account);
    for (const scope of scopes) {
      await deps.queues.enqueueReconcile({ scopeId: scope.id, endpoint: name, lane: "audit" });
    }
    await deps.queues.enqueueAudit(name, nextMs);
  };
}

/** That an endpoint's groups cannot be listed, twice in a row, stands as a finding until they can. */
function createReadWatch(db: Database) {
  /** Undefined for an endpoint that was not read since the start. */
  const failures = new Map<string, number>();
  return async (endpoint: string, read: () => Promise<GroupPart>): Promise<GroupPart> => {
    try {
      const page = await read();
      if (failures.get(endpoint) !== 0) await resolveFinding(db, UNREADABLE, endpoint);
      failures.set(endpoint, 0);
      return page;
    } catch (error) {
      // What its gate refused was not asked.
      if (!(error instanceof UpstreamError && error.cause instanceof ScimClientError)) throw error;
      const count = (failures.get(endpoint) ?? 0) + 1;
      failures.set(endpoint, count);
      if (count > 1) {
        await raiseFinding(db, {
          kind: UNREADABLE,
          subject: endpoint,
          severity: "warning",
          message: `its groups cannot be listed (last: ${error.cause.message}): what others change there is noticed only when a branch is looked at; branchward doctor --endpoint ${endpoint} tells what it does`,
        });
      }
      throw error;
    }
  };
}

interface Part {
  /** Where the next begins; null at the end of the round. */
  readonly position: string | null;
}

interface GroupPart extends Part {
  readonly groups: readonly ScimGroup[];
  /** Whether it ends the groups of the round. */
  readonly isLast: boolean;
  /** True where they end though the endpoint would go on. */
  readonly isCut: boolean;
}

interface AccountPart extends Part {
  readonly accounts: AccountPage;
}

async function readGroups(db: Database, endpoint: Endpoint, { pages, position }: AuditPlace): Promise<GroupPart> {
  const client = endpoint.connect(() => undefined, { lane: "audit" });
  try {
    const { resources, next } = await client.readGroupPage({ position, pageSize: PAGE_SIZE });
    const ours = resources.filter(({ externalId }) => externalId === undefined || isOurExternalId(externalId));
    const told = await listTold(db, endpoint.name, ours);
    const groups: ScimGroup[] = [];
    for (const group of ours) groups.push(told.has(group.id) ? group : await readWhole(client, group));
    const isCut = next !== undefined && pages + 1 >= MAX_PAGES;
    const isLast = next === undefined || isCut;
    const further = isLast ? firstOfAccounts(endpoint) : toPlace({ of: "groups", pages: pages + 1, position: next });
    return { groups, position: further, isLast, isCut };
  } catch (error) {
    if (!(error instanceof ScimClientError)) throw error;
    const afterMs = error.retryAfterMs ?? FAILED_MS;
    throw new UpstreamError(`the audit cannot read groups: ${error.message}`, { cause: error, retry: { afterMs } });
  }
}

function firstOfAccounts({ accounts }: Endpoint): string | null {
  return accounts === null ? null : toPlace({ of: "accounts", pages: 0, position: undefined });
}

async function readAccounts(db: Database, endpoint: Endpoint, { pages, position }: AuditPlace): Promise<AccountPart> {
  const accounts = await readAccountPage(db, endpoint, { position, pageSize: PAGE_SIZE });
  const isLast = accounts.next === undefined || pages + 1 >= MAX_PAGES;
  return { accounts, position: isLast ? null : toPlace({ of: "accounts", pages: pages + 1, position: accounts.next }) };
}

/** Ids of the groups whose members were told, or are of no interest: some endpoints list groups without them. */
async function listTold(db: Database, endpoint: string, groups: readonly ScimGroup[]): Promise<ReadonlySet<string>> {
  const ids = groups.map(({ id }) => id);
  const untold = groups.filter(({ resource }) => (resource["members"] ?? null) === null).map(({ id }) => id);
  const expected = untold.length === 0 ? [] : await listExpectedGroups(db, endpoint, untold);
  // An empty group may be told of without members anyway (RFC 7643 §2.5).
  const sought = new Set(expected.filter(({ members }) => members.length > 0).map(({ groupId }) => groupId));
  return new Set(ids.filter((id) => !sought.has(id)));
}

/** As it was listed where it is gone since. */
async function readWhole(client: ScimClient, group: ScimGroup): Promise<ScimGroup> {
  try {
    return await client.getGroup(group.id);
  } catch (error) {
    if (error instanceof ScimClientError && error.status === 404) return group;
    throw error;
  }
}

interface ReadPart<Of> {
  readonly round: AuditRound;
  readonly part: Of;
  readonly nextMs: number;
}

interface Requested {
  readonly scopes: readonly RequestedScope[];
  readonly accounts: readonly RequestedAccount[];
}

async function settlePart(
  trx: Queryable,
  { round, part, nextMs }: ReadPart<GroupPart | AccountPart>,
): Promise<Requested> {
  if ("groups" in part) return { scopes: await settleGroups(trx, { round, part, nextMs }), accounts: [] };
  const accounts = await settleAccountPage(trx, round, part.accounts);
  const { position } = part;
  const { endpoint } = round;
  await saveAuditedPage(trx, { endpoint, groupIds: [], differing: accounts.length, position, nextMs });
  return { scopes: [], accounts };
}

async function settleGroups(
  trx: Queryable,
  { round, part, nextMs }: ReadPart<GroupPart>,
): Promise<readonly RequestedScope[]> {
  const { endpoint } = round;
  const { groups, position, isLast } = part;
  const ids = groups.map(({ id }) => id);
  const expected = await listExpectedGroups(trx, endpoint, ids);
  const known = new Map(expected.map((group) => [group.groupId, group]));
  const differing = groups.flatMap((group) => {
    const wanted = known.get(group.id);
    return wanted !== undefined && wanted.isSettled && differs(group, wanted) ? [wanted.scopeId] : [];
  });
  const strangers = groups.filter(({ id, externalId }) => !known.has(id) && externalId !== undefined);
  const found = await adoptOrReport(trx, endpoint, strangers);
  if (isLast) await settleGroupList(trx, round, part);
  await saveAuditedPage(trx, { endpoint, groupIds: [...known.keys()], differing: differing.length, position, nextMs });
  const unseen = isLast ? await listUnseenScopes(trx, round) : [];
  return requestScopes(trx, [...new Set([...differing, ...found, ...unseen])], "audit");
}

/** What a whole list shows, and what one shows that was cut. */
async function settleGroupList(
  trx: Queryable,
  { endpoint, startedAt }: AuditRound,
  { isCut }: GroupPart,
): Promise<void> {
  if (!isCut) {
    await resolveFindingBefore(trx, { kind: ORPHANS, subject: endpoint, at: startedAt });
    await resolveFinding(trx, ENDLESS, endpoint);
    return;
  }
  await raiseFinding(trx, {
    kind: ENDLESS,
    subject: endpoint,
    severity: "warning",
    message: `its list of groups had no end after ${MAX_PAGES} pages: the audit looks at branches one by one whose groups it did not show; see that paging by startIndex ends there`,
  });
}

function differs({ displayName, members = [] }: ScimGroup, expected: ExpectedGroup): boolean {
  const found = new Set(members.map(({ value }) => value));
  return displayName !== expected.displayName || found.symmetricDifference(new Set(expected.members)).size > 0;
}

/** Stands until a whole round shows none. */
const ORPHANS = "orphan-groups";

/**
 * Groups that bear our mark and are not bound, as after a restore of the endpoint: their scope looks at them, though it may
 * have forgotten that there ever were any, or nobody knows their branch.
 */
async function adoptOrReport(
  trx: Queryable,
  endpoint: string,
  groups: readonly ScimGroup[],
): Promise<readonly string[]> {
  const marked = groups.map((group) => ({ group, mark: splitExternalId(group.externalId ?? "") }));
  const ids = marked.flatMap(({ mark }) => (mark !== undefined && isUuid(mark.incarnation) ? [mark.incarnation] : []));
  const scopes = await listScopesOfIncarnations(trx, endpoint, ids);
  const orphans: ScimGroup[] = [];
  const found: FoundGroup[] = [];
  for (const { group, mark } of marked) {
    const scopeId = mark === undefined ? undefined : scopes.get(mark.incarnation);
    if (mark === undefined || scopeId === undefined) orphans.push(group);
    else found.push({ scopeId, externalId: group.externalId ?? "", displayName: group.displayName, ...mark });
  }
  await noteFoundGroups(trx, found);
  if (orphans.length > 0) {
    const examples = orphans.slice(0, 3).map(({ displayName, id }) => `${displayName} (${id})`);
    await raiseFinding(trx, {
      kind: ORPHANS,
      subject: endpoint,
      severity: "warning",
      message: `${endpoint} has groups that bear Branchward's mark for branches that it does not know: ${examples.join(", ")}; remove them there if no other installation owns them`,
    });
  }
  return [...scopes.values()];
}
