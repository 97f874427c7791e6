/** Accounts that were in the native system before the bridge: how SCIM tells them, and what may be done with them. */
import { sshKeysSchema } from "@branchward/core";
import { attribute, type JsonObject, type SchemaDefinition, ScimError } from "@branchward/scim";

/** The extension that tells an account which nobody has adopted yet. */
export const nativeAccountSchema: SchemaDefinition = {
  id: "urn:branchward:scim:schemas:extension:1.0:NativeAccount",
  name: "NativeAccount",
  description: "Where the account of a user came from",
  attributes: [
    attribute({
      name: "state",
      description: "found: in the native system before the bridge, and left as it is until a PATCH or PUT adopts it.",
      mutability: "readOnly",
      canonicalValues: ["found"],
    }),
  ],
};

/** An account of the native system that the bridge neither made nor adopted. */
export interface FoundAccount {
  readonly account: string;
  /** What the target keeps of it: a password's hash, keys as `type base64`. */
  readonly native: { readonly password?: string; readonly keys: readonly string[] };
}

/** What SCIM shows of it; nothing else is known. */
export function toFoundAttributes({ account, native }: FoundAccount): JsonObject {
  const keys = native.keys.map((value) => ({ value }));
  return {
    userName: account,
    active: true,
    ...(keys.length === 0 ? {} : { [sshKeysSchema]: { keys } }),
  };
}

/** @throws ScimError 409: what the bridge neither made nor adopted it does not remove (rule C6) */
export function refuseRemoval(account: string): ScimError {
  const detail = `${account} was in the native system before the bridge and is not removed by it; adopt it by a PATCH or PUT first`;
  return new ScimError(409, detail, "mutability");
}
