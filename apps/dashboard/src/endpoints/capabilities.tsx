import type { EndpointItem } from "@branchward/core/api";
import { toDuration } from "../components/times.ts";
import { When } from "../components/when.tsx";

type Probe = NonNullable<EndpointItem["probe"]>;
type Card = NonNullable<Probe["card"]>;

/** What the endpoint was seen to do when it was tried out, what is in the way first. */
export function Capabilities({ probe }: { readonly probe: EndpointItem["probe"] }) {
  if (probe === null) return <p className="mt-3 text-sm text-soft">It has not been tried out yet.</p>;
  const { at, card, error, problems } = probe;
  return (
    <div className="mt-3 text-sm">
      {error !== null && (
        <p className="wrap-anywhere text-bad">
          It could not be tried out <When at={at} />: {error}
        </p>
      )}
      {problems.length > 0 && (
        <ul className="mb-2" aria-label="What is in the way">
          {problems.map((problem) => (
            <li key={problem} className="text-bad">
              {problem}
            </li>
          ))}
        </ul>
      )}
      {card !== null && (
        <details>
          <summary className="cursor-pointer text-soft hover:text-ink">What it was seen to do</summary>
          <dl className="mt-2 border-t border-line">
            {listFacts(card).map(([what, seen]) => (
              <div key={what} className="grid gap-x-4 border-b border-line py-1.5 sm:grid-cols-[minmax(0,20rem)_1fr]">
                <dt className="text-soft">{what}</dt>
                <dd>{seen}</dd>
              </div>
            ))}
          </dl>
          {error === null && (
            <p className="mt-2 text-soft">
              Tried out <When at={at} />
            </p>
          )}
        </details>
      )}
    </div>
  );
}

function listFacts(card: Card): readonly (readonly [what: string, seen: string])[] {
  const { says, membersPerPatch } = card;
  return [
    ["Says of itself", says === null ? "nothing" : listTrue(says)],
    ["Takes PATCH", toWord(card.patches)],
    ["Adds members", toWord(card.addsMembers)],
    ["Removes members", toWord(card.removesMembers)],
    ["Members in one PATCH", membersPerPatch === null ? "not tried" : `${membersPerPatch} at least`],
    ["Renames groups", toWord(card.renames)],
    ["Deletes groups", toWord(card.deletes)],
    ["Finds groups by externalId", toWord(card.findsGroupsByExternalId)],
    ["Finds groups by name", toWord(card.findsGroupsByName)],
    ["Finds users by externalId", toWord(card.findsUsersByExternalId)],
    ["Keeps externalId", toWord(card.keepsExternalId)],
    ["Takes the branch's extension", toWord(card.takesExtension)],
    ["Keeps the branch's extension", toWord(card.keepsExtension)],
    ["Has versions", toWord(card.hasVersions)],
    ["Refuses what is stale by If-Match", toWord(card.honoursIfMatch)],
    ["Shows what was written", card.lagMs === 0 ? "at once" : `after ${toDuration(card.lagMs)}`],
  ];
}

function toWord(seen: boolean | null): string {
  if (seen === null) return "not tried";
  return seen ? "yes" : "no";
}

function listTrue(says: NonNullable<Card["says"]>): string {
  const names = Object.entries(says).flatMap(([name, isSaid]) => (isSaid ? [name] : []));
  return names.length === 0 ? "none of PATCH, bulk, filter, ETag" : names.join(", ");
}
