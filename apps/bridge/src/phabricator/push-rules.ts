/** Herald rules that let only the members of a project push to a branch; they need the extension. */
import { z } from "zod";
import { ConduitError, type Conduit } from "./conduit.ts";
import { parseResult } from "./parse-result.ts";
import { readAgain, resolveOutcome } from "./resolve-outcome.ts";

/** What a rule shall be. */
export interface PushRuleSpecification {
  /** Unique in its repository; begins with `branchward:`. */
  readonly name: string;
  /** PHID of the repository. */
  readonly repository: string;
  readonly refType: "branch" | "bookmark";
  /** The exact name. */
  readonly ref: string;
  /** PHID of the project whose members may push. */
  readonly project: string;
  /** What whoever is refused reads. */
  readonly message: string;
}

/** A rule as it stands. */
export interface PushRule {
  readonly phid: string;
  readonly name: string;
  readonly repository: string | undefined;
  readonly refType: string | undefined;
  readonly ref: string | undefined;
  readonly project: string | undefined;
  /** False when somebody gave it other conditions or another action. */
  readonly isIntact: boolean;
  readonly isDisabled: boolean;
}

/** The rules of one server that are ours. All throw `ConduitError`, of kind `unknown-method` without the extension. */
export interface PushRules {
  list(): Promise<readonly PushRule[]>;
  /** Those of these names, in whichever repository. */
  find(names: readonly string[]): Promise<readonly PushRule[]>;
  /** Makes the rule, or restores it. */
  put(rule: PushRuleSpecification): Promise<PushRule>;
  disable(rule: PushRuleSpecification): Promise<void>;
}

const pushRule = z.object({
  id: z.number(),
  phid: z.string(),
  name: z.string(),
  repository: z.string().nullable(),
  refType: z.string().nullable(),
  ref: z.string().nullable(),
  project: z.string().nullable(),
  isIntact: z.boolean(),
  isDisabled: z.boolean(),
});
const rulePage = z.object({ data: z.array(pushRule), after: z.number().nullable() });

const editMethod = "branchward.rule.edit";
const searchMethod = "branchward.rule.search";

/** Makes the rules of a server. */
export function createPushRules(conduit: Conduit): PushRules {
  // An edit names all that the rule shall be, so that an unknown outcome is settled by doing it again.
  const edit = (rule: PushRuleSpecification, disabled: boolean): Promise<PushRule> =>
    resolveOutcome({
      write: async () =>
        toRule(parseResult(pushRule, editMethod, await conduit.write(editMethod, { ...rule, disabled }))),
    });

  return {
    list: () => readPages(conduit, {}),
    find: async (names) => (names.length === 0 ? [] : readPages(conduit, { names })),
    put: async (rule) => {
      const made = await edit(rule, false);
      if (stands(made, rule)) return made;
      throw new ConduitError(editMethod, { kind: "failed", reason: `the rule ${rule.name} reads back otherwise` });
    },
    disable: async (rule) => {
      await edit(rule, true);
    },
  };
}

/** Whether a rule does what it shall. */
export function stands(found: PushRule | undefined, rule: PushRuleSpecification): boolean {
  return (
    found !== undefined &&
    found.isIntact &&
    !found.isDisabled &&
    found.repository === rule.repository &&
    found.refType === rule.refType &&
    found.ref === rule.ref &&
    found.project === rule.project
  );
}

async function readPages(conduit: Conduit, key: object): Promise<readonly PushRule[]> {
  const rules: PushRule[] = [];
  let after: number | null = null;
  do {
    const parameters: object = { ...key, ...(after === null ? {} : { after }) };
    const result = await readAgain(() => conduit.read(searchMethod, parameters));
    const page: z.infer<typeof rulePage> = parseResult(rulePage, searchMethod, result);
    rules.push(...page.data.map(toRule));
    after = page.after;
  } while (after !== null);
  return rules;
}

function toRule(rule: z.infer<typeof pushRule>): PushRule {
  return {
    phid: rule.phid,
    name: rule.name,
    repository: rule.repository ?? undefined,
    refType: rule.refType ?? undefined,
    ref: rule.ref ?? undefined,
    project: rule.project ?? undefined,
    isIntact: rule.isIntact,
    isDisabled: rule.isDisabled,
  };
}
