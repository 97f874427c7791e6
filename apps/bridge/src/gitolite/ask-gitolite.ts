/** Hides how gitolite is run: as the user that it belongs to, within a time, its warnings taken as failures. */
import { spawn } from "node:child_process";

export interface GitoliteUser {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface Gitolite {
  /** What it prints. @throws Error with its own words when it fails, warns, or takes longer than 30 s */
  run(...args: readonly string[]): Promise<string>;
  /** Whether it lets an account write (W), create (C) or delete (D) a ref (`gitolite access`). */
  can(
    permission: "W" | "C" | "D",
    on: { readonly repo: string; readonly account: string; readonly ref: string },
  ): Promise<boolean>;
}

const DEADLINE_MS = 30_000;
/** More is not kept. */
const MAX_OUTPUT = 1_000_000;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function createGitolite(program: string, { uid, gid, home }: GitoliteUser): Gitolite {
  const isOther = process.geteuid?.() === 0;

  function start(args: readonly string[]): Promise<Outcome> {
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: home, LANG: "C.UTF-8" };
    const child = spawn(program, args, {
      cwd: home,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: DEADLINE_MS,
      killSignal: "SIGKILL",
      ...(isOther ? { uid, gid } : {}),
    });
    const parts = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk: Buffer) => {
        parts[name] = (parts[name] + chunk.toString("utf8")).slice(0, MAX_OUTPUT);
      });
    }
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, ...parts }));
    });
  }

  return {
    async run(...args) {
      const { code, stdout, stderr } = await start(args);
      const complaint = stderr.split("\n").find((line) => /WARNING|FATAL/u.test(line));
      if (code === 0 && complaint === undefined) return stdout;
      const said = complaint ?? stderr.trim().split("\n").at(-1) ?? "";
      throw new Error(`gitolite ${args.join(" ")}: ${said || `it ended with ${String(code)}`}`);
    },
    async can(permission, { repo, account, ref }) {
      const { code, stdout, stderr } = await start(["access", repo, account, permission, ref]);
      if (code === 0) return true;
      if (stdout.includes("DENIED")) return false;
      throw new Error(`gitolite access ${repo}: ${stderr.trim() || stdout.trim() || `it ended with ${String(code)}`}`);
    },
  };
}
