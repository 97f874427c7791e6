/** The repositories of a host: their rules written, and proved before anything is said to be so. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { joinBlock, splitBlock } from "../files/managed-block.ts";
import { replaceFiles, type Undo, type WantedFile } from "../files/replace-files.ts";
import { findEntitlement } from "../state/entitlement.ts";
import type { HeldGroup, Snapshot } from "../state/snapshot.ts";
import type { NativeChange } from "../target.ts";
import type { MercurialConfiguration, MercurialRepository } from "./configuration.ts";
import type { WebProbe } from "./probe-web.ts";
import { hgrcOf, listQuestions, type RuleProver } from "./prove-rules.ts";
import {
  type MemberLists,
  mergeSettings,
  type Settings,
  toAccountRules,
  toHgrcBlock,
  toRepositoryRules,
} from "./rules.ts";

export interface RepositoriesOptions {
  readonly configuration: Pick<MercurialConfiguration, "repositories">;
  readonly paths: { readonly accounts: string; readonly rulesOf: (repository: MercurialRepository) => string };
  readonly lists: MemberLists;
  readonly prover: RuleProver;
  readonly probe: WebProbe;
}

export interface Repositories {
  /** Why rules are not in force in the repository of that name, as of the last look. */
  findProblem(name: string): string | undefined;
  /** Where rules of others speak of one of these groups. @throws Error where Mercurial cannot tell */
  findMention(groups: ReadonlySet<string>): Promise<string | undefined>;
  /** Those whose rules a change touches. */
  listAffected(change: NativeChange): readonly MercurialRepository[];
  /**
   * Writes and proves the rules of some. Where one cannot be proved its file is as it was and the reason is returned; a
   * change of groups is then nowhere, one of accounts in all the others.
   */
  apply(change: NativeChange, affected: readonly MercurialRepository[]): Promise<string | undefined>;
  /** Writes and proves the rules of all, hgrc included; returns what could not be. */
  reconcile(snapshot: Snapshot): Promise<readonly string[]>;
}

/** Of so many groups of a repository acl is asked at each look; its settings are compared whole. */
const MAX_GROUPS = 3;

export function createRepositories(options: RepositoriesOptions): Repositories {
  const { repositories } = options.configuration;
  const problems = new Map<string, string>();
  return {
    findProblem: (name) => problems.get(name),
    async findMention(groups) {
      for (const repository of repositories) {
        const mention = await options.prover.findMention(repository, groups);
        if (mention !== undefined) return mention;
      }
      return undefined;
    },
    listAffected: (change) => repositories.filter(({ name }) => isAffected(name, change)),
    async apply(change, affected) {
      const isOfAccounts = change.touched.users.size > 0;
      const done: Undo[] = [];
      // What all share is proved by one that has no problem of its own.
      const sample = repositories.filter(({ name }) => !problems.has(name)).slice(0, 1);
      let refusal: string | undefined;
      for (const repository of affected.length > 0 ? affected : sample) {
        // A problem that stands has just been looked at; groups are not changed over it.
        const known = isOfAccounts ? undefined : problems.get(repository.name);
        const result = known ?? (await applyTo(options, repository, change));
        if (typeof result === "function") {
          done.push(result);
          continue;
        }
        problems.set(repository.name, result);
        refusal ??= result;
        if (!isOfAccounts) break;
      }
      if (refusal !== undefined && !isOfAccounts) for (const undo of done.toReversed()) await undo();
      return refusal;
    },
    async reconcile(snapshot) {
      for (const repository of repositories) {
        const fault = await reconcileOne(options, repository, snapshot).catch(toReason);
        if (fault === undefined) problems.delete(repository.name);
        else problems.set(repository.name, `${repository.name}: ${fault}`);
      }
      return [...problems.values()];
    },
  };
}

async function applyTo(
  options: RepositoriesOptions,
  repository: MercurialRepository,
  { before, after: snapshot, touched }: NativeChange,
): Promise<Undo | string> {
  try {
    const undo = await replaceFiles([rulesFile(options, repository, snapshot)]);
    const groups = [...touched.groups].flatMap((id) => snapshot.groups.get(id) ?? []);
    const questions = groups.flatMap((group) =>
      listQuestions(repository, snapshot, { group, before: before.groups.get(group.id) }),
    );
    const wanted = toWanted(options, repository, snapshot);
    const fault = await options.prover.findFault(repository, wanted, questions).catch(toReason);
    if (fault === undefined) return undo;
    await undo();
    return `${repository.name}: ${fault}`;
  } catch (error) {
    return `${repository.name}: ${toReason(error)}`;
  }
}

async function reconcileOne(
  options: RepositoriesOptions,
  repository: MercurialRepository,
  snapshot: Snapshot,
): Promise<string | undefined> {
  const { prover, probe } = options;
  await replaceFiles([rulesFile(options, repository, snapshot), await hgrcFile(options, repository)]);
  const groups = [...snapshot.groups.values()].filter(
    ({ attributes }) => findEntitlement(attributes)?.repository === repository.name,
  );
  const questions = groups
    .slice(0, MAX_GROUPS)
    .flatMap((group) => listQuestions(repository, snapshot, { group, before: undefined }));
  const fault = await prover.findFault(repository, toWanted(options, repository, snapshot), questions);
  if (fault !== undefined) return fault;
  return probe.findFault(repository.name, async () => {
    await replaceFiles([rulesFile(options, repository, snapshot)]);
  });
}

function includesOf({ paths }: RepositoriesOptions, repository: MercurialRepository): readonly string[] {
  return [paths.accounts, paths.rulesOf(repository)];
}

function rulesOf({ probe, lists }: RepositoriesOptions, repository: MercurialRepository, snapshot: Snapshot) {
  return toRepositoryRules({ repository, generation: probe.generationOf(repository.name) }, snapshot, lists);
}

/** What Mercurial must see when it reads all files. */
function toWanted(options: RepositoriesOptions, repository: MercurialRepository, snapshot: Snapshot): Settings {
  const block = toHgrcBlock(includesOf(options, repository)).settings;
  const accounts = toAccountRules(snapshot, options.lists).settings;
  return mergeSettings(block, accounts, rulesOf(options, repository, snapshot).settings);
}

function rulesFile(options: RepositoriesOptions, repository: MercurialRepository, snapshot: Snapshot): WantedFile {
  const absent = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, mode: 0o644 };
  const content = () => rulesOf(options, repository, snapshot).text;
  return { path: options.paths.rulesOf(repository), content, absent };
}

async function hgrcFile(options: RepositoriesOptions, repository: MercurialRepository): Promise<WantedFile> {
  const { uid, gid } = await stat(join(repository.path, ".hg"));
  const { lines } = toHgrcBlock(includesOf(options, repository));
  return {
    path: hgrcOf(repository),
    content: (current = "") => joinBlock(splitBlock(current).others, lines),
    absent: { uid, gid, mode: 0o644 },
  };
}

function isAffected(name: string, { before, after, touched }: NativeChange): boolean {
  const isOf = (group: HeldGroup | undefined): boolean =>
    group !== undefined && findEntitlement(group.attributes)?.repository === name;
  if ([...touched.groups].some((id) => isOf(before.groups.get(id)) || isOf(after.groups.get(id)))) return true;
  if (touched.users.size === 0) return false;
  return [...after.groups.values()].some(
    (group) => isOf(group) && [...touched.users].some((id) => group.members.has(id)),
  );
}

function toReason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
