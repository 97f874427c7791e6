/** Children that never outlive this process, whatever ends it. */
import { spawn, type ChildProcess } from "node:child_process";
import { Writable } from "node:stream";

/**
 * `read` meets the end of file when the kernel closes the dead parent's end of the pipe. The watcher is orphaned on purpose: PostgreSQL takes
 * an unknown child that ends badly for a crashed backend. `$$` stays the pid of the command, since the shell turns into it.
 */
const guardScript = '( ( read -r _ <&3 || kill -INT $$ ) </dev/null >/dev/null 2>&1 & ); exec 3<&-; exec "$0" "$@"';

/** How a guarded command is started. Nothing of the parent's environment is inherited. */
export interface GuardedCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The user and group to run as; needs root. */
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Starts a command that gets SIGINT when this process ends, also by `kill -9`. It runs in a session of its own, so that a Ctrl-C at the
 * terminal reaches only this process. Standard output and error are pipes.
 */
export function spawnGuarded({ command, args, ...options }: GuardedCommand): ChildProcess {
  const child = spawn("/bin/sh", ["-c", guardScript, command, ...args], {
    ...options,
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const guard = child.stdio[3];
  if (guard instanceof Writable) {
    guard.on("error", () => guard.destroy());
    child.once("exit", () => guard.end("released\n"));
  }
  return child;
}
