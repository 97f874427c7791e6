import type { RefType, Site, Trust, Vcs } from "./words.ts";

/** Who caused a delivery, as the source names them; resolved to a user elsewhere (rules B5, B6). */
export interface Actor {
  /** The source's own stable name for the actor: a login, a transport user, an e-mail address. */
  readonly key: string;
  readonly email: string | null;
  readonly trust: Trust;
}

/** How a source names a repository (rule A2). */
export interface RepositoryClaim {
  /** The source's own id, where it gives one. It survives renames and transfers. */
  readonly nativeId: string | null;
  /** `owner/name` or path; a label where `nativeId` is given. */
  readonly name: string;
  readonly vcs: Vcs;
}

/** One ref's change as the source observed it. Revisions are full ids (40 or 64 hex), null for absent or unknown. */
export interface RefChange {
  readonly kind: "create" | "delete" | "push";
  readonly refType: RefType;
  /** Exact name without `refs/heads/`. */
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
  /** True when the push was not a fast-forward; null when the source does not say. */
  readonly forced: boolean | null;
  /** hg named branches: all heads closed after this change (rule A7). */
  readonly closed: boolean;
}

/** What a source saw of one ref at `occurredAt`: its head, or null when the ref is gone. Evidence for rule A4. */
export interface RefSighting {
  readonly refType: RefType;
  readonly name: string;
  readonly head: string | null;
}

/** A revision that a host tries on behalf of a branch before it may become its head: a merge queue's group (rule D3). */
export interface QueuedHead {
  readonly refType: RefType;
  /** The branch that it would be merged into. */
  readonly name: string;
  readonly head: string;
  /** True where the host says so of that branch itself; false where no more than the name of a temporary ref tells of it. */
  readonly isBaseSeen: boolean;
}

/** A checkout in one working copy; null branch: the working copy left every branch (detached). */
export interface CheckoutClaim {
  readonly refType: RefType;
  readonly name: string | null;
  readonly revision: string | null;
  /** Opaque stable id of the working copy. */
  readonly workingCopy: string;
}

/** The normalised meaning of one delivery. Pure data: `vcs` makes it, the registry consumes it. */
export interface NormalizedDelivery {
  readonly repository: RepositoryClaim | null;
  readonly site: Site;
  /** The source's event name, for display: `push`, `post-receive`… */
  readonly event: string;
  /** The source's clock where it gives one. */
  readonly occurredAt: Date | null;
  readonly actor: Actor | null;
  /** Equal for changes of one push or one hg transaction (rule A5); null when the source cannot say. */
  readonly groupKey: string | null;
  readonly changes: readonly RefChange[];
  /** `rename-from` evidence: only chooses among a delete and a create that were observed. */
  readonly renames: readonly { readonly refType: RefType; readonly from: string; readonly to: string }[];
  readonly sightings: readonly RefSighting[];
  readonly queued: readonly QueuedHead[];
  readonly checkout: CheckoutClaim | null;
  /** Why an authentic delivery has no meaning for us; null when it has one. */
  readonly ignored: string | null;
}

/** A branch event as recorded and shown. */
export interface BranchEvent {
  readonly kind: "checkout" | "create" | "rename" | "delete" | "push";
  readonly refType: RefType;
  readonly name: string;
  /** The former name of a rename, else null. */
  readonly previousName: string | null;
  readonly before: string | null;
  readonly after: string | null;
  /** Set where the event was recorded without effect, with the reason (`client-claim`, `stale`, `suspect`…). */
  readonly note: string | null;
}
