/** What a stand-in for Phabricator holds, and the rules by which the real one was seen to act on it. */
import { randomBytes } from "node:crypto";

export interface StandInUser {
  readonly id: number;
  readonly phid: string;
  userName: string;
  realName: string;
  email: string;
  isEmailVerified: boolean;
  isDisabled: boolean;
  isApproved: boolean;
  isBot: boolean;
  isMailingList: boolean;
  vcsPassword: string | undefined;
  sshKeys: string[];
  readonly revokedKeys: Set<string>;
}

export interface StandInProject {
  readonly id: number;
  readonly phid: string;
  name: string;
  slug: string;
  /** With the primary one. */
  readonly slugs: Set<string>;
  isArchived: boolean;
  readonly members: Set<string>;
  view: string;
  edit: string;
  join: string;
}

export interface StandInRepository {
  readonly id: number;
  readonly phid: string;
  readonly name: string;
  readonly shortName: string;
  readonly vcs: "git" | "hg";
  pushPolicy: string;
  /** Commits that were imported: with none, Herald is not asked about a push of more than seven. */
  commits: number;
}

export interface StandInRule {
  readonly id: number;
  readonly phid: string;
  readonly name: string;
  readonly repository: string;
  refType: string;
  ref: string;
  project: string;
  message: string;
  isIntact: boolean;
  isDisabled: boolean;
}

/** Everything that the stand-in holds; tests look into it and change it as a person in a browser would. */
export interface StandInWorld {
  readonly users: StandInUser[];
  readonly projects: StandInProject[];
  readonly repositories: StandInRepository[];
  readonly rules: StandInRule[];
}

/** Refuses a call, as Conduit does with status 200. */
export class Refusal extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** A parameter as a text. */
export function toText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export const nextId = (list: readonly unknown[]): number => list.length + 1;

export function makePhid(type: string): string {
  const letters = "abcdefghijklmnopqrstuvwxyz234567";
  const tail = [...randomBytes(20)].map((byte) => letters[byte % letters.length]).join("");
  return `PHID-${type}-${tail}`;
}

/** PhabricatorSlug::normalizeProjectSlug, as far as names of tests go. */
export function toSlug(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}.\-_]+/gu, "_")
    .replaceAll(/_+/g, "_")
    .replaceAll(/^_|_$/g, "");
}

/** A user whom nobody made through Conduit. */
export function addUser(world: StandInWorld, given: Partial<StandInUser> & { readonly userName: string }): StandInUser {
  const user: StandInUser = {
    id: nextId(world.users),
    phid: makePhid("USER"),
    realName: given.userName,
    email: `${given.userName}@example.com`,
    isEmailVerified: true,
    isDisabled: false,
    isApproved: true,
    isBot: false,
    isMailingList: false,
    vcsPassword: undefined,
    sshKeys: [],
    revokedKeys: new Set(),
    ...given,
  };
  world.users.push(user);
  return user;
}

/** A hosted repository. */
export function addRepository(world: StandInWorld, name: string, commits: number): StandInRepository {
  const id = nextId(world.repositories);
  const shortName = name.replaceAll(/[^a-z0-9]/g, "-");
  const repository = { id, phid: makePhid("REPO"), name, shortName, vcs: "git", pushPolicy: "users", commits } as const;
  world.repositories.push(repository);
  return repository;
}

interface StandInPush {
  readonly repository: string;
  readonly branch: string;
  readonly commits: number;
  /** By HTTP, or by SSH, where the key (`type base64`) says who it is. */
  readonly by: { readonly userName: string; readonly password: string } | { readonly key: string };
}

/** Whether a push goes through, and what is said; the order is Phabricator's. */
export function decidePush(
  world: StandInWorld,
  push: StandInPush,
): { readonly isAccepted: boolean; readonly output: string } {
  const repository = world.repositories.find(({ name }) => name === push.repository);
  const user = world.users.find((one) => isBearer(one, push.by));
  if (user === undefined || user.isDisabled || !user.isApproved || repository === undefined)
    return { isAccepted: false, output: "key" in push.by ? refuseSsh(user) : FORBIDDEN };
  if (repository.pushPolicy === "no-one") return { isAccepted: false, output: FORBIDDEN };
  const isImport = repository.commits === 0 && push.commits > 7;
  const blocking = isImport
    ? undefined
    : world.rules.find((rule) => isBlocking(world, rule, repository, user, push.branch));
  if (blocking !== undefined) {
    const output = `This push was rejected by Herald push rule H${blocking.id}.\nReason: ${blocking.message}`;
    return { isAccepted: false, output };
  }
  repository.commits += push.commits;
  return { isAccepted: true, output: "" };
}

const FORBIDDEN = "The requested URL returned error: 403";

function isBearer(user: StandInUser, by: StandInPush["by"]): boolean {
  if ("key" in by) return user.sshKeys.some((key) => key.startsWith(by.key));
  return user.userName.toLowerCase() === by.userName.toLowerCase() && user.vcsPassword === by.password;
}

function refuseSsh(user: StandInUser | undefined): string {
  if (user === undefined) return "Permission denied (publickey).";
  return `phabricator-ssh-exec: Your account ("${user.userName}") does not have permission to establish SSH sessions. Visit the web interface for more information.`;
}

// oxlint-disable-next-line max-params -- a rule is matched against the four things that a push is
function isBlocking(
  world: StandInWorld,
  rule: StandInRule,
  repository: StandInRepository,
  user: StandInUser,
  branch: string,
): boolean {
  if (rule.isDisabled || !rule.isIntact || rule.repository !== repository.phid) return false;
  if (rule.refType !== "branch" || rule.ref !== branch) return false;
  const project = world.projects.find(({ phid }) => phid === rule.project);
  return project === undefined || !project.members.has(user.phid);
}
