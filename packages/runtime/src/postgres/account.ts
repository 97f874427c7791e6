/** The operating-system user that PostgreSQL runs as: it refuses to run as root. */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { postgresError } from "./postgres-error.ts";

/** A user to run commands as. `uid` and `gid` are set only where this process is root and has to change to it. */
export interface Account {
  readonly name: string;
  readonly ids: { readonly uid: number; readonly gid: number } | null;
}

/** The environment of every command of PostgreSQL: fixed, so that nothing of the caller's locale or `PG*` variables leaks in. */
export const postgresEnv: Readonly<Record<string, string>> = {
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
};

/** What a finished command left. `output` is standard output and error together; `code` is null where it could not run or was killed. */
export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a short command as an account to its end. Never rejects: a command that cannot be started is a result without a code. */
export async function runAs(
  account: Account,
  command: string,
  args: readonly string[],
  input = "",
): Promise<CommandResult> {
  const child = spawn(command, args, { cwd: "/", env: postgresEnv, ...account.ids });
  const ended = new Promise<CommandResult>((resolve) => {
    child.once("error", (error) => resolve({ code: null, output: error.message }));
    child.once("close", (code) => resolve({ code, output: "" }));
  });
  child.stdin.on("error", () => child.stdin.destroy());
  child.stdin.end(input);
  const [stdout, stderr, { code, output }] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, output: `${stdout}${stderr}${output}`.trim() };
}

/** Whether the account may enter a directory, by the kernel's own answer (modes, ACLs, mounts). */
export async function canEnter(account: Account, directory: string): Promise<boolean> {
  return (await runAs(account, "/bin/sh", ["-c", 'cd "$0"', directory])).code === 0;
}

const self: Account = { name: "this user", ids: null };

async function findAccount(name: string): Promise<Account | undefined> {
  const ids: number[] = [];
  for (const flag of ["-u", "-g"]) {
    const { code, output } = await runAs(self, "id", [flag, "--", name]);
    if (code !== 0 || !/^\d+$/.test(output)) return undefined;
    ids.push(Number(output));
  }
  const [uid, gid] = ids;
  return uid === undefined || gid === undefined || uid === 0 ? undefined : { name, ids: { uid, gid } };
}

/**
 * The account PostgreSQL is to run as: this process's own user, or, as root, the owner of an existing cluster, else `postgres`, else
 * `branchward` (made where it can be), else `nobody`.
 * @throws AppError `postgres_no_account` where root finds none.
 */
export async function resolveAccount(
  clusterOwner: { readonly uid: number; readonly gid: number } | null,
): Promise<Account> {
  if (process.getuid?.() !== 0) return self;
  if (clusterOwner !== null && clusterOwner.uid !== 0) {
    const { code, output } = await runAs(self, "id", ["-nu", "--", String(clusterOwner.uid)]);
    return { name: code === 0 ? output : `uid ${clusterOwner.uid}`, ids: clusterOwner };
  }
  const existing = (await findAccount("postgres")) ?? (await findAccount("branchward"));
  if (existing !== undefined) return existing;
  const made = await runAs(self, "useradd", [
    "--system",
    "--user-group",
    "--no-create-home",
    "--shell",
    "/usr/sbin/nologin",
    "branchward",
  ]);
  const account = (await findAccount("branchward")) ?? (await findAccount("nobody"));
  if (account !== undefined) return account;
  throw postgresError("postgres_no_account", {
    message:
      "PostgreSQL cannot run as root, and there is no user postgres, branchward or nobody to run it as. " +
      "Create one (useradd --system branchward), start as an ordinary user, or set DATABASE_URL.",
    details: { useradd: made.output },
  });
}
