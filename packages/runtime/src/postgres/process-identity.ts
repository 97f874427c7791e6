import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The errno code of a failed system call, or undefined for any other error. */
export function toErrno(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** A file's text, or undefined when it is not there, may not be read, or belongs to a process that has just ended. */
export async function findText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES", "ESRCH"].includes(toErrno(error) ?? "")) return undefined;
    throw error;
  }
}

/**
 * What tells a process from a later one with the same pid: boot and start time (proc_pid_stat(5), field 22). Undefined when no such
 * process lives.
 */
export async function findProcessIdentity(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") {
    const { stdout } = await run("ps", ["-o", "lstart=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
    return stdout.trim() || undefined;
  }
  const [stat, boot] = await Promise.all([findText(`/proc/${pid}/stat`), findText("/proc/sys/kernel/random/boot_id")]);
  // The name in parentheses may hold anything; after the last one come state (field 3) and the rest.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  return `${boot?.trim() ?? "unknown"}:${fields[19]}`;
}
