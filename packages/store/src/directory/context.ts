/** Who asks the directory, and what they may see and write (rule C7). */
import { branchEntitlementSchema } from "@branchward/core";
import { ScimError } from "@branchward/scim";
import { sql, type RawBuilder } from "kysely";
import type { Fence } from "./fence.ts";
import type { GroupKind } from "./tables.ts";

/** The client of the directory, as the host found it by its token. */
export interface DirectoryContext {
  /** Under which name resources are provisioned. */
  readonly client: string;
  /** `internal` is the worker, the only one to write entitlement groups. */
  readonly kind: "provisioning" | "admin" | "internal";
  /** What the writer's lease is (rule C4), from `parseFence`. */
  readonly fence?: Fence;
}

/** The extension that marks an entitlement group. */
export const entitlementExtension = branchEntitlementSchema;

/** Whose resources alone the client sees; null where it sees those of all. */
export function ownerOf({ kind, client }: DirectoryContext): string | null {
  return kind === "provisioning" ? client : null;
}

/** SQL: whether the client sees a user. */
export function visibleUser(context: DirectoryContext): RawBuilder<boolean> {
  return context.kind === "provisioning" ? sql`directory_users.client = ${context.client}` : sql`true`;
}

/** SQL: whether the client sees a group. */
export function visibleGroup(context: DirectoryContext): RawBuilder<boolean> {
  if (context.kind !== "provisioning") return sql`true`;
  return sql`directory_groups.kind = 'provisioned' and directory_groups.client = ${context.client}`;
}

/** SQL: how many users or groups a client sees, from the counts that the tables keep. */
export function countVisible(context: DirectoryContext, noun: "users" | "groups"): RawBuilder<number> {
  const kinds =
    noun === "users"
      ? sql`kind = 'user'`
      : context.kind === "provisioning"
        ? sql`kind = 'provisioned'`
        : sql`kind in ('provisioned', 'entitlement')`;
  const owned = context.kind === "provisioning" ? sql` and client = ${context.client}` : sql``;
  return sql`(select coalesce(sum(total), 0)::bigint from directory_counts where ${kinds}${owned})`;
}

/** @throws ScimError 403 for the internal client, whose only business is entitlement groups */
export function requireProvisioner({ kind }: DirectoryContext): void {
  if (kind === "internal") throw new ScimError(403, "the internal client writes entitlement groups only");
}

/** @throws ScimError 403 where the client sees a group of this kind and may not write it */
export function requireGroupWriter(context: DirectoryContext, kind: GroupKind): void {
  if (kind === "provisioned") return requireProvisioner(context);
  if (context.kind !== "internal") throw new ScimError(403, "entitlement groups are written by policy alone");
}
