/** What some prefix of the history allowed: nobody may ever be given anything else. */
import { ENTITLEMENTS, isAboutForSomebody, NAMES } from "./policy.ts";
import { type Life, listHolders, type World } from "./world.ts";

export interface Safety {
  /** Takes in what is allowed now. Called after every step of the history. */
  note(world: World): void;
  /** A branch is renamed: until that is verified nobody is given what the former name did not give (rule A5). */
  narrow(from: string, to: string): void;
  widen(name: string): void;
  isNarrowed(name: string): boolean;
  /** Whether the user may have been given it. */
  wasAllowed(name: string, entitlement: string, userId: string): boolean;
}

function key(...parts: readonly string[]): string {
  return parts.join(" ");
}

export function createSafety(): Safety {
  const allowed = new Set<string>();
  /** Verbs that were nobody's to give there: they were everybody's (rule B2). */
  const free = new Set<string>();
  const narrowed = new Map<string, Set<string>>();
  const isAllowed = (name: string, entitlement: string, userId: string) => allowed.has(key(name, entitlement, userId));
  return {
    note(world) {
      const noteHolders = (name: string, life: Life | undefined): void => {
        for (const [entitlement, { may }] of listHolders(world, name, life)) {
          for (const userId of may) allowed.add(key(name, entitlement, userId));
        }
      };
      for (const [name, formerNames] of narrowed) {
        for (const former of formerNames) noteHolders(former, world.lives.get(name));
      }
      for (const name of NAMES) {
        noteHolders(name, world.lives.get(name));
        if (world.policy === null) continue;
        const rules = world.policy.rules.filter((rule) => isAboutForSomebody(rule, name));
        const named = rules.flatMap((rule) => [...rule.grants, ...(rule.deny ?? [])].map((each) => each.entitlement));
        for (const entitlement of ENTITLEMENTS) if (!named.includes(entitlement)) free.add(key(name, entitlement));
      }
    },
    narrow(from, to) {
      narrowed.set(to, new Set([...(narrowed.get(from) ?? []), from]));
    },
    isNarrowed: (name) => narrowed.has(name),
    widen: (name) => void narrowed.delete(name),
    wasAllowed(name, entitlement, userId) {
      const isKept = [...(narrowed.get(name) ?? [])].every(
        (from) => free.has(key(from, entitlement)) || isAllowed(from, entitlement, userId),
      );
      return isKept && isAllowed(name, entitlement, userId);
    },
  };
}
