import { createAccounts, type Accounts } from "./accounts.ts";
import type { Conduit } from "./conduit.ts";
import { createExtension, type Extension } from "./extension.ts";
import { createProjects, type Projects } from "./projects.ts";
import { createPushRules, type PushRules } from "./push-rules.ts";
import { createNativeRepositories, type NativeRepositories, type RepositoryName } from "./repositories.ts";

/** A Phabricator or Phorge server, as a bridge sees it. */
export interface Phabricator {
  readonly accounts: Accounts;
  readonly projects: Projects;
  readonly rules: PushRules;
  readonly repositories: NativeRepositories;
  readonly extension: Extension;
}

/** Makes what stands for a server; nothing is asked of it yet. */
export function createPhabricator(conduit: Conduit, names: readonly RepositoryName[]): Phabricator {
  return {
    accounts: createAccounts(conduit),
    projects: createProjects(conduit),
    rules: createPushRules(conduit),
    repositories: createNativeRepositories(conduit, names),
    extension: createExtension(conduit),
  };
}
