/** Users of Phabricator: read with the extension's methods where it is installed, else with those of stock Conduit. */
import { z } from "zod";
import { ConduitError, type Conduit } from "./conduit.ts";
import { parseResult } from "./parse-result.ts";
import { readAgain, resolveOutcome } from "./resolve-outcome.ts";

/** A user of Phabricator. */
export interface Account {
  readonly phid: string;
  readonly userName: string;
  readonly realName: string;
  /** The primary address; undefined where the extension is missing, since stock Conduit does not tell. */
  readonly email: string | undefined;
  /** Whether somebody proved that the primary address is his. */
  readonly isEmailVerified: boolean;
  readonly isDisabled: boolean;
  /** An account that waits for approval can do nothing. */
  readonly isApproved: boolean;
  readonly isBot: boolean;
  /** Active public keys; undefined where the extension is missing. */
  readonly sshKeys: readonly string[] | undefined;
  /** When it was made, in seconds since 1970. */
  readonly createdAt: number;
}

/** An account to make. */
export interface NewAccount {
  readonly userName: string;
  readonly email: string;
  readonly realName: string;
  readonly isBot: boolean;
}

/** What an account shall be; what is left out stays. */
export interface AccountEdit {
  readonly isDisabled?: boolean;
  readonly isApproved?: boolean;
  readonly userName?: string;
  readonly email?: string;
  readonly realName?: string;
  /** The password of Git and Mercurial over HTTP. */
  readonly vcsPassword?: string;
  readonly sshKeys?: readonly string[];
}

/** By what accounts are looked up. */
export type AccountKey = { readonly phids: readonly string[] } | { readonly userNames: readonly string[] };

/** The accounts of one server. All throw `ConduitError`. */
export interface Accounts {
  list(): Promise<readonly Account[]>;
  find(key: AccountKey): Promise<readonly Account[]>;
  /** Whether the account has the address, as far as the server tells, and has proved its primary one. */
  hasEmail(account: Account, email: string): Promise<boolean>;
  /** Needs the extension. The same name and address again give the same account. */
  create(account: NewAccount): Promise<Account>;
  /** Needs the extension but for `isDisabled` and `isApproved`. */
  edit(phid: string, edit: AccountEdit): Promise<void>;
}

const pageSize = 100;

const extensionAccount = z.object({
  id: z.number(),
  phid: z.string(),
  userName: z.string(),
  realName: z.string(),
  email: z.string().nullable(),
  isEmailVerified: z.boolean(),
  isDisabled: z.boolean(),
  isApproved: z.boolean(),
  isBot: z.boolean(),
  isMailingList: z.boolean(),
  sshKeys: z.array(z.string()),
  dateCreated: z.number(),
});
const extensionPage = z.object({ data: z.array(extensionAccount), after: z.number().nullable() });
const created = z.object({ user: extensionAccount });
const emailOwners = z.array(z.object({ phid: z.string() }));
const stockPage = z.object({
  data: z.array(
    z.object({
      phid: z.string(),
      fields: z.object({
        username: z.string(),
        realName: z.string(),
        roles: z.array(z.string()),
        dateCreated: z.number(),
      }),
    }),
  ),
  cursor: z.object({ after: z.union([z.string(), z.number()]).nullable() }),
});

type Page = { readonly accounts: readonly Account[]; readonly after: string | number | null };

