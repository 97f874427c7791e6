/** Builds the dashboard where its build is missing or older than its sources. Nothing is fetched: all it takes is in node_modules. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findNode, root } from "./find-node.js";

const dashboard = join(root, "apps", "dashboard");
const built = join(dashboard, "dist");
const stampFile = join(built, ".sources");

/** What the build is made of: the page, the contracts that it shares with the api, and the libraries. */
const sources = [
  join(dashboard, "src"),
  join(dashboard, "public"),
  join(dashboard, "index.html"),
  join(dashboard, "vite.config.ts"),
  join(root, "packages", "core", "src"),
  join(root, "package-lock.json"),
];

/** @returns {string[]} the files at or below a path, in an order of their own */
function listFiles(path) {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function toFingerprint() {
  const hash = createHash("sha256");
  const files = sources.flatMap((path) => (/\.[a-z]+$/.test(path) ? [path] : listFiles(path)));
  for (const file of files.toSorted((one, other) => (one < other ? -1 : 1)))
    hash.update(`${file.slice(root.length)}\0`).update(readFileSync(file));
  return hash.digest("hex");
}

/** Runs vite; resolves with its exit code and what it printed. */
function runVite(node, directory) {
  const vite = join(root, "node_modules", "vite", "bin", "vite.js");
  const child = spawn(node, [vite, "build", "--outDir", directory, "--emptyOutDir", "--logLevel", "warn"], {
    cwd: dashboard,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: 1, output: error.message }));
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** Without a dashboard everything else works, so that a failure is told and nothing more. */
export async function buildDashboard() {
  const fingerprint = toFingerprint();
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === fingerprint) return;
  const node = findNode();
  // The program that is run next says so.
  if (node === undefined) return;
  console.error("branchward: building the dashboard…");
  // Beside its place and then moved there, so that builds at the same time do not mix and a killed one leaves nothing half done.
  const fresh = `${built}-${process.pid}`;
  const { code, output } = await runVite(node, fresh);
  if (code === 0) {
    writeFileSync(join(fresh, ".sources"), fingerprint);
    rmSync(built, { recursive: true, force: true });
    renameSync(fresh, built);
    return;
  }
  rmSync(fresh, { recursive: true, force: true });
  console.error(`branchward: the dashboard could not be built; all else works without it.\n${output.trim()}`);
}
