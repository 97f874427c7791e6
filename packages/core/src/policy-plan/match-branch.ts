/** Which rules match a branch, found once per pattern and name: two versions of a policy share most of their patterns. */
import { matchesPattern, type Pattern } from "../policy/pattern.ts";
import type { Bot, Policy, PolicyRule } from "../policy/types.ts";

export interface BranchMatch {
  readonly rules: readonly PolicyRule[];
  /** Those of them that match for some users alone (rule B5). */
  readonly personal: readonly PolicyRule[];
  readonly bots: readonly Bot[];
  /** The same for branches that the same rules match in the same way. */
  readonly key: string;
}

/** What matches one branch under each version. */
export interface Matches {
  readonly before: BranchMatch;
  readonly after: BranchMatch;
}

export type MatchBranch = (
  policy: Policy,
  branch: { readonly repository: string; readonly name: string },
) => BranchMatch;

const WILDCARDS = /[*?[$]/;

/** Remembers every repository's matches, and of branch names the last one's. */
export function createMatchBranch(): MatchBranch {
  const prefixes = new Map<string, string>();
  const byRepository = new Map<string, Map<string, boolean>>();
  const last = { name: "", matches: new Map<string, boolean>() };

  function matches(pattern: Pattern, name: string, seen: Map<string, boolean>): boolean {
    const found = seen.get(pattern.text);
    if (found !== undefined) return found;
    const matched = name.startsWith(prefixOf(prefixes, pattern)) && matchesPattern(pattern, name);
    seen.set(pattern.text, matched);
    return matched;
  }

  return (policy, { repository, name }) => {
    const repositories = byRepository.get(repository) ?? new Map<string, boolean>();
    byRepository.set(repository, repositories);
    if (last.name !== name) {
      last.name = name;
      last.matches = new Map();
    }
    const listMatching = (patterns: Patterns) => ({
      repositories: patterns.repositories.filter((pattern) => matches(pattern, repository, repositories)),
      branches: patterns.branches.filter((pattern) => matches(pattern, name, last.matches)),
    });
    return toMatch(policy, listMatching);
  };
}

type Patterns = Pick<PolicyRule, "repositories" | "branches">;

function toMatch({ rules, bots }: Policy, listMatching: (patterns: Patterns) => Patterns): BranchMatch {
  const key: string[] = [];
  const matched: PolicyRule[] = [];
  const personal: PolicyRule[] = [];
  for (const [index, rule] of rules.entries()) {
    const { repositories, branches } = listMatching(rule);
    if (repositories.length === 0 || branches.length === 0) continue;
    const isForAll = repositories.some(isForEverybody) && branches.some(isForEverybody);
    matched.push(rule);
    if (!isForAll) personal.push(rule);
    key.push(isForAll ? String(index) : `${index}p`);
  }
  const openBots = bots.filter((bot) => {
    const { repositories, branches } = listMatching(bot);
    return repositories.length > 0 && branches.length > 0;
  });
  return {
    rules: matched,
    personal,
    bots: openBots,
    key: `${key.join(",")};${openBots.map(({ rule }) => rule).join(",")}`,
  };
}

function isForEverybody({ attributes }: Pattern): boolean {
  return attributes.length === 0;
}

/** What every name that the pattern matches begins with. */
function prefixOf(prefixes: Map<string, string>, { text }: Pattern): string {
  const prefix = prefixes.get(text) ?? text.slice(0, WILDCARDS.exec(text)?.index);
  prefixes.set(text, prefix);
  return prefix;
}
