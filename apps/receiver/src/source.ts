import type { Trust } from "@branchward/core";
import type { IdentitySource } from "@branchward/store";
import type { SourceReceiver } from "@branchward/vcs/receive";

/** A configured origin of webhooks with its secrets at hand. */
export interface Source extends IdentitySource {
  readonly receiver: SourceReceiver;
  /** Several while one is rotated. */
  readonly secrets: readonly Uint8Array[];
  readonly may: readonly ("checkout" | "refs")[];
  /** Checkouts with less start nothing (rule B6). */
  readonly requireTrust: Trust;
}
