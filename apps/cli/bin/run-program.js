/** Runs a program of this repository under its Node: in this process where that is the one, else in a child that shares its fate. */
import { spawn } from "node:child_process";
import { dirname, delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { findNode, root } from "./find-node.js";

/** sysexits(3) EX_CONFIG. */
export const exitConfiguration = 78;

/**
 * @param {string} program path of a module below the checkout
 * @param {readonly string[]} args
 */
export async function runProgram(program, args) {
  const node = findNode();
  if (node === undefined) {
    console.error(
      `branchward: Node 24 or newer is needed, this is ${process.version}, and none was found in node_modules or on the PATH.\n` +
        `  On ${process.platform}-${process.arch} none comes with the packages: install it from https://nodejs.org and try again.`,
    );
    process.exitCode = exitConfiguration;
    return;
  }
  const path = join(root, program);
  // So that children called `node`, and the tools of node_modules, are this repository's.
  process.env.PATH = [dirname(node), join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter);
  if (node !== process.execPath) return runChild(node, path, args);
  process.argv = [process.execPath, path, ...args];
  await import(pathToFileURL(path).href);
}

/**
 * The child stays in this process group, so that a signal to the group, or Ctrl-C, reaches it without our help. The channel tells it when
 * this process was killed.
 */
function runChild(node, path, args) {
  const follow = new URL("./follow-parent.js", import.meta.url).href;
  const child = spawn(node, ["--import", follow, path, ...args], { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    console.error(`branchward: ${node} does not start: ${error.message}`);
    process.exitCode = exitConfiguration;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
