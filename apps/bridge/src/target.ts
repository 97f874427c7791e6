/** What a bridge asks of the native system in front of which it stands. */
import type { JsonObject, SchemaSpecification } from "@branchward/scim";
import type { FoundAccount } from "./accounts/found-account.ts";
import type { HeldGroup, HeldUser, Snapshot } from "./state/snapshot.ts";

/** What a change touches: ids of users and groups that differ between the snapshots. */
export interface Touched {
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

/** One write on its way into the native system. */
export interface NativeChange {
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly touched: Touched;
}

/** A user as a client wants it, before anything is written. */
export interface UserDraft {
  /** Without the password. */
  readonly attributes: JsonObject;
  /** In clear, where this request gives one; it is kept as a hash only. */
  readonly password: string | undefined;
  readonly before: HeldUser | undefined;
  /** Everybody else, too. */
  readonly users: Snapshot["users"];
}

/** The native side of a user. */
export interface NativeAccount {
  /** The account's name; no two users may have the same one. */
  readonly account: string;
  readonly native: JsonObject;
}

/** A native system behind a `ScimStore`: Mercurial, gitolite. */
export interface NativeTarget extends AsyncDisposable {
  readonly kind: string;
  /** Extensions of User that this system understands. */
  readonly userExtensions: readonly SchemaSpecification[];
  /**
   * The accounts there that are nobody's here: not made by the bridge, nor adopted; undefined where that cannot be told.
   * Names that no account of the bridge can have are left out.
   */
  listFound(): Promise<readonly FoundAccount[] | undefined>;
  /**
   * The account of a user; one that was found is adopted by it.
   * @throws ScimError 400 invalidValue naming what the system cannot represent, 409 for what cannot be adopted
   */
  toAccount(draft: UserDraft): Promise<NativeAccount>;
  /** @throws ScimError 400 invalidValue naming what the system cannot represent or enforce */
  requireGroup(group: HeldGroup): void;
  /**
   * Writes what the change means, reads it back and asks the system. Whatever takes an account away goes first and
   * stays; anything else that cannot be proved is put back as it was.
   * @throws ScimError 503 with the reason, after which the change has not happened
   */
  apply(change: NativeChange): Promise<void>;
  /** Brings the whole system to the snapshot; returns what could not be, a sentence each. */
  reconcile(snapshot: Snapshot): Promise<readonly string[]>;
  /** Why what is held of the group is not so in the native system; undefined where it is, as of the last look. */
  findProblem(group: HeldGroup): string | undefined;
  /** What the native files alone tell, for a state that was lost. */
  rebuild(): Promise<Snapshot>;
}
