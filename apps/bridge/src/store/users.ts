/** What a user becomes when it is created or changed. */
import { foldCase, type JsonObject, ScimError } from "@branchward/scim";
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
  const { password, ...others } = wanted;
  const attributes = { ...others, active: others["active"] ?? before?.attributes["active"] ?? true };
  const secret = typeof password === "string" ? password : undefined;
  const account = await target.toAccount({ attributes, password: secret, before, users: snapshot.users });
  const user = { ...meta, attributes, ...account };
  requireFreeNames(snapshot, user);
  return user;
}

function requireFreeNames({ users }: Snapshot, user: HeldUser): void {
  const key = nameKey(user);
  const externalId = user.attributes["externalId"];
  for (const other of users.values()) {
    if (other.id === user.id) continue;
    if (nameKey(other) === key) throw taken(`userName ${textOf(user.attributes, "userName")}`);
    if (other.account.toLowerCase() === user.account.toLowerCase()) throw taken(`the account ${user.account}`);
    if (externalId !== undefined && other.attributes["externalId"] === externalId)
      throw taken(`externalId ${textOf(user.attributes, "externalId")}`);
  }
}

function nameKey({ attributes }: HeldUser): string {
  return foldCase(textOf(attributes, "userName"));
}

function taken(what: string): ScimError {
  return new ScimError(409, `${what} is another user's`, "uniqueness");
}
