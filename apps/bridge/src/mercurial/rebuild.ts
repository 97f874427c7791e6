/** The state made from the native files alone: what they do not hold (names of people, e-mail) is gone until it is sent again. */
import { sshKeysSchema } from "@branchward/core";
import { z } from "zod";
import { readIndexLines } from "../files/index-line.ts";
import { splitBlock } from "../files/managed-block.ts";
import type { HeldGroup, HeldUser, Snapshot } from "../state/snapshot.ts";
import { textOf } from "../state/text-of.ts";
import { findText } from "../state/write-file.ts";
import { NOBODY } from "../accounts/account-name.ts";

export interface RebuildFrom {
  readonly htpasswd: string | null;
  readonly authorizedKeys: string | null;
  /** The files with groups. */
  readonly rules: readonly string[];
}

const json = z.record(z.string(), z.json());
const userLine = z.object({
  user: z.string(),
  account: z.string(),
  userName: z.string(),
  externalId: z.string().optional(),
  active: z.boolean().default(true),
  native: json.optional(),
});
const foundLine = z.object({ found: z.string(), account: z.string() });
const groupLine = z.object({
  group: z.string(),
  attributes: json,
  /** All members, where some are groups. */
  members: z.array(z.string()).optional(),
  /** Else those that are not active accounts. */
  others: z.array(z.string()).default([]),
});

/** Everybody and every group that the files name, with their ids. */
export async function rebuildSnapshot({ htpasswd, authorizedKeys, rules }: RebuildFrom): Promise<Snapshot> {
  const passwords = htpasswd === null ? [] : await readBlock(htpasswd);
  const keys = authorizedKeys === null ? [] : await readBlock(authorizedKeys);
  const users = new Map<string, HeldUser>();
  for (const record of readIndexLines([...passwords, ...keys])) {
    const user = userLine.safeParse(record);
    const found = foundLine.safeParse(record);
    if (user.success) users.set(user.data.user, toUser(user.data, passwords, keys));
    else if (found.success) users.set(found.data.found, toFoundUser(found.data));
  }
  const idByAccount = new Map([...users.values()].map(({ account, id }) => [account, id]));
  const groups = new Map<string, HeldGroup>();
  for (const path of rules) {
    for (const group of toGroups(((await findText(path)) ?? "").split("\n"), idByAccount)) groups.set(group.id, group);
  }
  return { users, groups };
}

async function readBlock(path: string): Promise<readonly string[]> {
  return splitBlock((await findText(path)) ?? "").block ?? [];
}

/** No ETag that was given before the loss may come back for something else. */
function meta() {
  const now = new Date();
  return { version: now.getTime(), created: now.toISOString(), lastModified: now.toISOString() };
}

function toUser(
  { user: id, account, userName, externalId, active, native }: z.output<typeof userLine>,
  passwords: readonly string[],
  keys: readonly string[],
): HeldUser {
  const password = passwords.find((line) => line.startsWith(`${account}:`))?.slice(account.length + 1);
  const own = keys.flatMap((line) => {
    const match = /^restrict,command="LOGNAME=(\S+) [^"]*" (\S+ \S+) /u.exec(line);
    return match?.[1] === account && match[2] !== undefined ? [match[2]] : [];
  });
  // Of an adopted account the hash may be of any kind.
  const found = { keys: own, ...(password === undefined ? {} : { password }) };
  const held = native ?? found;
  const listed = Array.isArray(held["keys"]) ? held["keys"].map((value: unknown) => ({ value: String(value) })) : [];
  return {
    id,
    ...meta(),
    account,
    native: held,
    attributes: {
      userName,
      active,
      ...(externalId === undefined ? {} : { externalId }),
      ...(listed.length === 0 ? {} : { [sshKeysSchema]: { keys: listed } }),
    },
  };
}

/** Its lines are read at the next look, and it goes where they are gone. */
function toFoundUser({ found: id, account }: z.output<typeof foundLine>): HeldUser {
  return { id, ...meta(), account, native: {}, attributes: { userName: account, active: true }, isFound: true };
}

function toGroups(lines: readonly string[], idByAccount: ReadonlyMap<string, string>): readonly HeldGroup[] {
  const settings = new Map(
    lines.flatMap((line) => {
      const match = /^([^#[%=]+?) = (.*)$/u.exec(line);
      return match?.[1] === undefined ? [] : [[match[1], match[2] ?? ""] as const];
    }),
  );
  return readIndexLines(lines).flatMap((record) => {
    const parsed = groupLine.safeParse(record);
    if (!parsed.success) return [];
    const { group: id, attributes, others, members: named } = parsed.data;
    const value = settings.get(`branchward-${id}`) ?? settings.get(textOf(attributes, "displayName")) ?? "";
    const accounts = value.split(", ").filter((account) => account !== "" && account !== NOBODY);
    const members = new Set(named ?? [...accounts.flatMap((account) => idByAccount.get(account) ?? []), ...others]);
    return [{ id, ...meta(), attributes, members, fence: 0 }];
  });
}
