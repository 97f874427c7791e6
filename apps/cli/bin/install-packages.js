/** Brings node_modules in step with package-lock.json, once, however many processes ask at a time. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findLibc, root } from "./find-node.js";

const lockfile = join(root, "package-lock.json");
const stampFile = join(root, "node_modules", ".branchward-setup");

/** Known causes, by what npm prints; the first that matches is told. */
const remedies = [
  [
    /EUSAGE|can only install packages when/,
    "package.json and package-lock.json differ: run `npm install` and commit the lockfile.",
  ],
  [/ENOSPC/, "The disk is full."],
  [
    /EACCES|EPERM|EROFS/,
    `This user may not write to ${root} or to npm's cache: change their owner, or run as their owner.`,
  ],
  [/EINTEGRITY/, "A download differs from the lockfile: run `npm cache clean --force` and try again."],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|E50\d|CERT/,
    "The package registry was not reached: check the network and `npm config get registry`, `proxy`, `https-proxy`.",
  ],
];

function toFingerprint() {
  const hash = createHash("sha256").update(readFileSync(lockfile)).digest("hex");
  return `${hash} ${process.platform}-${process.arch}-${findLibc()}`;
}

/** npm writes one value as a string, several as a list; `!` excludes one. */
function allows(values, value) {
  const list = [values ?? []].flat();
  return !list.includes(`!${value}`) && (list.includes(value) || list.every((entry) => entry.startsWith("!")));
}

function isForThisMachine({ os, cpu, libc }) {
  return allows(os, process.platform) && allows(cpu, process.arch) && allows(libc, findLibc());
}

/** What an optional package for another machine depends on is left out too, and bears no mark of a machine. */
function mayBeMissing(entry) {
  const isForAnyMachine = entry.os === undefined && entry.cpu === undefined && entry.libc === undefined;
  return !isForThisMachine(entry) || (entry.optional === true && isForAnyMachine);
}

/** Whether npm itself has already installed what the lockfile says, as after a developer's `npm install`. */
function isInstalledByNpm() {
  const installedFile = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(lockfile, "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedFile, "utf8")).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    const found = installed[path];
    if (!path.includes("node_modules/") || (found === undefined && mayBeMissing(entry))) return true;
    return found?.version === entry.version && found?.integrity === entry.integrity;
  });
}

function hasStamp(fingerprint) {
  return existsSync(stampFile) && readFileSync(stampFile, "utf8") === fingerprint;
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Outside of node_modules, which `npm ci` empties. Returns how to release it. */
async function lock() {
  const checkout = createHash("sha256").update(root).digest("hex").slice(0, 16);
  const file = join(tmpdir(), `branchward-setup-${checkout}-${process.getuid?.() ?? "user"}.lock`);
  for (let waits = 0; ; waits += 1) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx", mode: 0o600 });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const holder = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    // An empty file was made this instant, or by a process killed in it: ten seconds tell which.
    if (holder === 0 ? waits > 50 : !isAlive(holder)) rmSync(file, { force: true });
    else if (waits === 5) console.error(`branchward: waiting for the setup that process ${holder} runs…`);
    await delay(200);
  }
}

/** npm as it runs this script, else the one on the PATH. */
function toNpmCommand() {
  const cli = process.env.npm_execpath;
  if (cli !== undefined && /npm-cli\.[cm]?js$/.test(cli))
    return { command: process.execPath, args: [cli], shell: false };
  return { command: "npm", args: [], shell: process.platform === "win32" };
}

/**
 * Runs an npm command that installs; resolves with its exit code and what it printed.
 * @param {string} name `ci` or `install`
 */
function runNpm(name, ...more) {
  const { command, args, shell } = toNpmCommand();
  const options = [name, ...more, "--no-audit", "--no-fund", "--include=dev", "--include=optional", "--loglevel=error"];
  const child = spawn(command, [...args, ...options], { cwd: root, shell, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: 1, output: error.message }));
    child.once("close", (code) => resolve({ code, output }));
  });
}

/**
 * Since 11.7 or so, `npm ci` takes an optional package that the lockfile lacks (a build for some other machine, which the registry it was written
 * with did not have) for a lockfile out of step. Any other complaint about the lockfile is justified.
 */
function isMissingForeignBuilds(output) {
  const complaints = output.match(/(Missing|Invalid): .*/g) ?? [];
  const foreignBuild = /^Missing: (\S+@|\S*(android|darwin|freebsd|linux|openharmony|wasm|win)\S*@\S+) from lock file/;
  return complaints.length > 0 && complaints.every((line) => foreignBuild.test(line));
}

/** Installs exactly what the lockfile says. */
async function installLocked() {
  const result = await runNpm("ci");
  if (result.code === 0 || !isMissingForeignBuilds(result.output)) return result;
  const before = readFileSync(lockfile);
  try {
    return await runNpm("install", "--no-save");
  } finally {
    if (!readFileSync(lockfile).equals(before)) writeFileSync(lockfile, before);
  }
}

function reportFailure(output) {
  const remedy = remedies.find(([pattern]) => pattern.test(output))?.[1];
  const lines = output
    .trim()
    .split("\n")
    .slice(0, 15)
    .map((line) => `  ${line}`);
  console.error(["branchward: the packages could not be installed (npm ci):", ...lines].join("\n"));
  console.error(`branchward: ${remedy ?? "Put right what npm says above, then run the same command again."}`);
}

/** True when it succeeded; else the cause has been printed. */
async function install() {
  console.error("branchward: installing the packages of package-lock.json (npm ci)…");
  const started = performance.now();
  const { code, output } = await installLocked();
  if (code !== 0) {
    reportFailure(output);
    return false;
  }
  console.error(`branchward: packages installed in ${((performance.now() - started) / 1000).toFixed(1)} s.`);
  return true;
}

/** True when node_modules is what package-lock.json says, after installing it if need be; false, with the cause printed, when it cannot be. */
export async function installPackages() {
  const fingerprint = toFingerprint();
  if (hasStamp(fingerprint)) return true;
  const release = await lock();
  try {
    if (hasStamp(fingerprint)) return true;
    if (!isInstalledByNpm() && !(await install())) return false;
    writeFileSync(stampFile, fingerprint);
    return true;
  } finally {
    release();
  }
}
