/** Hooks that decide: what the whole of them adds to a push. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { type InstallReport, installHooks } from "@branchward/vcs/hooks";
import { summarize, type Target } from "./figures.ts";

const run = promisify(execFile);
const GIT_PUSHES = 40;
const HG_PUSHES = 15;

type Figures = ReturnType<typeof summarize>;

/**
 * Pushes to two repositories in turn, of which one decides and both tell; what deciding adds is the difference of a pair.
 * At rest means that whatever earlier pushes set off has ended: the agent that tells of a push, and the sync that follows,
 * take longer than the push, and would count for the next one. The other series has them beside every push.
 */
export async function benchPushes(target: Target, directory: string): Promise<ReadonlyMap<string, Figures>> {
  const git = await openPair(target, join(directory, "pushes", "git"), openGitRepository);
  const hg = await openPair(target, join(directory, "pushes", "hg"), openHgRepository);
  return new Map([
    ...(await measurePair("git push at rest", git, { pushes: GIT_PUSHES, atRest: true })),
    ...(await measurePair("git push after push", git, { pushes: GIT_PUSHES, atRest: false })),
    ...(await measurePair("hg push over ssh at rest", hg, { pushes: HG_PUSHES, atRest: true })),
  ]);
}

interface Opened {
  readonly server: string;
  readonly branch: string;
  readonly commit: (index: number) => Promise<void>;
  readonly push: () => Promise<unknown>;
  /** What the last commit is. */
  readonly findRevision: () => Promise<string>;
}

interface Repository extends Opened {
  /** Waits until Branchward has heard of the last commit and has nothing left to do for it. */
  readonly rest: () => Promise<void>;
}

interface Pair {
  readonly plain: Repository;
  readonly deciding: Repository;
}

async function openPair(
  target: Target,
  directory: string,
  open: (directory: string) => Promise<Opened>,
): Promise<Pair> {
  const env = { PATH: process.env["PATH"], HOME: directory };
  const secret = { source: "agents", secretFile: null, secret: target.secret, repository: null };
  const hooks = { role: "server", env, url: target.url, ...secret, nodePath: process.execPath } as const;
  const plain = await open(join(directory, "plain"));
  const deciding = await open(join(directory, "deciding"));
  const enforce = {
    userFrom: "env:LOGNAME",
    onUnavailable: null,
    timeout: "10s",
    tokenFile: null,
    token: target.token,
  };
  const installed = await installHooks({ ...hooks, path: plain.server });
  const enforced = await installHooks({ ...hooks, path: deciding.server, enforce });
  return {
    plain: { ...plain, rest: () => rest(target, plain, installed) },
    deciding: { ...deciding, rest: () => rest(target, deciding, enforced) },
  };
}

async function rest(
  target: Target,
  { branch, findRevision }: Opened,
  { home, repository }: InstallReport,
): Promise<void> {
  const query = { repository: repository ?? "", branch, revision: await findRevision(), wait: "30s" };
  const headers = { authorization: `Bearer ${target.token}` };
  const response = await fetch(`${target.url}/v1/sync-status?${String(new URLSearchParams(query))}`, { headers });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`no rest: ${response.status} ${text}`);
  // The agent lets go of its lock when it has nothing left to send.
  while (existsSync(join(home, "sender.lock"))) await pause(10);
}

async function openGitRepository(directory: string): Promise<Opened> {
  const server = join(directory, "server.git");
  const clone = join(directory, "clone");
  const env = { PATH: process.env["PATH"], HOME: directory, LOGNAME: "alice" };
  const git = (...args: readonly string[]) => run("git", args, { cwd: clone, env });
  const push = () => git("push", "--quiet", "origin", "HEAD:refs/heads/feature/x");
  await mkdir(directory, { recursive: true });
  await run("git", ["init", "--quiet", "--bare", server], { env });
  await run("git", ["clone", "--quiet", server, clone], { env });
  await git("config", "user.name", "Alice Adams");
  await git("config", "user.email", "alice@example.com");
  await git("commit", "--quiet", "--allow-empty", "-m", "first");
  await push();
  return {
    server,
    branch: "feature/x",
    commit: async () => void (await git("commit", "--quiet", "--allow-empty", "-m", "next")),
    push,
    findRevision: async () => (await git("rev-parse", "HEAD")).stdout.trim(),
  };
}

async function openHgRepository(directory: string): Promise<Opened> {
  const server = join(directory, "server");
  const clone = join(directory, "clone");
  const ssh = join(directory, "ssh");
  const env = { PATH: process.env["PATH"], HOME: directory };
  const hg = (...args: readonly string[]) => run("hg", args, { cwd: clone, env });
  await mkdir(directory, { recursive: true });
  await writeFile(ssh, '#!/bin/sh\nshift\nLOGNAME=alice exec sh -c "$*"\n', { mode: 0o755 });
  await run("hg", ["init", server], { env });
  await run("hg", ["clone", "--quiet", server, clone], { env });
  return {
    server,
    branch: "default",
    async commit(index) {
      await writeFile(join(clone, "file"), String(index));
      await hg("commit", "--quiet", "--addremove", "--user", "alice", "-m", "next");
    },
    push: () => hg("push", "--quiet", "--ssh", ssh, `ssh://server/${server}`),
    findRevision: async () => (await hg("log", "-r", ".", "-T", "{node}")).stdout,
  };
}

async function measurePair(
  name: string,
  { plain, deciding }: Pair,
  { pushes, atRest }: { readonly pushes: number; readonly atRest: boolean },
): Promise<[string, Figures][]> {
  const without: number[] = [];
  const withHooks: number[] = [];
  for (let index = 0; index < pushes; index += 1) {
    const measures = [
      async () => void without.push(await time(plain, index, atRest)),
      async () => void withHooks.push(await time(deciding, index, atRest)),
    ];
    // Which of the two comes first changes, so that neither gains by its place.
    for (const measure of index % 2 === 0 ? measures : measures.toReversed()) await measure();
  }
  await plain.rest();
  await deciding.rest();
  const added = withHooks.map((ms, index) => ms - (without[index] ?? 0));
  return [
    [`${name}, hooks that tell alone`, summarize(without)],
    [`${name}, hooks that decide, too`, summarize(withHooks)],
    [`${name}, what deciding adds`, summarize(added)],
  ];
}

async function time({ commit, push, rest: end }: Repository, index: number, atRest: boolean): Promise<number> {
  await commit(index);
  const startedAt = performance.now();
  await push();
  const elapsedMs = performance.now() - startedAt;
  if (atRest) await end();
  return elapsedMs;
}
