/** Real Git and Mercurial repositories, apart from the machine's own configuration, with Branchward's hooks. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type HookRole, installHooks } from "@branchward/vcs/hooks";
import { AGENT_SECRET } from "./deliveries.ts";

export interface Workshop extends AsyncDisposable {
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Runs a program; fails unless it exits 0, or with 1 where `hg push` had bookmarks alone to send. */
  run(cwd: string, program: "git" | "hg", ...args: readonly string[]): Promise<string>;
  installHooks(path: string, role: HookRole): Promise<void>;
}

export interface WorkshopOptions {
  readonly directory: string;
  /** Address of the receiver. */
  readonly url: string;
}

/** A directory with a home of its own, whose user is alice. Disposing ends the hook agents that still run. */
export async function openWorkshop({ directory, url }: WorkshopOptions): Promise<Workshop> {
  const home = join(directory, "home");
  await mkdir(home, { recursive: true });
  await writeFile(
    join(home, ".gitconfig"),
    "[user]\n\tname = Alice\n\temail = alice@example.com\n[init]\n\tdefaultBranch = main\n",
  );
  await writeFile(join(home, ".hgrc"), "[ui]\nusername = Alice <alice@example.com>\n");
  const env = { PATH: process.env["PATH"], HOME: home, GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C.UTF-8" };
  return {
    directory,
    env,
    run: (cwd, program, ...args) =>
      new Promise((resolve, reject) => {
        execFile(program, args, { cwd, env, timeout: 30_000 }, (error, stdout, stderr) => {
          const isBookmarkPush = program === "hg" && args[0] === "push" && error?.code === 1;
          if (error === null || isBookmarkPush) resolve(stdout);
          else reject(new Error(`${program} ${args.join(" ")}: ${stdout}${stderr}`, { cause: error }));
        });
      }),
    async installHooks(path, role) {
      const secret = { secretFile: null, secret: AGENT_SECRET };
      await installHooks({
        path,
        role,
        env,
        url,
        source: "agents",
        ...secret,
        repository: null,
        nodePath: process.execPath,
      });
    },
    [Symbol.asyncDispose]: () => endAgents(directory),
  };
}

export interface Repository {
  /** As Branchward knows it. */
  readonly name: string;
  readonly server: string;
  readonly clone: string;
}

export interface GitRepository extends Repository {
  /** Runs git in the clone. */
  readonly git: (...args: readonly string[]) => Promise<string>;
  /** Makes an empty commit on the branch that is checked out; resolves with its revision. */
  readonly commit: (message: string) => Promise<string>;
}

/** `acme/<name>`: a bare repository and a clone of it with a first commit on main, pushed. Hooks in both unless said otherwise. */
export async function openGitRepository(
  workshop: Workshop,
  name: string,
  roles: readonly HookRole[] = ["server", "client"],
): Promise<GitRepository> {
  const server = join(workshop.directory, "acme", `${name}.git`);
  const clone = join(workshop.directory, "clones", name);
  await mkdir(dirname(server), { recursive: true });
  await workshop.run(workshop.directory, "git", "init", "--quiet", "--bare", server);
  await workshop.run(server, "git", "config", "receive.advertisePushOptions", "true");
  await workshop.run(workshop.directory, "git", "clone", "--quiet", server, clone);
  if (roles.includes("server")) await workshop.installHooks(server, "server");
  if (roles.includes("client")) await workshop.installHooks(clone, "client");
  const git = (...args: readonly string[]): Promise<string> => workshop.run(clone, "git", ...args);
  const commit = async (message: string): Promise<string> => {
    await git("commit", "--quiet", "--allow-empty", "--message", message);
    return (await git("rev-parse", "HEAD")).trim();
  };
  await commit("first");
  await git("push", "--quiet", "--set-upstream", "origin", "main");
  return { name: `acme/${name}`, server, clone, git, commit };
}

export interface HgRepository extends Repository {
  /** Runs hg in the clone. */
  readonly hg: (...args: readonly string[]) => Promise<string>;
  readonly commit: (message: string) => Promise<string>;
}

/** `acme/<name>`: a repository and a clone of it with a first commit on default, pushed; hooks in both. */
export async function openHgRepository(workshop: Workshop, name: string): Promise<HgRepository> {
  const server = join(workshop.directory, "acme", name);
  const clone = join(workshop.directory, "clones", name);
  await mkdir(dirname(server), { recursive: true });
  await mkdir(dirname(clone), { recursive: true });
  await workshop.run(workshop.directory, "hg", "init", server);
  await workshop.run(workshop.directory, "hg", "clone", "--quiet", server, clone);
  await workshop.installHooks(server, "server");
  await workshop.installHooks(clone, "client");
  const hg = (...args: readonly string[]): Promise<string> => workshop.run(clone, "hg", ...args);
  const commit = async (message: string): Promise<string> => {
    await writeFile(join(clone, "notes"), `${message} ${randomUUID()}\n`);
    await hg("commit", "--quiet", "--addremove", "--message", message);
    return (await hg("log", "--rev", ".", "--template", "{node}")).trim();
  };
  await commit("first");
  await hg("push", "--quiet");
  return { name: `acme/${basename(server)}`, server, clone, hg, commit };
}

/** Ends the senders that hold a lock below this directory, by their process ids. */
async function endAgents(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.name !== "sender.lock") continue;
    const holder = await readFile(join(entry.parentPath, entry.name), "utf8").catch(() => "");
    const pid = Number(holder.split(" ")[1]);
    if (pid > 1) endProcess(pid);
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
