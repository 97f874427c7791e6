/** A real gitolite behind a real sshd, its home in a directory of the test. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, makeKeyPair, startSshd } from "./test-servers.ts";

const run = promisify(execFile);

export interface GitoliteHost extends AsyncDisposable {
  readonly home: string;
  /** Makes the bridge's rules and groups part of gitolite's configuration, and compiles it; `conf` are the rules that follow. */
  connect(rules: string, program: string, conf: string): Promise<void>;
  /** Runs gitolite as its user. @throws when it fails */
  gitolite(...args: readonly string[]): Promise<string>;
  makeKey(name: string): Promise<string>;
  /** Pushes one new commit to the branch; resolves with `accepted`, or `refused` and what was said. */
  push(repo: string, branch: string, key: string): Promise<string>;
}

export async function startGitoliteHost(directory: string): Promise<GitoliteHost> {
  await using stack = new AsyncDisposableStack();
  const home = join(directory, "git");
  await mkdir(home);
  await chmod(directory, 0o755);
  const env = { PATH: process.env["PATH"], HOME: home, LC_ALL: "C.UTF-8", GIT_CONFIG_NOSYSTEM: "1" };
  const gitolite = async (...args: readonly string[]): Promise<string> =>
    (await run("gitolite", args, { env, cwd: home, timeout: 30_000 })).stdout;
  const makeKey = async (name: string): Promise<string> => {
    return makeKeyPair(join(directory, `key-${name}`), name);
  };
  await writeFile(
    join(home, ".gitconfig"),
    "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n",
  );
  await makeKey("admin");
  await gitolite("setup", "-pk", join(directory, "key-admin.pub"));
  const port = await freePort();
  const authorizedKeys = join(home, ".ssh", "authorized_keys");
  await startSshd(stack, { directory, port, authorizedKeys, settings: [`SetEnv HOME=${home}`] });
  const ssh = (key: string): string =>
    `ssh -i ${key} -p ${port} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -F /dev/null`;
  const owned = stack.move();
  return {
    home,
    gitolite,
    makeKey,
    async connect(rules, program, conf) {
      const rc = join(home, ".gitolite.rc");
      const text = await readFile(rc, "utf8");
      if (!text.includes("GROUPLIST_PGM"))
        await writeFile(rc, text.replace("%RC = (", `%RC = (\n    GROUPLIST_PGM => '${program}',`));
      const admin = "repo gitolite-admin\n    RW+ = key-admin\n";
      await writeFile(
        join(home, ".gitolite", "conf", "gitolite.conf"),
        `${rules === "" ? "" : `include "${rules}"\n`}${admin}${conf}`,
      );
      await gitolite("compile");
    },
    push: createPush({ directory, home, env, ssh }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface PushOptions {
  readonly directory: string;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The command for a key. */
  readonly ssh: (key: string) => string;
}

function createPush({ directory, home, env, ssh }: PushOptions): GitoliteHost["push"] {
  const counter = { clones: 0 };
  return async (repo, branch, key) => {
    counter.clones += 1;
    const cwd = join(directory, `clone-${counter.clones}`);
    const git = async (...args: readonly string[]) =>
      run("git", args, { cwd, env: { ...env, GIT_SSH_COMMAND: ssh(key) }, timeout: 30_000 });
    await mkdir(cwd);
    await git("init", "-q");
    await git("fetch", "-q", join(home, "repositories", `${repo}.git`), "+refs/heads/*:refs/remotes/origin/*");
    const known = (await git("for-each-ref", "--format=%(refname)", `refs/remotes/origin/${branch}`)).stdout.trim();
    if (known !== "") await git("reset", "-q", "--soft", known);
    await git("commit", "-q", "--allow-empty", "-m", randomBytes(6).toString("hex"));
    try {
      await git("push", `ssh://${userInfo().username}@127.0.0.1/${repo}`, `HEAD:refs/heads/${branch}`);
      return "accepted";
    } catch (error) {
      if (!(error instanceof Error) || !("stderr" in error)) throw error;
      return `refused: ${String(error.stderr)}`;
    }
  };
}
