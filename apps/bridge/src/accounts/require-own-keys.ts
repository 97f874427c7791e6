import { type JsonObject, ScimError } from "@branchward/scim";
import { z } from "zod";
import type { HeldUser } from "../state/snapshot.ts";

const native = z.object({ keys: z.array(z.string()).default([]) });

/** The SSH keys that a target keeps of an account, as `type base64`. */
export function keysOf(user: { readonly native: JsonObject }): readonly string[] {
  return native.parse(user.native).keys;
}

/** A key tells one person from another. @throws ScimError 409 for a key that somebody else has */
export function requireOwnKeys(users: Iterable<HeldUser>, keys: readonly string[], id: string | undefined): void {
  if (keys.length === 0) return;
  for (const user of users) {
    if (user.id === id || !keysOf(user).some((key) => keys.includes(key))) continue;
    throw new ScimError(409, `an SSH key is ${user.account}'s already`, "uniqueness");
  }
}
