/** Mercurial as a native system: rules that acl reads at each push, and the files by which people come in. */
import { sshKeysExtension } from "@branchward/core";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "@branchward/runtime";
import { ScimError } from "@branchward/scim";
import { toAccountName } from "../accounts/account-name.ts";
import { type FoundAccount, nativeAccountSchema } from "../accounts/found-account.ts";
import { toPasswordHash } from "../accounts/password.ts";
import { requireOwnKeys } from "../accounts/require-own-keys.ts";
import { listKeys } from "../accounts/ssh-keys.ts";
import { replaceFiles, type WantedFile } from "../files/replace-files.ts";
import { findEntitlement } from "../state/entitlement.ts";
import { type HeldUser, isActive, type Snapshot } from "../state/snapshot.ts";
import type { FileOwnership } from "../state/write-file.ts";
import type { NativeAccount, NativeChange, NativeTarget, UserDraft } from "../target.ts";
import { type IncomingAccounts, NOBODY_INCOMING, secretsOf, toAccountFiles, toNative } from "./account-files.ts";
import type { MercurialConfiguration, MercurialRepository } from "./configuration.ts";
import { listFoundAccounts, listNamedAccounts } from "./found-lines.ts";
import { inspectHost } from "./host.ts";
import { requireRepresentable } from "./representable.ts";
import { createWebProbe, type WebProbe } from "./probe-web.ts";
import { createRuleProver } from "./prove-rules.ts";
import { readOthers } from "./read-others.ts";
import { createRepositories, type Repositories } from "./repositories.ts";
import { rebuildSnapshot } from "./rebuild.ts";
import { aclNameOf, createMemberLists, toAccountRules } from "./rules.ts";

export interface MercurialOptions {
  readonly configuration: MercurialConfiguration;
  readonly stateDir: string;
  readonly log: Logger;
}

/** @throws {ConfigurationError} for what is not there, or cannot take effect */
export async function openMercurial({ configuration, stateDir }: MercurialOptions): Promise<NativeTarget> {
  const host = await inspectHost(configuration);
  const rulesDir = configuration.rules ?? join(stateDir, "rules");
  const paths = {
    accounts: join(rulesDir, "accounts.rc"),
    launcher: join(rulesDir, "hg-ssh"),
    rulesOf: ({ name }: MercurialRepository) => join(rulesDir, "repositories", `${name}.rc`),
  };
  for (const directory of new Set([
    rulesDir,
    ...configuration.repositories.map((each) => dirname(paths.rulesOf(each))),
  ]))
    await mkdir(directory, { recursive: true, mode: 0o755 });
  const lists = createMemberLists(configuration.found);
  const prover = createRuleProver(host);
  const probe = createWebProbe(configuration.web);
  const repositories = createRepositories({ configuration, paths, lists, prover, probe });
  const served = new Set(configuration.repositories.map(({ path }) => path));
  const context: Context = {
    configuration,
    served,
    repositories,
    probe,
    accountFiles: (snapshot, incoming) =>
      toAccountFiles(
        {
          ...configuration,
          repositories: served,
          command: paths.launcher,
          owner: OWN,
          passwordLine: probe.passwordLine,
        },
        snapshot,
        incoming,
      ),
    sharedFiles: (snapshot) => [
      { path: paths.launcher, content: () => toLauncher(configuration), absent: { ...OWN, mode: 0o755 } },
      { path: paths.accounts, content: () => toAccountRules(snapshot, lists).text, absent: RULES },
    ],
  };
  return {
    kind: "mercurial",
    userExtensions: [sshKeysExtension, nativeAccountSchema],
    listFound: () => listFound(context),
    toAccount: (draft) => toAccount(configuration, draft),
    requireGroup: ({ attributes }) => requireRepresentable(configuration, attributes),
    findProblem: ({ attributes }) => {
      const repository = findEntitlement(attributes)?.repository;
      return repository === undefined ? undefined : repositories.findProblem(repository);
    },
    apply: (change) => apply(context, change),
    reconcile: (snapshot) => reconcile(context, snapshot),
    rebuild: () =>
      rebuildSnapshot({ ...configuration, rules: [paths.accounts, ...configuration.repositories.map(paths.rulesOf)] }),
    [Symbol.asyncDispose]: () => prover[Symbol.asyncDispose](),
  };
}

const OWN = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
/** Rules are read by whoever serves the repositories. */
const RULES: FileOwnership = { ...OWN, mode: 0o644 };

interface Context {
  readonly configuration: MercurialConfiguration;
  /** Absolute paths of the repositories. */
  readonly served: ReadonlySet<string>;
  readonly repositories: Repositories;
  readonly probe: WebProbe;
  readonly accountFiles: (snapshot: Snapshot, incoming: IncomingAccounts) => readonly WantedFile[];
  readonly sharedFiles: (snapshot: Snapshot) => readonly WantedFile[];
}

async function toAccount(
  { account: naming }: MercurialConfiguration,
  { attributes, password, before, users }: UserDraft,
): Promise<NativeAccount> {
  const account = toAccountName(naming, attributes);
  const keys = listKeys(attributes);
  requireOwnKeys(users.values(), keys, before?.id);
  const secrets = before === undefined ? undefined : secretsOf(before.native);
  const hash = password === undefined ? secrets?.password : await toPasswordHash(password, secrets?.password);
  return { account, native: toNative({ keys: [...keys], ...(hash === undefined ? {} : { password: hash }) }) };
}

/**
 * Accounts first: who is deactivated is out by http and ssh before any rule is written, and stays out whatever becomes
 * of the rules. A change of groups that a repository does not take is put back.
 */
