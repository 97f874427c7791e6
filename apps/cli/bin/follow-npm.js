/** Ends a server that npm started together with npm, which runs it below a shell and passes signals to that shell alone. */
import { existsSync, readFileSync } from "node:fs";

/** The parent of a process, or undefined where there is no /proc or no such process. */
function findParent(pid) {
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return undefined;
  const stat = readFileSync(path, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/**
 * A shell gone was signalled by npm: this process gets a SIGTERM of its own, unless it had the signal too, as from Ctrl-C. npm gone and its
 * shell not: npm was killed, and so is this process, so that it does not hold the port and the data directory against the next start.
 */
export function followNpm() {
  const shell = process.ppid;
  const npm = findParent(shell);
  const timer = setInterval(() => {
    const isShellGone = process.ppid !== shell;
    if (!isShellGone && findParent(shell) === npm) return;
    clearInterval(timer);
    process.kill(process.pid, isShellGone ? "SIGTERM" : "SIGKILL");
  }, 250);
  timer.unref();
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      clearInterval(timer);
      // Nobody else listens yet: the program is still being loaded.
      if (process.listenerCount(signal) === 0) process.exit(1);
    });
  }
}
