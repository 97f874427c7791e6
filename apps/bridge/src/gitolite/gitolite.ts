/** gitolite as a native system: groups asked at each access, rules in a file that its own include, keys in its keydir. */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError, sshKeysExtension } from "@branchward/core";
import { ScimError } from "@branchward/scim";
import { NOBODY, toAccountName } from "../accounts/account-name.ts";
import { nativeAccountSchema } from "../accounts/found-account.ts";
import { keysOf, requireOwnKeys } from "../accounts/require-own-keys.ts";
import { listKeys } from "../accounts/ssh-keys.ts";
import { replaceFiles, type WantedFile } from "../files/replace-files.ts";
import { findEntitlement } from "../state/entitlement.ts";
import { isActive, listActiveUsers, type Snapshot } from "../state/snapshot.ts";
import { findText } from "../state/write-file.ts";
import type { NativeAccount, NativeChange, NativeTarget, Touched, UserDraft } from "../target.ts";
import { createGitolite, type Gitolite } from "./ask-gitolite.ts";
import type { GitoliteConfiguration } from "./configuration.ts";
import { listFoundKeys } from "./found-keys.ts";
import { toKeyFiles, writeKeyFiles } from "./key-files.ts";
import { rebuildSnapshot } from "./rebuild.ts";
import { listGoverned, requireRepresentable, toGroupList, toGroupProgram, toRules } from "./rules.ts";

export interface GitoliteOptions {
  readonly configuration: GitoliteConfiguration;
  readonly stateDir: string;
}

