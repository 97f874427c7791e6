/** Pure: what of a SCIM User an account of Phabricator holds, and back. */
import { sshKeysSchema } from "@branchward/core";
import { isDeepStrictEqual } from "node:util";
import {
  attribute,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type SchemaDefinition,
  ScimError,
} from "@branchward/scim";
import { type AccountNaming, toAccountName } from "../accounts/account-name.ts";
import { listKeys } from "../accounts/ssh-keys.ts";
import type { Account, AccountEdit } from "./accounts.ts";
import { textOf } from "../state/text-of.ts";

/** The extension that tells how a User stands at Phabricator. */
export const phabricatorAccountSchema: SchemaDefinition = {
  id: "urn:branchward:scim:schemas:extension:1.0:PhabricatorAccount",
  name: "PhabricatorAccount",
  description: "The account of a user at Phabricator",
  attributes: [
    attribute({
      name: "state",
      description: "linked, or pending-link: the account waits for its owner's first login.",
      mutability: "readOnly",
      canonicalValues: ["linked", "pending-link"],
    }),
    attribute({ name: "phid", description: "The account's PHID.", caseExact: true, mutability: "readOnly" }),
  ],
};

/** @throws ScimError 400 invalidValue for a name that Phabricator does not take */
export function toUserName(naming: AccountNaming, attributes: JsonObject): string {
  const name = toAccountName(naming, attributes);
  // PhabricatorUser::validateUsername, which knows no plus.
  if (/^[A-Za-z0-9._-]*[A-Za-z0-9_-]$/.test(name)) return name;
  const detail = `${naming.attribute} makes no account name: Phabricator takes letters, digits and . _ -, and no dot at the end`;
  throw new ScimError(400, detail, "invalidValue");
}

/** The name to show: of several, the most deliberate one. */
export function toRealName(attributes: JsonObject): string {
  const name = isJsonObject(attributes["name"]) ? attributes["name"] : {};
  const parts = [name["givenName"], name["familyName"]].filter(isFilled).join(" ");
  const found = [attributes["displayName"], name["formatted"], parts].find(isFilled);
  return found ?? textOf(attributes, "userName");
}

/** The primary address, else the one for work, else the first; undefined where there is none. */
export function findEmail(attributes: JsonObject): string | undefined {
  const emails = Array.isArray(attributes["emails"]) ? attributes["emails"].filter(isJsonObject) : [];
  const best =
    emails.find(({ primary }) => primary === true) ?? emails.find(({ type }) => type === "work") ?? emails[0];
  return isFilled(best?.["value"]) ? best["value"] : undefined;
}

/**
 * What the account must become to be as the attributes say; `before` are those that were shown. Attributes without keys
 * say nothing of keys: a client that does not know the extension must not revoke them, which nothing undoes.
 * @throws ScimError 400 invalidValue
 */
export function toAccountEdit(
  account: Account,
  {
    before,
    after,
    naming,
  }: { readonly before: JsonObject; readonly after: JsonObject; readonly naming: AccountNaming },
): AccountEdit {
  const isActive = after["active"] !== false;
  const userName = toUserName(naming, after);
  const realName = toRealName(after);
  const email = findEmail(after);
  // Without the extension the present address is unknown: what was shown stands for it.
  const presentEmail = account.email ?? findEmail(before);
  const presentKeys = account.sshKeys ?? sayKeys(before);
  const { password } = after;
  return {
    ...(account.isDisabled === isActive ? { isDisabled: !isActive } : {}),
    ...(isActive && !account.isApproved ? { isApproved: true } : {}),
    ...(userName === account.userName ? {} : { userName }),
    ...(realName === account.realName || (account.realName === "" && realName === toRealName(before))
      ? {}
      : { realName }),
    ...(email === undefined || isSameText(email, presentEmail) ? {} : { email }),
    ...(isFilled(password) ? { vcsPassword: password } : {}),
    ...(after[sshKeysSchema] === undefined || hasSameKeys(presentKeys, sayKeys(after))
      ? {}
      : { sshKeys: listKeys(after) }),
  };
}

/**
 * The attributes as they are shown: what a client said, put right by what the account is. Keys of a disabled account let
 * nobody in. They are not shown where a client took them away, and stay: one that is revoked could never come back.
 */
export function observe(attributes: JsonObject, account: Account, naming: AccountNaming): JsonObject {
  const shown: Record<string, JsonValue | undefined> = { ...attributes };
  delete shown["password"];
  if (!hasUserName(attributes, account, naming)) shown["userName"] = account.userName;
  if (account.realName !== "" && toRealName(attributes) !== account.realName) shown["displayName"] = account.realName;
  if (account.email !== undefined && !isSameText(account.email, findEmail(attributes)))
    shown["emails"] = [{ value: account.email, type: "work", primary: true }];
  shown["active"] = !account.isDisabled && account.isApproved;
  shown[phabricatorAccountSchema.id] = { state: "linked", phid: account.phid };
  const areKeysShown = (!account.isDisabled && account.isApproved) || attributes[sshKeysSchema] !== undefined;
  if (areKeysShown && account.sshKeys !== undefined && !hasSameKeys(account.sshKeys, sayKeys(attributes)))
    shown[sshKeysSchema] = { keys: account.sshKeys.map((value) => ({ value })) };
  return shown;
}

/** The attributes of an account that no client has described. */
export function toAttributes(account: Account, naming: AccountNaming): JsonObject {
  const described = { userName: account.userName, ...(account.isBot ? { userType: "Bot" } : {}) };
  return observe(described, account, naming);
}

/** The attributes of a user whose account is still to come. */
export function toPendingAttributes(attributes: JsonObject): JsonObject {
  const { password: _, ...others } = attributes;
  return { ...others, active: false, [phabricatorAccountSchema.id]: { state: "pending-link" } };
}

/** The keys as they were last shown, of which only our own writing is certain to pass `listKeys`. */
function sayKeys(attributes: JsonObject): readonly string[] {
  const extension = attributes[sshKeysSchema];
  const keys = isJsonObject(extension) ? extension["keys"] : undefined;
  return Array.isArray(keys) ? keys.filter(isJsonObject).map((key) => textOf(key, "value")) : [];
}

/** A name that makes no account name is not this account's. */
function hasUserName(attributes: JsonObject, account: Account, naming: AccountNaming): boolean {
  try {
    return toAccountName(naming, attributes) === account.userName;
  } catch (error) {
    if (error instanceof ScimError) return false;
    throw error;
  }
}

/** Comments of keys do not count. */
function hasSameKeys(left: readonly string[], right: readonly string[]): boolean {
  return isDeepStrictEqual(new Set(left.map(toKeyBody)), new Set(right.map(toKeyBody)));
}

function toKeyBody(key: string): string {
  return key.trim().split(/\s+/).slice(0, 2).join(" ");
}

function isSameText(left: string, right: string | undefined): boolean {
  return left.toLowerCase() === right?.toLowerCase();
}

function isFilled(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
