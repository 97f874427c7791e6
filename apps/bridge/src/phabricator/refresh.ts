/** The look at the whole server: what webhooks do not tell, what waits for it, and what somebody loosened. */
import type { HeldGroup } from "../state/snapshot.ts";
import type { Account } from "./accounts.ts";
import { toEntitlementAttributes } from "./entitlement-rule.ts";
import { intentPrefix, isPending, type Ledger } from "./ledger.ts";
import type { Phabricator } from "./phabricator.ts";
import type { Project } from "./projects.ts";
import { findUnlimited, isLimited, listLimiting, restoreLimit } from "./push-limits.ts";
import type { PushRule } from "./push-rules.ts";
import { toScimError } from "./scim-error.ts";
import type { UserWriter } from "./user-writer.ts";
import { textOf } from "../state/text-of.ts";

/** What a look works with. */
export interface RefreshOptions {
  readonly phabricator: Phabricator;
  readonly ledger: Ledger;
  readonly users: UserWriter;
  /** Runs what writes, one at a time with the requests of clients. */
  readonly lock: <T>(task: () => Promise<T>) => Promise<T>;
}

/**
 * Reads all users, projects and rules, and puts right what is ours; returns what is not as it shall be, a sentence each.
 * @throws ConduitError when the server could not be read, and then nothing is taken to be gone
 */
export async function refresh(options: RefreshOptions): Promise<readonly string[]> {
  const { phabricator, ledger, lock } = options;
  const before = ledger.get();
  const accounts = await phabricator.accounts.list();
  const projects = await phabricator.projects.list();
  const hasExtension = await phabricator.extension.isInstalled();
  const rules = hasExtension ? await phabricator.rules.list() : [];
  await lock(async () => {
    await noteAccounts(ledger, before.users, accounts);
    await noteProjects(ledger, before.groups, projects);
    if (before.groups.size === 0) await rebuildEntitlements(options, rules);
    await ledger.save();
  });
  const unlinked = await linkPending(options);
  return [...unlinked, ...(hasExtension ? await repair(options, { projects, rules }) : listUnguarded(ledger))];
}

interface Seen {
  readonly projects: readonly Project[];
  readonly rules: readonly PushRule[];
}

async function noteAccounts(
  ledger: Ledger,
  before: ReturnType<Ledger["get"]>["users"],
  accounts: readonly Account[],
): Promise<void> {
  const found = new Set(accounts.map(({ phid }) => phid));
  const byAccount = new Map([...before.values()].map((user) => [user.account, user]));
  for (const account of accounts) {
    const held = byAccount.get(account.phid);
    // A pending user's account is noted when it is linked.
    if (held === undefined && isAwaited(ledger, account)) continue;
    ledger.noteAccount(held, account);
  }
  for (const user of before.values()) {
    const isSame = ledger.get().users.get(user.id) === user;
    if (isSame && !isPending(user) && !found.has(user.account)) await ledger.drop(user.id);
  }
}

function isAwaited(ledger: Ledger, { userName }: Account): boolean {
  return [...ledger.get().users.values()].some(
    (user) => isPending(user) && isSameName(textOf(user.attributes, "userName"), userName),
  );
}

/** A pending user is awaited under its whole name and under what stands before the `@`. */
function isSameName(wanted: string, userName: string): boolean {
  const name = userName.toLowerCase();
  return wanted.toLowerCase() === name || wanted.toLowerCase().replace(/@[^@]*$/, "") === name;
}

async function noteProjects(
  ledger: Ledger,
  before: ReadonlyMap<string, HeldGroup>,
  projects: readonly Project[],
): Promise<void> {
  const found = new Set(projects.map(({ phid }) => phid));
  for (const project of projects) {
    const held = before.get(project.phid);
    if (held === undefined) await resolveIntent(ledger, project);
    ledger.noteProject(held, project);
  }
  for (const group of before.values()) {
    // An intent that is still there by now led to no project.
    const isSame = ledger.get().groups.get(group.id) === group;
    if (isSame && !found.has(group.id)) await ledger.drop(group.id);
  }
}

/** A project that was made when the bridge died: it is ours by the intent that was kept (rule C6). */
async function resolveIntent(ledger: Ledger, project: Project): Promise<void> {
  for (const intent of ledger.get().groups.values()) {
    if (!intent.id.startsWith(intentPrefix) || intent.attributes["displayName"] !== project.name || !project.isClosed)
      continue;
    await ledger.drop(intent.id);
    await ledger.putGroup({ ...intent, id: project.phid });
    return;
  }
}

/** After a state was lost: the rules tell which projects are entitlement groups. */
async function rebuildEntitlements({ phabricator, ledger }: RefreshOptions, rules: readonly PushRule[]): Promise<void> {
  for (const rule of rules) {
    const group = ledger.get().groups.get(rule.project ?? "");
    if (group === undefined || rule.isDisabled || rule.repository === undefined) continue;
    const repository = await phabricator.repositories.find(rule.repository);
    if (repository === undefined) continue;
    const told = toEntitlementAttributes(rule, repository.name, repository.vcs);
    if (told !== undefined) await ledger.putGroup({ ...group, attributes: { ...group.attributes, ...told } });
  }
}

async function linkPending({ ledger, users, lock }: RefreshOptions): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { id } of [...ledger.get().users.values()].filter(isPending)) {
    const problem = await lock(async () => {
      const user = ledger.get().users.get(id);
      return user !== undefined && isPending(user) ? users.link(user) : undefined;
    });
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}

/** Restores what keeps entitlement groups closed: the rule of each, and the policies of its project. */
async function repair(options: RefreshOptions, seen: Seen): Promise<readonly string[]> {
  const { ledger, lock } = options;
  const closed = new Set(seen.projects.filter(({ isClosed }) => isClosed).map(({ phid }) => phid));
  const problems: string[] = [];
  for (const group of listLimiting(ledger.get().groups.values())) {
    if (group.id.startsWith(intentPrefix) || (closed.has(group.id) && isLimited(group, seen.rules))) continue;
    try {
      problems.push(...(await lock(() => repairGroup(options, group.id))));
    } catch (error) {
      const known = toScimError(error);
      const why = known instanceof Error ? known.message : String(known);
      problems.push(`the group ${group.id} could not be put right: ${why}`);
    }
  }
  return problems;
}

async function repairGroup({ phabricator, ledger }: RefreshOptions, id: string): Promise<readonly string[]> {
  const group = ledger.get().groups.get(id);
  const [project] = await phabricator.projects.find([id]);
  if (group === undefined || project === undefined) return [];
  const problems: string[] = [];
  const name = textOf(group.attributes, "displayName");
  if (!project.isClosed) {
    await phabricator.projects.edit(id, { close: true });
    problems.push(`the project ${name} could be joined by others than administrators; closed again`);
  }
  for (const unlimited of await findUnlimited(phabricator, [group])) {
    await restoreLimit(phabricator, unlimited);
    problems.push(`the Herald rule of ${name} did not stand; restored`);
  }
  return problems;
}

/** Without the extension nobody can tell whether the rules still stand. */
function listUnguarded(ledger: Ledger): readonly string[] {
  return listLimiting(ledger.get().groups.values()).map(
    ({ attributes }) =>
      `the Herald rule of ${textOf(attributes, "displayName")} cannot be looked at without the extension`,
  );
}