/** @throws {ConfigurationError} where there is no such home */
export async function openGitolite({ configuration, stateDir }: GitoliteOptions): Promise<NativeTarget> {
  const owner = await findOwner(configuration.home);
  const folder = join(stateDir, "gitolite");
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const context: Context = {
    configuration,
    owner,
    gitolite: createGitolite(configuration.gitolite, { ...owner, home: configuration.home }),
    paths: {
      rules: join(folder, "branchward.conf"),
      list: join(folder, "groups"),
      program: join(folder, "list-groups"),
    },
    letters: new Map(),
  };
  const state: { problems: readonly string[] } = { problems: [] };
  return {
    kind: "gitolite",
    userExtensions: [sshKeysExtension, nativeAccountSchema],
    listFound: () => listFoundKeys(keydirOf(configuration), ownKeysOf(configuration)),
    toAccount: (draft) => toAccount(configuration, draft),
    requireGroup: ({ attributes }) => requireRepresentable(configuration, attributes),
    findProblem: ({ attributes }) => (findEntitlement(attributes) === undefined ? undefined : state.problems[0]),
    apply: (change) => apply(context, change, state.problems),
    async reconcile(snapshot) {
      state.problems = await reconcile(context, snapshot);
      return state.problems;
    },
    rebuild: async () => rebuildSnapshot((await findText(context.paths.list)) ?? ""),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

interface Context {
  readonly configuration: GitoliteConfiguration;
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly gitolite: Gitolite;
  readonly paths: { readonly rules: string; readonly list: string; readonly program: string };
  /** The letters that the rules of each repository need besides RW+, as far as gitolite has told. */
  readonly letters: Map<string, string>;
}

async function findOwner(home: string): Promise<Context["owner"]> {
  const { uid, gid } = await stat(join(home, ".gitolite")).catch((cause: unknown) => {
    throw new ConfigurationError(`gitolite.home: ${home} has no .gitolite; is gitolite set up there?`, { cause });
  });
  const own = process.geteuid?.();
  if (own === 0 || own === uid) return { uid, gid };
  throw new ConfigurationError(
    `gitolite.home: ${home} belongs to user id ${uid}; run the bridge as that user or as root`,
  );
}

async function toAccount(
  { account: naming }: GitoliteConfiguration,
  { attributes, before, users }: UserDraft,
): Promise<NativeAccount> {
  if (before?.isFound) throw refuseAdoption(before.account);
  const account = toAccountName(naming, attributes);
  const keys = listKeys(attributes);
  requireOwnKeys(users.values(), keys, before?.id);
  return { account, native: { keys: [...keys] } };
}

/** A file that git tracks comes back with the next push to gitolite-admin, whatever the bridge makes of it. */
function refuseAdoption(account: string): ScimError {
  const detail = `${account} has keys in the gitolite-admin repository, which the bridge cannot take over: remove them there, and create the user with its keys; until then it can be a member of groups`;
  return new ScimError(409, detail, "mutability");
}

function keydirOf({ home }: GitoliteConfiguration): string {
  return join(home, ".gitolite", "keydir");
}

/** The bridge's own keys. */
function ownKeysOf(configuration: GitoliteConfiguration): string {
  return join(keydirOf(configuration), "branchward");
}

function listFile({ paths }: Context, snapshot: Snapshot): WantedFile {
  return { path: paths.list, content: () => toGroupList(snapshot), absent: toOwn(0o644) };
}

function toOwn(mode: number) {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, mode };
}

/** Keys first: who is deactivated is out before any rule is written, and stays out. */
async function apply(context: Context, change: NativeChange, problems: readonly string[]): Promise<void> {
  const { after, touched } = change;
  const isOfAccounts = touched.users.size > 0;
  if (!isOfAccounts && problems[0] !== undefined) throw new ScimError(503, problems[0]);
  try {
    if (isOfAccounts) await applyKeys(context, after, touched);
  } catch (error) {
    throw toRefusal(error);
  }
  const undo = await replaceFiles([listFile(context, after)]).catch((error: unknown) => {
    throw toRefusal(error);
  });
  try {
    await applyRules(context, after);
    if (await learnLetters(context, after)) await applyRules(context, after);
    await proveGroups(context, after, touched);
  } catch (error) {
    // What is said of an account is so; the next look finds what is left to do.
    if (isOfAccounts) return;
    await undo();
    await applyRules(context, change.before).catch((cause: unknown) => {
      throw Object.assign(toRefusal(error), { cause });
    });
    throw toRefusal(error);
  }
}

/** @throws Error where sshd would let in whom it must not, or keep out whom it must let in */
async function applyKeys(
  { configuration, gitolite, owner }: Context,
  snapshot: Snapshot,
  touched: Touched,
): Promise<void> {
  const folder = ownKeysOf(configuration);
  await writeKeyFiles(folder, toKeyFiles(snapshot), owner);
  await gitolite.run("trigger", "POST_COMPILE");
  const text = (await findText(join(configuration.home, ".ssh", "authorized_keys"))) ?? "";
  const lines = text.split("\n");
  for (const id of touched.users) {
    const user = snapshot.users.get(id);
    if (user === undefined) continue;
    const own = lines.filter((line) => line.includes(`gitolite-shell ${user.account}"`));
    const keys = isActive(user) ? keysOf(user) : [];
    const missing = keys.filter((key) => !own.some((line) => line.includes(key)));
    if (missing.length > 0 || own.length !== keys.length)
      throw new Error(`gitolite's authorized_keys has ${own.length} keys of ${user.account}, not ${keys.length}`);
  }
}

/** Any warning is a failure: gitolite passes over what it does not understand, and the former rules come back. */
async function applyRules({ configuration, gitolite, paths, letters }: Context, snapshot: Snapshot): Promise<void> {
  const wanted = toRules(configuration.repositories, snapshot, ({ repo }) => letters.get(repo) ?? "");
  if ((await findText(paths.rules)) === wanted) return;
  const undo = await replaceFiles([{ path: paths.rules, content: () => wanted, absent: toOwn(0o644) }]);
  try {
    await gitolite.run("compile");
  } catch (error) {
    await undo();
    await gitolite.run("compile");
    throw error;
  }
}

/**
 * Asks of each repository whether a member who may write may also create and delete: not so where other rules of it use
 * C or D. Resolves with whether ours must have them now.
 */
async function learnLetters({ configuration, gitolite, letters }: Context, snapshot: Snapshot): Promise<boolean> {
  const learnt: string[] = [];
  for (const repository of configuration.repositories) {
    const { repo } = repository;
    if (letters.has(repo)) continue;
    const [question] = [...listGoverned(repository, snapshot)].flatMap(([branch, group]) => {
      const [member] = listActiveUsers(snapshot, group);
      return member === undefined ? [] : [{ repo, account: member.account, ref: `refs/heads/${branch}` }];
    });
    if (question === undefined) continue;
    const needed: string[] = [];
    for (const letter of ["C", "D"] as const) if (!(await gitolite.can(letter, question))) needed.push(letter);
    letters.set(repo, needed.join(""));
    learnt.push(...needed);
  }
  return learnt.length > 0;
}

/** Asks gitolite itself: a member must be let through, somebody else must not. */
async function proveGroups({ configuration, gitolite }: Context, snapshot: Snapshot, touched: Touched): Promise<void> {
  for (const repository of configuration.repositories) {
    for (const [branch, group] of listGoverned(repository, snapshot)) {
      if (!touched.groups.has(group.id)) continue;
      const ref = `refs/heads/${branch}`;
      const { repo } = repository;
      const [member] = listActiveUsers(snapshot, group).slice(-1);
      const outsider = [...snapshot.users.values()].find(({ id }) => !group.members.has(id))?.account ?? NOBODY;
      if (member !== undefined && !(await gitolite.can("W", { repo, account: member.account, ref })))
        throw new Error(`gitolite denies ${member.account} on ${branch} of ${repository.repo}, which it must not`);
      if (await gitolite.can("W", { repo, account: outsider, ref }))
        throw new Error(`gitolite lets ${outsider} push to ${branch} of ${repository.repo}, which it must not`);
    }
  }
}

async function reconcile(context: Context, snapshot: Snapshot): Promise<readonly string[]> {
  const { paths } = context;
  try {
    const program: WantedFile = {
      path: paths.program,
      content: () => toGroupProgram(paths.list),
      absent: toOwn(0o755),
    };
    const rules: WantedFile = {
      path: paths.rules,
      content: (current) => current ?? toRules([], snapshot, () => ""),
      absent: toOwn(0o644),
    };
    await replaceFiles([program, listFile(context, snapshot), rules]);
    await requireSetup(context);
    const folder = ownKeysOf(context.configuration);
    if (await writeKeyFiles(folder, toKeyFiles(snapshot), context.owner))
      await context.gitolite.run("trigger", "POST_COMPILE");
    context.letters.clear();
    await applyRules(context, snapshot);
    if (await learnLetters(context, snapshot)) await applyRules(context, snapshot);
    const groups = new Set([...snapshot.groups.keys()].slice(0, 1));
    await proveGroups(context, snapshot, { users: new Set(), groups });
    return [];
  } catch (error) {
    return [toReason(error)];
  }
}

/** @throws Error saying what is to be set up, word for word */
async function requireSetup({ configuration, gitolite, paths }: Context): Promise<void> {
  const program = (await gitolite.run("query-rc", "GROUPLIST_PGM").catch(toReason)).trim();
  if (program !== paths.program)
    throw new Error(
      `${configuration.home}/.gitolite.rc does not ask the bridge for groups: put GROUPLIST_PGM => '${paths.program}', into %RC`,
    );
  const main = join(configuration.home, ".gitolite", "conf", "gitolite.conf");
  const first = ((await findText(main)) ?? "").split("\n").find((line) => !/^\s*(#|$)/u.test(line));
  if (first?.trim() !== `include "${paths.rules}"`)
    throw new Error(
      `${main} does not begin with the bridge's rules: make include "${paths.rules}" its first line, in the gitolite-admin repository`,
    );
}

function toRefusal(error: unknown): ScimError {
  if (error instanceof ScimError) return error;
  return Object.assign(new ScimError(503, toReason(error)), { cause: error });
}

function toReason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
