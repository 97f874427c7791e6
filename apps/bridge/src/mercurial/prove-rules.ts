/** Proves that a repository's rules are in force: by what Mercurial reads as each user that serves it, and by what acl then decides. */
import { join } from "node:path";
import { NOBODY } from "../accounts/account-name.ts";
import { findEntitlement, type GroupEntitlement } from "../state/entitlement.ts";
import { type HeldGroup, type HeldUser, listActiveUsers, type Snapshot } from "../state/snapshot.ts";
import { type AclAnswer, type AclQuestion, type AskMercurial, createAskMercurial } from "./ask-mercurial.ts";
import type { MercurialRepository } from "./configuration.ts";
import type { MercurialHost, UnixUser } from "./host.ts";
import type { Settings } from "./rules.ts";

/** A question with the answer that it must get. */
export type KnownQuestion = AclQuestion & { readonly isAllowed: boolean };

export interface RuleProver extends AsyncDisposable {
  /** Undefined when every server sees what it must; else a sentence. */
  findFault(
    repository: MercurialRepository,
    wanted: Settings,
    questions: readonly KnownQuestion[],
  ): Promise<string | undefined>;
  /** Where rules of a repository speak of one of these groups; undefined where none does. */
  findMention(repository: MercurialRepository, groups: ReadonlySet<string>): Promise<string | undefined>;
}

export function createRuleProver({ python, serversOf }: MercurialHost): RuleProver {
  const askers = new Map<string, AskMercurial>();

  function askAs({ name }: UnixUser): AskMercurial {
    const asker = askers.get(name) ?? createAskMercurial({ python, user: name });
    askers.set(name, asker);
    return asker;
  }

  return {
    async findFault(repository, wanted, questions) {
      for (const user of serversOf(repository)) {
        const answer = await askAs(user).ask(repository.path, questions);
        const fault = judge({ repository, user, wanted, questions }, answer);
        if (fault !== undefined) return fault;
      }
      return undefined;
    },
    async findMention(repository, groups) {
      for (const user of serversOf(repository)) {
        const { settings } = await askAs(user).ask(repository.path, []);
        const mention = findMention(settings, groups);
        if (mention !== undefined) return `${repository.name}: ${mention}`;
      }
      return undefined;
    },
    async [Symbol.asyncDispose]() {
      for (const asker of askers.values()) await asker[Symbol.asyncDispose]();
    },
  };
}

function findMention(settings: Settings, groups: ReadonlySet<string>): string | undefined {
  for (const [section, values] of Object.entries(settings)) {
    if (!/^acl\.(?:allow|deny)/u.test(section)) continue;
    for (const [key, value] of Object.entries(values)) {
      const group = [...value.matchAll(/@([^\s,]+)/gu)].map((match) => match[1] ?? "").find((name) => groups.has(name));
      if (group !== undefined) return `[${section}] ${key} names @${group}`;
    }
  }
  return undefined;
}

/** The file that Mercurial reads of a repository. */
export function hgrcOf({ path }: MercurialRepository): string {
  return join(path, ".hg", "hgrc");
}

interface Judged {
  readonly repository: MercurialRepository;
  readonly user: UnixUser;
  readonly wanted: Settings;
  readonly questions: readonly KnownQuestion[];
}

function judge({ repository, user, wanted, questions }: Judged, answer: AclAnswer): string | undefined {
  if (!answer.isTrusted) {
    return `${hgrcOf(repository)} belongs to user id ${answer.owner}, whom ${user.name} does not trust, so that Mercurial passes over its rules; chown it to ${user.name}, or name its owner in [trusted] of ${user.name}'s configuration`;
  }
  for (const [section, values] of Object.entries(wanted)) {
    const seen = answer.settings[section] ?? {};
    for (const [key, value] of Object.entries(values)) {
      if (seen[key] === value) continue;
      const what = seen[key] === undefined ? "nothing" : JSON.stringify(shorten(seen[key]));
      return `Mercurial, as ${user.name}, reads [${section}] ${key} as ${what}, not ${JSON.stringify(shorten(value))}; another setting or a missing file stands in the way`;
    }
  }
  if (answer.settings["acl"]?.["config"] !== undefined)
    return "[acl] config names a file of rules, which knows no bookmarks; remove it";
  const wrong = questions.find(({ isAllowed }, index) => answer.answers[index] !== isAllowed);
  if (wrong === undefined) return undefined;
  return `acl itself ${wrong.isAllowed ? "denies" : "allows"} ${wrong.account} on ${wrong.name}, which it must not`;
}

/** Of each kind, those that Mercurial is asked about one by one; the settings are compared whole. */
const MAX_ASKED = 2;

/**
 * Who must be let through, and who must not: first of all those whom the change adds and removes. A name that nobody has
 * stands for everybody else.
 */
export function listQuestions(
  { name }: MercurialRepository,
  snapshot: Snapshot,
  { group, before }: { readonly group: HeldGroup; readonly before: HeldGroup | undefined },
): readonly KnownQuestion[] {
  const entitlement = findEntitlement(group.attributes);
  if (entitlement?.repository !== name || entitlement.entitlement !== "push") return [];
  if ([...snapshot.groups.values()].some((other) => isNewer(other, group, entitlement))) return [];
  const kind = entitlement.refType === "bookmark" ? "bookmarks" : "branches";
  const question = (account: string, isAllowed: boolean) =>
    ({ account, kind, name: entitlement.branch, isAllowed }) as const;
  const isAdded = ({ id }: HeldUser): boolean => before?.members.has(id) !== true;
  const members = listActiveUsers(snapshot, group).toSorted((a, b) => Number(isAdded(b)) - Number(isAdded(a)));
  const removed = [...(before?.members ?? [])].filter((id) => !group.members.has(id));
  const outsiders = removed.slice(0, MAX_ASKED).flatMap((id) => snapshot.users.get(id) ?? []);
  return [
    question(`${NOBODY}-else`, false),
    ...members.slice(0, MAX_ASKED).map(({ account }) => question(account, true)),
    ...outsiders.map(({ account }) => question(account, false)),
  ];
}

/** Whether another group decides for the same branch: of several, the newest does. */
function isNewer(other: HeldGroup, { id }: HeldGroup, entitlement: GroupEntitlement): boolean {
  if (other.id <= id) return false;
  const theirs = findEntitlement(other.attributes);
  if (theirs?.entitlement !== "push" || theirs.repository !== entitlement.repository) return false;
  return theirs.refType === entitlement.refType && theirs.branch === entitlement.branch;
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
