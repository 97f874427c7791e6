/** `source.backfill`: asks a repository's host for the branches that are to be looked up, and has what it showed applied (rules A4, D1). */
import type { RefSighting, RepositoryClaim, RepositoryConfiguration } from "@branchward/core";
import {
  type BoundRepository,
  claimLookups,
  type Database,
  deferLookups,
  deleteLookups,
  findAuthority,
  limitHost,
  listBindings,
  raiseFinding,
  requestSuspectLookups,
  resolveFinding,
} from "@branchward/store";
import type { AskableSource } from "./open-hosts.ts";

export interface LookUpDeps {
  readonly db: Database;
  readonly hosts: ReadonlyMap<string, AskableSource>;
  /** The repositories that several sources feed (rule A2). */
  readonly joined: readonly RepositoryConfiguration[];
  /** Remembers what is known before the host is asked; recording answers with the names that it left out. */
  readonly beginLook: (look: {
    readonly repositoryId: string;
    readonly source: AskableSource;
    readonly repository: RepositoryClaim;
    readonly names: readonly string[];
  }) => Promise<{ record(sightings: readonly RefSighting[]): Promise<readonly string[]> }>;
}

/** All calls of one look together. */
const DEADLINE_MS = 20_000;
/** Twice that: recording what was seen takes its time as well. */
const LEASE_MS = 2 * DEADLINE_MS;
/** Branches in one look; with one call each they fit into the deadline. */
const MAX_NAMES = 50;
const FINDING = "source-unavailable";

/** Looks up what is due in a repository; what its host does not tell is put off and told as a finding. */
export function createLookUpBranches(deps: LookUpDeps) {
  const { db, hosts, joined } = deps;
  return async (repositoryId: string): Promise<void> => {
    const names = [...hosts.keys()];
    const bindings = await listBindings(db, repositoryId, names);
    const authority = await findAuthority(db, repositoryId, joined);
    const bound = bindings.find(({ source }) => source === authority) ?? bindings[0];
    if (bound === undefined) return;
    await requestSuspectLookups(db, { sources: names, limit: MAX_NAMES, repositoryId });
    await lookUp(deps, repositoryId, { ...bound, isAuthority: bound.source === authority });
  };
}

async function lookUp(
  { db, hosts, beginLook }: LookUpDeps,
  repositoryId: string,
  bound: BoundRepository & { readonly isAuthority: boolean },
): Promise<void> {
  const source = hosts.get(bound.source);
  if (source === undefined) return;
  const claim = { repositoryId, source: source.name, leaseMs: LEASE_MS, limit: MAX_NAMES };
  const names = await db.transaction().execute((trx) => claimLookups(trx, claim));
  if (names.length === 0) return;
  // What it shows would count for nothing.
  if (!bound.isAuthority) return deferLookups(db, { repositoryId, names, afterMs: 0 });
  const { nativeId, name, vcs } = bound;
  const repository = { nativeId, name, vcs };
  const look = await beginLook({ repositoryId, source, repository, names });
  const reading = await source.host.readBranches(repository, names, AbortSignal.timeout(DEADLINE_MS));
  if (reading.state === "unavailable") {
    const { reason, retryAfterMs } = reading;
    if (retryAfterMs !== null) await limitHost(db, source.name, retryAfterMs);
    await deferLookups(db, { repositoryId, names, afterMs: retryAfterMs ?? 0 });
    await raiseFinding(db, {
      kind: FINDING,
      subject: `${source.name}:${repository.name}`,
      severity: "warning",
      message: `its branches cannot be looked up: ${reason}. Nothing is taken for gone; it is asked again`,
    });
    return;
  }
  const skipped = await look.record(reading.sightings);
  await deleteLookups(
    db,
    repositoryId,
    names.filter((one) => !skipped.includes(one)),
  );
  if (skipped.length > 0) await deferLookups(db, { repositoryId, names: skipped, afterMs: 0 });
  await resolveFinding(db, FINDING, `${source.name}:${repository.name}`);
}
