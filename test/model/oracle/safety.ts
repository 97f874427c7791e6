/** What some prefix of the history allowed: nobody may ever be given anything else. */
import type { EndpointName } from "../setting.ts";
import { ENTITLEMENTS, isAboutForSomebody, NAMES } from "./policy.ts";
import { type Life, listHolders, type Place, type World } from "./world.ts";

export interface Safety {
  /** Takes in what is allowed now. Called after every step of the history. */
  note(world: World): void;
  /** A branch is renamed: until that is verified at an endpoint nobody is given there what the former name did not give (rule A5). */
  narrow(from: string, to: string): void;
  widen(place: Place): void;
  /** Another branch bears the name: what the one before was called is nothing to it. */
  renew(name: string): void;
  isNarrowed(place: Place): boolean;
  /** Whether the user may have been given it. */
  wasAllowed(place: Place, entitlement: string, userId: string): boolean;
  /** Whether the user may have been given it but for being inactive: whom C2 keeps goes with the branch where both names give it. */
  wouldBeAllowed(place: Place, entitlement: string, userId: string): boolean;
}

function key(...parts: readonly string[]): string {
  return parts.join(" ");
}

export function createSafety(endpoints: readonly EndpointName[]): Safety {
  const parts = new Map(endpoints.map((endpoint) => [endpoint, createSafetyAt(endpoint)]));
  return {
    note(world) {
      for (const part of parts.values()) part.note(world);
    },
    narrow(from, to) {
      for (const part of parts.values()) part.narrow(from, to);
    },
    widen: ({ endpoint, name }) => parts.get(endpoint)?.widen(name),
    renew(name) {
      for (const part of parts.values()) part.widen(name);
    },
    isNarrowed: ({ endpoint, name }) => parts.get(endpoint)?.isNarrowed(name) ?? false,
    wasAllowed: ({ endpoint, name }, entitlement, userId) =>
      parts.get(endpoint)?.wasAllowed(name, key(entitlement, userId)) ?? false,
    wouldBeAllowed: ({ endpoint, name }, entitlement, userId) =>
      parts.get(endpoint)?.wouldBeAllowed(name, key(entitlement, userId)) ?? false,
  };
}

function createSafetyAt(endpoint: EndpointName) {
  const allowed = new Set<string>();
  /** What was allowed, were nobody inactive. */
  const allowedIfActive = new Set<string>();
  /** Verbs that were nobody's to give there: they were everybody's (rule B2). */
  const free = new Set<string>();
  const narrowed = new Map<string, Set<string>>();
  const noteHolders = (world: World, name: string, life: Life | undefined, into: Set<string>): void => {
    for (const [entitlement, { may }] of listHolders(world, { endpoint, name }, life)) {
      for (const userId of may) into.add(key(name, entitlement, userId));
    }
  };
  const noteAll = (world: World, into: Set<string>): void => {
    for (const [name, formerNames] of narrowed) {
      for (const former of formerNames) noteHolders(world, former, world.lives.get(name), into);
    }
    for (const name of NAMES) noteHolders(world, name, world.lives.get(name), into);
  };
  /** `held`: entitlement and user. */
  const isAmong = (set: ReadonlySet<string>, name: string, held: string): boolean => {
    const [entitlement = ""] = held.split(" ");
    const isKept = [...(narrowed.get(name) ?? [])].every(
      (from) => free.has(key(from, entitlement)) || set.has(key(from, held)),
    );
    return isKept && set.has(key(name, held));
  };
  return {
    note(world: World): void {
      noteAll(world, allowed);
      if ([...world.users.values()].some(({ active }) => !active)) noteAll(wakeEverybody(world), allowedIfActive);
      for (const name of NAMES) {
        for (const entitlement of listFree(world, name)) free.add(key(name, entitlement));
      }
    },
    narrow: (from: string, to: string): void => {
      narrowed.set(to, new Set([...(narrowed.get(from) ?? []), from]));
    },
    isNarrowed: (name: string): boolean => narrowed.has(name),
    widen: (name: string): void => void narrowed.delete(name),
    wasAllowed: (name: string, held: string): boolean => isAmong(allowed, name, held),
    wouldBeAllowed: (name: string, held: string): boolean => isAmong(allowed.union(allowedIfActive), name, held),
  };
}

function wakeEverybody(world: World): World {
  return { ...world, users: new Map([...world.users].map(([id, user]) => [id, { ...user, active: true }])) };
}

/** Verbs that no rule names there, whatever the endpoint. */
function listFree({ policy }: World, name: string): readonly string[] {
  if (policy === null) return [];
  const rules = policy.rules.filter((rule) => isAboutForSomebody(rule, name));
  const named = rules.flatMap((rule) => [...rule.grants, ...(rule.deny ?? [])].map((each) => each.entitlement));
  return ENTITLEMENTS.filter((entitlement) => !named.includes(entitlement));
}
