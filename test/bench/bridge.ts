/** The Mercurial bridge: what a change of one member costs on a large host, and when the next push sees it. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startTestBridge, type BridgeUnderTest, SSH_KEYS } from "../support/bridge.ts";
import { startGitoliteHost } from "../support/gitolite-host.ts";
import { startHgHost } from "../support/hg-host.ts";
import { summarize } from "./figures.ts";

type Figures = ReturnType<typeof summarize>;

export interface BridgeFigures {
  /** PATCH of one member: state file, rules, read-back and Mercurial's own answer. */
  readonly patch: Figures;
  /** From sending the change until a push that it allows is through, the push included; and the push alone. */
  readonly hgPush: Figures;
  readonly hgPushAlone: Figures;
  readonly gitPush: Figures;
  readonly gitPushAlone: Figures;
}

const USERS = 5_000;
const GROUPS = 500;
const REPOSITORIES = 2;
const MEMBERS = 50;
const PATCHES = 100;
const PUSHES = 3;
const meta = { version: 1, created: "2026-01-01T00:00:00.000Z", lastModified: "2026-01-01T00:00:00.000Z" };

/** Runs hosts and bridges of its own below the directory, which must be one that other users may enter. */
export async function benchBridge(directory: string): Promise<BridgeFigures> {
  await using hg = await startHgHost(directory);
  const names = Array.from({ length: REPOSITORIES }, (_, index) => `acme/r${index}`);
  for (const name of names) await hg.addRepository(name);
  const repositories = names.map((name) => `{ name: ${name}, path: ${hg.pathOf(name)} }`).join(", ");
  const section = `mercurial:\n  repositories: [${repositories}]\n  htpasswd: ${hg.htpasswd}\n  authorizedKeys: ${hg.authorizedKeys}\n`;
  {
    // Makes the state directory.
    await using _ = await startTestBridge({ directory, section });
  }
  await writeFile(join(directory, "state", "state.jsonl"), makeState(names));
  await using scim = await startTestBridge({ directory, section });
  const patch: number[] = [];
  for (let count = 0; count < PATCHES; count++)
    patch.push(await time(() => addMember(scim, toId("g", count), toId("u", 4_000 + count))));
  const key = await hg.makeKey("pusher");
  const id = await scim.addUser("pusher", {
    [SSH_KEYS]: { keys: [{ value: (await readFile(`${key}.pub`, "utf8")).trim() }] },
  });
  const push = async (clone: string) => requireAccepted(await hg.pushBySsh(clone, "acme/r0", key));
  const group = await scim.govern({ repository: "acme/r0", branch: "stable" }, []);
  const pushes = await timePushes(scim, {
    group,
    id,
    prepare: () => hg.prepare("acme/r0", { branch: "stable" }),
    push,
  });
  const git = await benchGitolite(join(directory, "gitolite-bench"));
  return {
    patch: summarize(patch),
    hgPush: pushes.both,
    hgPushAlone: pushes.alone,
    gitPush: git.both,
    gitPushAlone: git.alone,
  };
}

async function benchGitolite(directory: string) {
  await mkdir(directory);
  await using host = await startGitoliteHost(directory);
  const files = join(directory, "state", "gitolite");
  await host.connect(join(files, "branchward.conf"), join(files, "list-groups"), "repo web\n    RW+ = @all\n");
  const section = `gitolite:\n  home: ${host.home}\n  repositories: [{ name: acme/web, repo: web }]\n`;
  await using scim = await startTestBridge({ directory, section });
  const key = await host.makeKey("pusher");
  const id = await scim.addUser("pusher", {
    [SSH_KEYS]: { keys: [{ value: (await readFile(`${key}.pub`, "utf8")).trim() }] },
  });
  const group = await scim.govern({ repository: "acme/web", branch: "main", vcs: "git" }, []);
  const push = async () => requireAccepted(await host.push("web", "main", key));
  return await timePushes(scim, { group, id, prepare: async () => "", push });
}

interface Pushing {
  readonly group: string;
  readonly id: string;
  readonly prepare: () => Promise<string>;
  readonly push: (clone: string) => Promise<void>;
}

async function timePushes(scim: BridgeUnderTest, { group, id, prepare, push }: Pushing) {
  const both: number[] = [];
  const alone: number[] = [];
  for (let count = 0; count < PUSHES; count++) {
    await scim.patch(`/Groups/${group}`, { op: "replace", path: "members", value: [] });
    const [first, second] = [await prepare(), await prepare()];
    both.push(
      await time(async () => {
        await addMember(scim, group, id);
        await push(first);
      }),
    );
    alone.push(await time(() => push(second)));
  }
  return { both: summarize(both), alone: summarize(alone) };
}

async function addMember(scim: BridgeUnderTest, group: string, id: string): Promise<void> {
  const { status, json } = await scim.patch(`/Groups/${group}`, { op: "add", path: "members", value: [{ value: id }] });
  if (status !== 200 && status !== 204) throw new Error(`PATCH answered ${status}: ${String(json["detail"])}`);
}

async function time(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

async function requireAccepted(outcome: string): Promise<void> {
  if (outcome !== "accepted") throw new Error(`a push that must be let through was ${outcome}`);
}

function toId(kind: "u" | "g", index: number): string {
  return `${kind}${String(index).padStart(5, "0")}`;
}

/** A state as a bridge keeps it: half of the groups are people's, half govern a branch. */
function makeState(repositories: readonly string[]): string {
  const users = Array.from({ length: USERS }, (_, index) => ({
    kind: "user",
    id: toId("u", index),
    ...meta,
    attributes: {
      userName: `user${index}`,
      active: true,
      externalId: `okta-${index}`,
      emails: [{ value: `user${index}@example.com` }],
    },
    account: `user${index}`,
    native: { password: `$2b$10$${"x".repeat(53)}`, keys: [] },
  }));
  const extension = "urn:branchward:scim:schemas:extension:1.0:BranchEntitlement";
  const groups = Array.from({ length: GROUPS }, (_, index) => {
    const repository = repositories[index % repositories.length] ?? "";
    const mark = {
      repository,
      branch: `release/${index}`,
      refType: "branch",
      entitlement: "push",
      incarnation: String(index),
      vcs: "hg",
    };
    const isGoverning = index % 2 === 0;
    return {
      kind: "group",
      id: toId("g", index),
      ...meta,
      attributes: isGoverning
        ? {
            displayName: `${repository}:${mark.branch}:push`,
            externalId: `branchward:${index}:push`,
            [extension]: mark,
          }
        : { displayName: `team-${index}`, externalId: `okta-g${index}` },
      members: Array.from({ length: MEMBERS }, (__, member) => toId("u", (index * 7 + member * 11) % 4_000)),
      fence: 0,
    };
  });
  const lines = [
    { format: "branchward-bridge", v: 1, kind: "mercurial" },
    ...users,
    ...groups,
    { end: USERS + GROUPS },
  ];
  return `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`;
}
