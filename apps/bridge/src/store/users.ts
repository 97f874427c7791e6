/** What a user becomes when it is created or changed. */
import { sshKeysSchema } from "@branchward/core";
import { foldCase, type JsonObject, ownValue, ScimError } from "@branchward/scim";
import { nativeAccountSchema } from "../accounts/found-account.ts";
import type { HeldUser, Snapshot } from "../state/snapshot.ts";
import { textOf } from "../state/text-of.ts";
import type { NativeTarget } from "../target.ts";

/** The new state of a user: its account made by the target, its names held by nobody else. @throws ScimError 400, 409 */
export async function toUser(
  { target, snapshot }: { readonly target: NativeTarget; readonly snapshot: Snapshot },
  wanted: JsonObject,
  identity: Pick<HeldUser, "id" | "version" | "created" | "lastModified"> & { readonly before: HeldUser | undefined },
): Promise<HeldUser> {
  const { before, ...meta } = identity;
  // An account that is written is nobody's find any more.
  const { password, [nativeAccountSchema.id]: _, ...others } = wanted;
  const kept = before?.isFound ? pickKeys(before.attributes) : {};
  const attributes = { ...kept, ...others, active: others["active"] ?? before?.attributes["active"] ?? true };
  const secret = typeof password === "string" ? password : undefined;
  const account = await target.toAccount({ attributes, password: secret, before, users: snapshot.users });
  const user = { ...meta, attributes, ...account };
  requireFreeNames(snapshot, user);
  return user;
}

/** Whoever adopts an account without a word of its keys does not take them away. */
function pickKeys(attributes: JsonObject): JsonObject {
  const keys = ownValue(attributes, sshKeysSchema);
  return keys === undefined ? {} : { [sshKeysSchema]: keys };
}

function requireFreeNames({ users }: Snapshot, user: HeldUser): void {
  const key = nameKey(user);
  const externalId = user.attributes["externalId"];
  for (const other of users.values()) {
    if (other.id === user.id) continue;
    if (nameKey(other) === key) throw taken(`userName ${textOf(user.attributes, "userName")}`, other);
    if (other.account.toLowerCase() === user.account.toLowerCase()) throw taken(`the account ${user.account}`, other);
    if (externalId !== undefined && other.attributes["externalId"] === externalId)
      throw taken(`externalId ${textOf(user.attributes, "externalId")}`, other);
  }
}

function nameKey({ attributes }: HeldUser): string {
  return foldCase(textOf(attributes, "userName"));
}

function taken(what: string, { id, isFound }: HeldUser): ScimError {
  const detail = isFound
    ? `${what} was in the native system before the bridge: a PATCH or PUT of /Users/${id} adopts it`
    : `${what} is another user's`;
  return new ScimError(409, detail, "uniqueness");
}
