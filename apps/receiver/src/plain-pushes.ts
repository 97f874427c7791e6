import type { Incarnation, RegistryDecision } from "@branchward/core";

/** The branches that got a new head, and of which nothing else is told or known otherwise than before. */
export function listPlainlyPushed(
  { events, incarnations, renames }: RegistryDecision,
  live: readonly Incarnation[],
): ReadonlySet<string> {
  const before = new Map(live.map((incarnation) => [incarnation.id, incarnation]));
  const told = Map.groupBy(events, ({ incarnation }) => incarnation);
  const plain = incarnations.filter((now) => {
    const was = before.get(now.id);
    const isSame = was?.state === "active" && now.state === "active" && was.suspect === now.suspect;
    const isRenamed = renames.some(({ incarnation, merged }) => incarnation === now.id || merged === now.id);
    return (
      isSame &&
      !isRenamed &&
      told.get(now.id)?.every(({ kind, note }) => kind === "push" && (note === null || note === "merge-queue")) === true
    );
  });
  return new Set(plain.map(({ id }) => id));
}
