/** What a batch of directory changes is about: whose memberships, which groups, and what users were before. */
import type { FormerValues, RecordedChange } from "@branchward/store";

export interface ChangedUser {
  /** Names that it has or had, and attributes that it had: the patterns that named it may name it no more. */
  readonly formerNames: readonly string[];
  readonly former: readonly FormerValues[];
}

export interface ChangedSubjects {
  /** Users that changed themselves, by id. */
  readonly users: ReadonlyMap<string, ChangedUser>;
  /** Groups of which users became members or ceased to be. */
  readonly groups: ReadonlySet<string>;
  /** Who became or ceased to be a member; users and, where they are nested, groups. */
  readonly members: ReadonlySet<string>;
  /** Groups of which anybody may have become or ceased to be a member. */
  readonly unboundedGroups: ReadonlySet<string>;
}

/** Reads the changes; `attributes` are those that the policy's patterns name: others decide nothing. */
export function readSubjects(changes: readonly RecordedChange[], attributes: ReadonlySet<string>): ChangedSubjects {
  const users = new Map<string, ChangedUser>();
  const groups = new Set<string>();
  const members = new Set<string>();
  const unboundedGroups = new Set<string>();
  for (const change of changes) {
    switch (change.kind) {
      case "group.members":
        groups.add(change.resourceId);
        for (const id of [...change.details.added, ...change.details.removed]) members.add(id);
        break;
      case "group.created":
      case "group.renamed":
      case "group.deleted":
        unboundedGroups.add(change.resourceId);
        break;
      case "user.changed":
        if (isAbout(change.details.attributes, attributes)) noteUser(users, change.resourceId, toChangedUser(change));
        break;
      default:
        noteUser(users, change.resourceId, toChangedUser(change));
    }
  }
  return { users, groups, members, unboundedGroups };
}

/** An extension is told of by its URI alone: any of its attributes may have changed. */
function isAbout(changed: readonly string[], named: ReadonlySet<string>): boolean {
  return named.size > 0 && changed.some((name) => named.has(name) || name.startsWith("urn:"));
}

function noteUser(users: Map<string, ChangedUser>, id: string, { formerNames, former }: ChangedUser): void {
  const known = users.get(id);
  users.set(id, {
    formerNames: [...(known?.formerNames ?? []), ...formerNames],
    former: [...(known?.former ?? []), ...former],
  });
}

function toChangedUser(change: RecordedChange): ChangedUser {
  switch (change.kind) {
    case "user.renamed":
      return { formerNames: [change.details.from, change.details.to], former: [] };
    case "user.deleted":
      return { formerNames: [change.details.userName], former: [change.details.former ?? {}] };
    case "user.changed":
      return { formerNames: [], former: [change.details.former ?? {}] };
    default:
      return { formerNames: [], former: [] };
  }
}
