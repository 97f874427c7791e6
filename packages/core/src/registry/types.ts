import type { BranchEvent, NormalizedDelivery } from "../branch-event.ts";
import type { BranchState, IncarnationId, RefType } from "../words.ts";

/** One life of a branch as the registry knows it. */
export interface Incarnation {
  readonly id: IncarnationId;
  readonly refType: RefType;
  readonly name: string;
  readonly state: BranchState;
  /** True while an unproven end is being looked up (rule A4). */
  readonly suspect: boolean;
  readonly head: string | null;
  /** Newest first, each once, never the present one. */
  readonly previousNames: readonly string[];
  readonly mergedInto: IncarnationId | null;
  /** By the receiver's clock. */
  readonly bornAt: Date;
  readonly endedAt: Date | null;
  /** What made it known. Only a create observed as such is the half of a rename: a push shows that the ref existed before. */
  readonly bornOf: "create" | "push" | "sighting";
  /** The delivery group and actor key that created and ended it: the halves of a rename (rule A5). */
  readonly bornGroup: string | null;
  readonly bornBy: string | null;
  readonly endedGroup: string | null;
  readonly endedBy: string | null;
  /** The newest source clock seen for it, null where the source gives none. */
  readonly evidenceAt: Date | null;
}

export interface RegistryInput {
  /** Incarnations of the repository: all live ones with a name in the delivery, and all born or ended within the pairing window. */
  readonly incarnations: readonly Incarnation[];
  readonly delivery: NormalizedDelivery;
  readonly receivedAt: Date;
  readonly pairingWindowMs: number;
  readonly newId: () => IncarnationId;
}

export interface RegistryDecision {
  /** In the order in which they are recorded. */
  readonly events: readonly (BranchEvent & { readonly incarnation: IncarnationId | null })[];
  /** Final rows of every incarnation that is new or changed. */
  readonly incarnations: readonly Incarnation[];
  /** Renames decided here: the scopes of `incarnation` get the stricter desired until verified; `merged` loses its groups first. */
  readonly renames: readonly {
    readonly incarnation: IncarnationId;
    readonly from: string;
    readonly to: string;
    readonly merged: IncarnationId | null;
    /** True when a recorded delete is superseded: just-in-time grants ended by it resume. */
    readonly revived: boolean;
  }[];
  /** Revisions that answer for an incarnation besides its heads (rule D3). */
  readonly queued: readonly { readonly incarnation: IncarnationId; readonly head: string }[];
  /** Every incarnation whose scopes must be looked at again. */
  readonly touched: readonly IncarnationId[];
}
