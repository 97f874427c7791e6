import { type ActivePolicy, type Database, listApprovedRemovals, listMassDeactivations } from "@branchward/store";

/** Writes for one of too many wait, while decisions deny them at once (rule C2). */
export async function isWithheld(
  { db, activePolicy }: { readonly db: Database; readonly activePolicy: ActivePolicy },
  userId: string,
): Promise<boolean> {
  const active = await activePolicy.find(db);
  if (active === undefined) return false;
  const mass = await listMassDeactivations(db, active.policy.guards);
  const one = mass.flatMap(({ userIds }) => userIds).find((id) => id === userId);
  if (one === undefined) return false;
  const approved = await listApprovedRemovals(db, { scopeId: NO_SCOPE, userIds: [one] });
  return !approved.some(({ entitlement, reference }) => entitlement === null && reference === null);
}

const NO_SCOPE = "00000000-0000-0000-0000-000000000000";
