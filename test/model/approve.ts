/** Somebody looks at what guards hold back, and approves the plan as it was shown (rules B1, C1, C2). */
import { AppError } from "@branchward/core";
import type { Command } from "./commands.ts";
import { ENTITLEMENTS, NAMES, POLICIES, type PolicyModel, toPolicyText } from "./oracle/policy.ts";
import { bindReferences, listStandingHolders } from "./oracle/world.ts";
import { part, type Play } from "./play.ts";
import type { EndpointName } from "./setting.ts";

/** A plan that waits, or waited. */
interface Shown {
  readonly kind: "sync" | "policy";
  readonly id: string;
  readonly digest: string;
  /** Clients whose doing it is. */
  readonly causedBy: readonly string[];
  /** False for what another plan of the same scope has followed. */
  readonly isNewest: boolean;
}

/** The version is in force, for the oracle as well. */
export function putInForce({ world, safety }: Play, policy: PolicyModel): void {
  world.policy = policy;
  bindReferences(world);
  safety.note(world);
}

export async function approve(play: Play, { index, by, isOld }: Extract<Command, { do: "approve" }>): Promise<void> {
  const all = [...(await listHeldVersions(play)), ...(await listHeldSyncs(play))];
  const shown = all.filter(({ isNewest }) => isNewest !== isOld);
  const chosen = shown[index % Math.max(1, shown.length)];
  if (chosen === undefined) return;
  const isOwn = chosen.causedBy.includes(by);
  const refusal = await ask(play, chosen, by);
  play.lines.push(`${by} approves ${chosen.kind} ${chosen.id}: ${refusal ?? "let go"}`);
  if (refusal === null && isOwn) part(play, `${by} approved what ${by} caused`);
  if (refusal === null && isOld) part(play, "a plan was approved that is no longer the one that is held");
  if (refusal !== null && !isOwn && !isOld && chosen.kind === "sync") part(play, `an approval was refused: ${refusal}`);
}

/** @returns why it was refused */
async function ask(play: Play, shown: Shown, by: string): Promise<string | null> {
  const follow = await prepareFollowing(play, shown);
  try {
    await play.system.approve(shown.kind, { ...shown, by });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return error.code;
  }
  follow();
  return null;
}

/** What the approval means to the oracle, read before it is asked for. */
function prepareFollowing(play: Play, shown: Shown): Promise<() => void> {
  return shown.kind === "policy" ? followVersion(play, shown.id) : followSync(play, shown.id);
}

async function listHeldVersions({ system }: Play): Promise<readonly Shown[]> {
  const { rows } = await system.pool.query<{ id: string; digest: string }>(
    "select id, plan_digest as digest from policy_versions where state = 'held' order by seq",
  );
  return rows.flatMap((row): Shown[] => [
    { ...row, kind: "policy", causedBy: [], isNewest: true },
    { ...row, digest: "0".repeat(64), kind: "policy", causedBy: [], isNewest: false },
  ]);
}

async function listHeldSyncs({ system }: Play): Promise<readonly Shown[]> {
  const { rows } = await system.pool.query<Omit<Shown, "kind">>(
    `select id, plan_digest as digest, caused_by as "causedBy", plan_digest is not distinct from (
       select newest.plan_digest from syncs as newest
       where newest.scope_id = syncs.scope_id and newest.verdict <> 'failed' and newest.reason <> 'revocation'
       order by newest.seq desc limit 1
     ) as "isNewest"
     from syncs where plan_digest is not null order by seq desc`,
  );
  return rows.map((row) => ({ ...row, kind: "sync" }));
}

/** Whoever loses by the version may go. */
async function followVersion(play: Play, id: string): Promise<() => void> {
  const { world, removals, system } = play;
  const { rows } = await system.pool.query<{ text: string }>("select text from policy_versions where id = $1", [id]);
  const policy = POLICIES.find((each) => toPolicyText(each, system.setting) === rows[0]?.text);
  if (policy === undefined) return part(play, "a version is held that nobody proposed");
  const before = listHeld(play);
  return () => {
    putInForce(play, policy);
    const after = new Set(listHeld(play).map(({ key }) => key));
    for (const { key, userId } of before) if (!after.has(key)) removals?.approve(world, userId);
  };
}

function listHeld({ world, system }: Play): readonly { readonly key: string; readonly userId: string }[] {
  const places = system.endpoints.flatMap(({ traits }) => NAMES.map((name) => ({ endpoint: traits.name, name })));
  return places.flatMap((place) => {
    const holders = listStandingHolders(world, place);
    return ENTITLEMENTS.flatMap((entitlement) =>
      [...(holders.get(entitlement)?.may ?? [])].map((userId) => ({
        key: `${place.endpoint} ${place.name} ${entitlement} ${userId}`,
        userId,
      })),
    );
  });
}

interface WithheldRow {
  readonly endpoint: EndpointName;
  readonly incarnation: string;
  readonly withheld: readonly { readonly entitlement: string; readonly userId: string | null }[];
  readonly overLimit: readonly { readonly kind: string }[];
}

/** Whom the sync withholds may go there; through a directory group, or deactivated with many, everywhere. */
async function followSync({ world, removals, system }: Play, id: string): Promise<() => void> {
  const { rows } = await system.pool.query<WithheldRow>(
    `select scopes.endpoint, incarnation_id as incarnation, syncs.withheld, over_limit as "overLimit"
     from syncs join scopes on scopes.id = scope_id where syncs.id = $1`,
    [id],
  );
  return () => {
    for (const { endpoint, incarnation, withheld, overLimit } of rows) {
      const kinds = overLimit.map(({ kind }) => kind);
      for (const { entitlement, userId } of withheld) {
        if (userId === null) continue;
        removals?.approve(
          world,
          userId,
          kinds.includes("directory-group") ? undefined : { endpoint, incarnation, entitlement },
        );
      }
      if (!kinds.includes("deactivations")) continue;
      for (const userId of world.departures.keys())
        if (removals?.isMass(world, userId) === true) removals.letGo(world, userId);
    }
  };
}