async function apply(context: Context, change: NativeChange): Promise<void> {
  const { before, after, touched } = change;
  const { repositories } = context;
  const isOfAccounts = touched.users.size > 0;
  await requireUnmentioned(context, change);
  const incoming = toIncoming(change);
  const isShared = isOfAccounts || [...touched.groups].some((id) => [before, after].some((one) => isOfAll(one, id)));
  const files = [
    ...(isOfAccounts ? context.accountFiles(after, incoming) : []),
    ...(isShared ? context.sharedFiles(after) : []),
  ];
  const undo = await replaceFiles(files).catch((error: unknown) => {
    throw toRefusal(error);
  });
  const affected = repositories.listAffected(change);
  const refusal = await repositories.apply(change, affected);
  // What is said of an account is so; that a repository names it still is a problem of the repository.
  if (refusal === undefined || isOfAccounts) return;
  await undo();
  throw new ScimError(503, refusal);
}

/**
 * A group that is not defined means the one of that name of the operating system: whoever writes rules takes a group out
 * of them before it goes. @throws ScimError 409 saying which rule names it
 */
async function requireUnmentioned({ repositories }: Context, { before, after, touched }: NativeChange): Promise<void> {
  const listNames = ({ groups }: Snapshot): ReadonlySet<string> => {
    const held = [...touched.groups].flatMap((id) => groups.get(id) ?? []);
    return new Set(held.filter(({ attributes }) => findEntitlement(attributes) === undefined).map(aclNameOf));
  };
  const gone = listNames(before).difference(listNames(after));
  if (gone.size === 0) return;
  const mention = await repositories.findMention(gone).catch((error: unknown) => {
    throw toRefusal(error);
  });
  if (mention === undefined) return;
  const detail = `${mention}, which would then mean the operating system's group of that name; take it out of there first`;
  throw new ScimError(409, detail, "mutability");
}

function toIncoming({ before, after, touched }: NativeChange): IncomingAccounts {
  const users: HeldUser[] = [];
  const adopted: FoundAccount[] = [];
  for (const id of touched.users) {
    const user = after.users.get(id);
    const found = before.users.get(id);
    if (found?.isFound) adopted.push(toFoundAccount(found));
    if (user !== undefined && (isActive(user) || found?.isFound)) users.push(user);
  }
  return { users, adopted };
}

/** Ways in as an account of the bridge that the bridge cannot close. */
async function listStrayLines(files: MercurialConfiguration, { users }: Snapshot): Promise<readonly string[]> {
  const others = await readOthers(files);
  const named = others === undefined ? new Set<string>() : listNamedAccounts(others);
  return [...users.values()].flatMap(({ account, isFound }) =>
    isFound || !named.has(account.toLowerCase())
      ? []
      : [`there is a line for ${account} in ${listPaths(files).join(" or ")} that is not the bridge's; remove it`],
  );
}

function listPaths({ htpasswd, authorizedKeys }: MercurialConfiguration): readonly string[] {
  return [htpasswd, authorizedKeys].filter((path) => path !== null);
}

function toFoundAccount({ account, native }: HeldUser): FoundAccount {
  const { password, keys } = secretsOf(native);
  return { account, native: password === undefined ? { keys } : { password, keys } };
}

async function listFound({ configuration, served }: Context): Promise<readonly FoundAccount[] | undefined> {
  const others = await readOthers(configuration);
  return others === undefined ? undefined : listFoundAccounts(others, served);
}

/** Whether the file that all repositories share tells of the group: people's groups, and who was found and may push. */
function isOfAll({ users, groups }: Snapshot, id: string): boolean {
  const group = groups.get(id);
  if (group === undefined) return false;
  return findEntitlement(group.attributes) === undefined || [...group.members].some((one) => users.get(one)?.isFound);
}

async function reconcile(context: Context, snapshot: Snapshot): Promise<readonly string[]> {
  const { configuration, repositories, probe, accountFiles, sharedFiles } = context;
  const problems = new Map<string, string>();
  const found: string[] = [];
  const write = async (files: readonly WantedFile[]): Promise<void> => {
    for (const file of files) {
      problems.delete(file.path);
      await replaceFiles([file]).catch((error: unknown) => problems.set(file.path, toReason(error)));
    }
  };
  await write([...accountFiles(snapshot, NOBODY_INCOMING), ...sharedFiles(snapshot)]);
  found.push(...(await listStrayLines(configuration, snapshot)));
  await probe.admit(
    configuration.repositories.map(({ name }) => name),
    () => write(accountFiles(snapshot, NOBODY_INCOMING)),
    async () => void found.push(...(await repositories.reconcile(snapshot))),
  );
  return [...[...problems].map(([path, reason]) => `${path}: ${reason}`), ...found];
}

/** What the keys run: repositories by absolute path, and below the folder that holds them all by relative path too. */
function toLauncher({ repositories, hgSsh }: MercurialConfiguration): string {
  const paths = repositories.map(({ path }) => `'${path}'`).join(" ");
  const root = findCommonFolder(repositories.map(({ path }) => path));
  return `#!/bin/sh\n# Written by the Branchward bridge: what a key of its accounts may run.\ncd '${root}' && exec '${hgSsh}' ${paths}\n`;
}

function findCommonFolder(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => dirname(path).split("/"));
  const end = first.findIndex((segment, index) => others.some((other) => other[index] !== segment));
  return (end === -1 ? first : first.slice(0, end)).join("/") || "/";
}

function toRefusal(error: unknown): ScimError {
  if (error instanceof ScimError) return error;
  return Object.assign(new ScimError(503, toReason(error)), { cause: error });
}

function toReason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
