/** What a schedule is run on: which endpoints there are, and how each behaves beside the faults that a schedule asks for. */

export interface EndpointTraits {
  readonly name: EndpointName;
  /** The built-in directory itself: it does what it says, and nobody else writes to it. */
  readonly isBuiltin: boolean;
  /** Refuses a `Branchward-Fence` below one that it has seen for the group, as bridges do. */
  readonly isFencing: boolean;
  /** Gives versions, and refuses a write whose `If-Match` names another. */
  readonly hasVersions: boolean;
  /** What it is read is what was so a while ago. */
  readonly isLagging: boolean;
  /** What is done about differences that Branchward did not cause. */
  readonly drift: "repair" | "report";
}

/** Every endpoint that policies pin grants to. */
export type EndpointName = "hg" | "mirror";

export interface Setting {
  readonly endpoints: readonly EndpointTraits[];
  /** How many a group may lose within an hour, and a client may deactivate (rules C1, C2); null where no guard matters. */
  readonly guards: GuardLimits | null;
}

export interface GuardLimits {
  readonly maxRemovals: number;
  /** Of the members at the start of the hour; a group is over its limit past both. */
  readonly maxRemovalShare: number;
  readonly maxDeactivations: number;
}

const FENCING: EndpointTraits = {
  name: "hg",
  isBuiltin: false,
  isFencing: true,
  hasVersions: true,
  isLagging: false,
  drift: "repair",
};

/** One endpoint that refuses a stale fence. */
export const fencing: Setting = { endpoints: [FENCING], guards: null };

/** The built-in directory. */
export const builtin: Setting = { endpoints: [{ ...FENCING, isBuiltin: true }], guards: null };

/** One endpoint that knows no fence. */
export const foreign: Setting = { endpoints: [{ ...FENCING, isFencing: false }], guards: null };

/** One endpoint, and guards that a removal exceeds, or a second deactivation. */
export const guarded: Setting = { ...foreign, guards: { maxRemovals: 0, maxRemovalShare: 0, maxDeactivations: 1 } };

/** One endpoint, and guards that let somebody go within an hour, and two deactivations. */
export const lenient: Setting = {
  ...foreign,
  guards: { maxRemovals: 1, maxRemovalShare: 0.3, maxDeactivations: 2 },
};

/** One where differences are reported alone, and one that knows neither fence nor version and shows writes late. */
export const pair: Setting = {
  endpoints: [
    { ...FENCING, drift: "report" },
    { name: "mirror", isBuiltin: false, isFencing: false, hasVersions: false, isLagging: true, drift: "repair" },
  ],
  guards: null,
};
