/** Native hosts behind their bridges, for Branchward's worker to drive: the same questions to each. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BridgeUnderTest, startTestBridge } from "./bridge.ts";
import { startGitoliteHost } from "./gitolite-host.ts";
import { startHgHost } from "./hg-host.ts";
import { listPhabricatorServers, type PhabricatorServer } from "./phabricator.ts";
import { openPhabricatorStory } from "./phabricator-story.ts";
import { makeKeyPair } from "./test-servers.ts";

export interface DrivenHost extends AsyncDisposable {
  readonly bridge: BridgeUnderTest;
  readonly vcs: "git" | "hg";
  readonly refType: "branch" | "bookmark";
  /** As Branchward knows it. */
  readonly repository: string;
  /** A name that no earlier run used: some servers keep what those made. */
  nameOf(name: string): string;
  /** Makes a key pair where people come by ssh; resolves with the public key. */
  readonly makeKey: ((userName: string) => Promise<string>) | undefined;
  /** The password by which a person comes, where people come by http. */
  readonly passwordOf: ((userName: string) => string) | undefined;
  /** What becomes of a push of somebody who was deactivated and came back: keys come with them, passwords do not. */
  readonly afterReturn: string;
  /** Pushes something new to the branch, in each way in: `accepted` or `refused`, with what was said. */
  push(userName: string, branch: string): Promise<Readonly<Record<string, string>>>;
}

export interface DrivenHostKind {
  readonly name: string;
  readonly open: () => Promise<DrivenHost>;
}

/** Those of this run; a real Phabricator server where the environment names one. */
export function listDrivenHosts(env: Readonly<Record<string, string | undefined>>): readonly DrivenHostKind[] {
  const phabricator = listPhabricatorServers(env).map((server) => ({
    name: server.name,
    open: () => openPhabricator(server),
  }));
  return [{ name: "Mercurial", open: openMercurial }, { name: "gitolite", open: openGitolite }, ...phabricator];
}

function passwordOf(userName: string): string {
  return `password-of-${userName}`;
}

async function makeDirectory(stack: AsyncDisposableStack): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "branchward-driven-"));
  stack.defer(() => rm(made, { recursive: true, force: true, maxRetries: 5 }));
  return made;
}

async function openMercurial(): Promise<DrivenHost> {
  await using stack = new AsyncDisposableStack();
  const directory = await makeDirectory(stack);
  const host = stack.use(await startHgHost(directory));
  const repository = "acme/web";
  await host.addRepository(repository);
  const section = `mercurial:
  repositories: [{ name: ${repository}, path: ${host.pathOf(repository)} }]
  htpasswd: ${host.htpasswd}
  authorizedKeys: ${host.authorizedKeys}
  web: ${host.webUrl}
`;
  const bridge = stack.use(await startTestBridge({ directory, section }));
  const keys = createKeys(host);
  const owned = stack.move();
  return {
    bridge,
    vcs: "hg",
    refType: "bookmark",
    repository,
    nameOf: (name) => name,
    makeKey: (userName) => keys.makeKey(userName),
    passwordOf,
    afterReturn: "http refused, ssh accepted",
    async push(userName, bookmark) {
      const prepare = () => host.prepare(repository, { branch: "default", bookmark });
      const byHttp = { account: userName, password: passwordOf(userName) };
      const http = await host.pushByHttp(await prepare(), repository, byHttp);
      const ssh = await host.pushBySsh(await prepare(), repository, keys.fileOf(userName));
      return { http, ssh };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openGitolite(): Promise<DrivenHost> {
  await using stack = new AsyncDisposableStack();
  const directory = await makeDirectory(stack);
  const host = stack.use(await startGitoliteHost(directory));
  const fileOf = (name: string): string => join(directory, "state", "gitolite", name);
  await host.connect("", fileOf("list-groups"), "");
  const section = `gitolite:\n  home: ${host.home}\n  repositories: [{ name: acme/web, repo: web }]\n`;
  const bridge = stack.use(await startTestBridge({ directory, section }));
  await host.connect(fileOf("branchward.conf"), fileOf("list-groups"), "repo web\n    RW+ = @all\n");
  await bridge.bridge.audit();
  const keys = createKeys(host);
  const owned = stack.move();
  return {
    bridge,
    vcs: "git",
    refType: "branch",
    repository: "acme/web",
    nameOf: (name) => name,
    makeKey: (userName) => keys.makeKey(userName),
    passwordOf: undefined,
    afterReturn: "accepted",
    push: async (userName, branch) => ({ ssh: await host.push("web", branch, keys.fileOf(userName)) }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openPhabricator({ open }: PhabricatorServer): Promise<DrivenHost> {
  await using stack = new AsyncDisposableStack();
  const directory = await makeDirectory(stack);
  const { server, scim } = stack.use(await openPhabricatorStory(open));
  const run = randomBytes(4).toString("hex");
  const keys = createKeys({ makeKey: (name) => makeKeyPair(join(directory, name)) });
  const { pushBySsh } = server;
  const owned = stack.move();
  return {
    bridge: scim,
    vcs: "git",
    refType: "branch",
    repository: server.repository,
    nameOf: (name) => `${name}-${run}`,
    makeKey: pushBySsh && ((userName) => keys.makeKey(userName)),
    passwordOf,
    afterReturn: pushBySsh === undefined ? "refused" : "http refused, ssh accepted",
    async push(userName, branch) {
      const http = await server.push({ account: userName, password: passwordOf(userName), branch });
      const ssh = await pushBySsh?.({ key: keys.fileOf(userName), branch });
      return { http: toText(http), ...(ssh === undefined ? {} : { ssh: toText(ssh) }) };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function toText({ isAccepted, output }: { readonly isAccepted: boolean; readonly output: string }): string {
  return isAccepted ? "accepted" : `refused: ${output}`;
}

/** One key pair for each person, made at its first use. */
function createKeys(host: { makeKey(name: string): Promise<string> }) {
  const files = new Map<string, string>();
  const fileOf = (userName: string): string => {
    const file = files.get(userName);
    if (file === undefined) throw new Error(`${userName} has no key`);
    return file;
  };
  return {
    fileOf,
    async makeKey(userName: string): Promise<string> {
      files.set(userName, await host.makeKey(userName));
      return (await readFile(`${fileOf(userName)}.pub`, "utf8")).trim();
    },
  };
}
