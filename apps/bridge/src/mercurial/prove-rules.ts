/** Proves that a repository's rules are in force: by what Mercurial reads as each user that serves it, and by what acl then decides. */
import { join } from "node:path";
import { NOBODY } from "../accounts/account-name.ts";
import { findEntitlement } from "../state/entitlement.ts";
import { type HeldGroup, listActiveUsers, type Snapshot } from "../state/snapshot.ts";
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
}

/** Members of a touched group that Mercurial is asked about one by one; the settings are compared whole. */
const MAX_ASKED = 50;

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
    async [Symbol.asyncDispose]() {
      for (const asker of askers.values()) await asker[Symbol.asyncDispose]();
    },
  };
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

/** Who must be let through, and who must not: nobody's name stands for everybody else. */
export function listQuestions(
  { name }: MercurialRepository,
  snapshot: Snapshot,
  group: HeldGroup,
): readonly KnownQuestion[] {
  const entitlement = findEntitlement(group.attributes);
  if (entitlement?.repository !== name || entitlement.entitlement !== "push") return [];
  const isNewer = (other: HeldGroup): boolean => {
    const theirs = findEntitlement(other.attributes);
    const isTwin =
      theirs?.repository === name && theirs.entitlement === "push" && theirs.refType === entitlement.refType;
    return isTwin && theirs.branch === entitlement.branch && other.id > group.id;
  };
  if ([...snapshot.groups.values()].some(isNewer)) return [];
  const kind = entitlement.refType === "bookmark" ? "bookmarks" : "branches";
  const question = (account: string, isAllowed: boolean) =>
    ({ account, kind, name: entitlement.branch, isAllowed }) as const;
  const members = listActiveUsers(snapshot, group).slice(0, MAX_ASKED);
  const outsider = [...snapshot.users.values()].find(({ id }) => !group.members.has(id));
  return [
    question(`${NOBODY}-else`, false),
    ...members.map(({ account }) => question(account, true)),
    ...(outsider === undefined ? [] : [question(outsider.account, false)]),
  ];
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