/** Makes the accounts of a server. */
export function createAccounts(conduit: Conduit): Accounts {
  async function readPage(key: AccountKey | undefined, after: string | number | null): Promise<Page> {
    try {
      return await readExtensionPage(conduit, key, after);
    } catch (error) {
      if (error instanceof ConduitError && error.kind === "unknown-method") return readStockPage(conduit, key, after);
      throw error;
    }
  }

  async function readPages(key: AccountKey | undefined): Promise<readonly Account[]> {
    const accounts: Account[] = [];
    let after: string | number | null = null;
    do {
      const before: string | number | null = after;
      const page: Page = await readAgain(() => readPage(key, before));
      accounts.push(...page.accounts);
      after = page.after;
    } while (after !== null);
    return accounts;
  }

  const find = (key: AccountKey): Promise<readonly Account[]> =>
    Object.values(key).every((values) => values.length === 0) ? Promise.resolve([]) : readPages(key);

  return {
    list: () => readPages(undefined),
    find,
    hasEmail: async (account, email) => {
      if (!account.isEmailVerified) return false;
      if (account.email !== undefined) return account.email.toLowerCase() === email.toLowerCase();
      const owners = await readAgain(() => conduit.read("user.query", { emails: [email] }));
      return parseResult(emailOwners, "user.query", owners).some(({ phid }) => phid === account.phid);
    },
    create: (account) =>
      // The same call again finds the account that an earlier one made.
      resolveOutcome({ write: () => writeNew(conduit, account) }),
    edit: async (phid, edit) => {
      // Setting what is already so changes nothing, so that an unknown outcome is settled by doing it again.
      await resolveOutcome({ write: () => writeEdit(conduit, phid, edit) });
    },
  };
}

async function writeNew(conduit: Conduit, account: NewAccount): Promise<Account> {
  const method = "branchward.user.create";
  return toAccount(parseResult(created, method, await conduit.write(method, account)).user);
}

async function writeEdit(conduit: Conduit, phid: string, edit: AccountEdit): Promise<void> {
  const { isDisabled, isApproved, ...rest } = edit;
  const transactions = [
    ...(isDisabled === undefined ? [] : [{ type: "disabled", value: isDisabled }]),
    ...(isApproved === undefined ? [] : [{ type: "approved", value: isApproved }]),
  ];
  // First, and by what every server has: a disabled user must not wait for anything else.
  if (transactions.length > 0) await conduit.write("user.edit", { objectIdentifier: phid, transactions });
  if (Object.keys(rest).length > 0) await conduit.write("branchward.user.edit", { user: phid, ...rest });
}

async function readExtensionPage(
  conduit: Conduit,
  key: AccountKey | undefined,
  after: string | number | null,
): Promise<Page> {
  const method = "branchward.user.search";
  const parameters = { ...key, ...(after === null ? {} : { after }), limit: pageSize };
  const page = parseResult(extensionPage, method, await conduit.read(method, parameters));
  return {
    accounts: page.data.filter(({ isMailingList }) => !isMailingList).map(toAccount),
    after: page.after,
  };
}

async function readStockPage(
  conduit: Conduit,
  key: AccountKey | undefined,
  after: string | number | null,
): Promise<Page> {
  const constraints = key === undefined ? {} : "phids" in key ? { phids: key.phids } : { usernames: key.userNames };
  const parameters = {
    queryKey: "all",
    constraints,
    order: "oldest",
    limit: pageSize,
    ...(after === null ? {} : { after: String(after) }),
  };
  const page = parseResult(stockPage, "user.search", await conduit.read("user.search", parameters));
  return {
    accounts: page.data
      .filter(({ fields }) => !fields.roles.includes("list"))
      .map(({ phid, fields }) => ({
        phid,
        userName: fields.username,
        realName: fields.realName,
        email: undefined,
        isEmailVerified: fields.roles.includes("verified"),
        isDisabled: fields.roles.includes("disabled"),
        isApproved: fields.roles.includes("approved"),
        isBot: fields.roles.includes("bot"),
        sshKeys: undefined,
        createdAt: fields.dateCreated,
      })),
    after: page.cursor.after,
  };
}

function toAccount(account: z.infer<typeof extensionAccount>): Account {
  return {
    phid: account.phid,
    userName: account.userName,
    realName: account.realName,
    email: account.email ?? undefined,
    isEmailVerified: account.isEmailVerified,
    isDisabled: account.isDisabled,
    isApproved: account.isApproved,
    isBot: account.isBot,
    sshKeys: account.sshKeys,
    createdAt: account.dateCreated,
  };
}
