/** Finds the Node that runs the TypeScript of this repository. Plain JavaScript for Node 20, as all of this folder: it runs before anything is set up. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout, without a trailing separator. */
export const root = fileURLToPath(new URL("../../..", import.meta.url)).replace(/[/\\]$/, "");

const minimumMajor = 24;
const executable = process.platform === "win32" ? "node.exe" : "node";

/** The C library, which decides among builds for one processor: `musl` or `glibc` on Linux, else the empty string. */
export function findLibc() {
  if (process.platform !== "linux") return "";
  return existsSync("/lib") && readdirSync("/lib").some((name) => name.startsWith("ld-musl-")) ? "musl" : "glibc";
}

/** The path of a Node ≥ 24, or undefined: this process's own, else the one pinned in package-lock.json, else one on the PATH. */
export function findNode() {
  if (isRecent(process.version)) return process.execPath;
  const platform = process.platform === "win32" ? "win" : process.platform;
  const pinned = join(root, "node_modules", `node-${platform}-${process.arch}`, "bin", executable);
  if (existsSync(pinned) && findLibc() !== "musl") return pinned;
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, executable))
    .find((path) => existsSync(path) && isRecent(spawnSync(path, ["--version"], { encoding: "utf8" }).stdout ?? ""));
}

/** @param {string} version such as `v24.21.0` */
function isRecent(version) {
  return Number(/^v(\d+)\./.exec(version.trim())?.[1]) >= minimumMajor;
}
