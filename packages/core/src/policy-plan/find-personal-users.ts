/** Whom a pattern with `${user.…}` may mean on a branch, without trying every user of the directory. */
import { attributeOf } from "../desired/resolve-principal.ts";
import type { DirectoryUsers } from "../desired/types.ts";
import type { Pattern } from "../policy/pattern.ts";
import type { PolicyRule } from "../policy/types.ts";
import type { UserId } from "../words.ts";

/** Longer segments are searched for every value instead of cut into every part. */
const MAX_CUT = 64;

type UsersByValue = ReadonlyMap<string, readonly UserId[]>;

export type FindPersonalUsers = (
  rules: readonly Pick<PolicyRule, "repositories" | "branches">[],
  branch: { readonly repository: string; readonly name: string },
) => ReadonlySet<UserId>;

/** At least those users whom the rules reach through their own value (rule B5); some more may be named. */
export function createFindPersonalUsers(users: DirectoryUsers): FindPersonalUsers {
  const indexes = new Map<string, UsersByValue>();
  const indexOf = (attribute: string): UsersByValue => {
    const index = indexes.get(attribute) ?? indexByValue(users, attribute);
    indexes.set(attribute, index);
    return index;
  };
  return (rules, branch) => {
    const found = new Set<UserId>();
    for (const rule of rules) {
      for (const pattern of rule.repositories) addCandidates(found, indexOf, { pattern, name: branch.repository });
      for (const pattern of rule.branches) addCandidates(found, indexOf, { pattern, name: branch.name });
    }
    return found;
  };
}

function indexByValue(users: DirectoryUsers, attribute: string): UsersByValue {
  const index = new Map<string, UserId[]>();
  for (const user of users.byId.values()) {
    const value = attributeOf(user)(attribute);
    if (value === undefined || value === "") continue;
    const same = index.get(value);
    if (same === undefined) index.set(value, [user.id]);
    else same.push(user.id);
  }
  return index;
}

interface Place {
  readonly pattern: Pattern;
  readonly name: string;
}

/** Every segment of the pattern that names an attribute says the same user: the first one is enough to find them. */
function addCandidates(
  found: Set<UserId>,
  indexOf: (attribute: string) => UsersByValue,
  { pattern, name }: Place,
): void {
  const segment = pattern.segments.find((atoms) => atoms?.some(({ kind }) => kind === "user"));
  const atom = segment?.find(({ kind }) => kind === "user");
  if (segment === undefined || segment === null || atom?.kind !== "user") return;
  const index = indexOf(atom.attribute);
  for (const part of new Set(name.split("/"))) {
    for (const value of segment.length === 1 ? [part] : listParts(part, index)) {
      for (const userId of index.get(value) ?? []) found.add(userId);
    }
  }
}

function listParts(text: string, index: UsersByValue): Iterable<string> {
  if (text.length > MAX_CUT) return index.keys().filter((value) => text.includes(value));
  const parts = new Set<string>();
  for (let from = 0; from < text.length; from += 1) {
    for (let to = from + 1; to <= text.length; to += 1) parts.add(text.slice(from, to));
  }
  return parts;
}
