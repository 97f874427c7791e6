/** Programs of the system that the demo and the tests run for real. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { CommandError, EXIT } from "../context.ts";

/** The Debian packages they come in; several where one needs another. */
const PACKAGES = {
  git: "git",
  hg: "mercurial",
  "redis-server": "redis-server",
  pg_ctlcluster: "postgresql",
  chromium: "chromium",
  nginx: "nginx-light",
  uwsgi: "uwsgi-core uwsgi-plugin-python3",
  sshd: "openssh-server",
  openssl: "openssl",
  gitolite: "gitolite3",
} as const;

export type Tool = keyof typeof PACKAGES;

/**
 * Makes sure that programs are there: installs the missing ones with apt-get where it may, and says so.
 * @throws {CommandError} 78 with the exact command to run.
 */
export async function ensureTools(tools: readonly Tool[], say: (line: string) => void): Promise<void> {
  const missing = listMissing(tools);
  if (missing.length === 0) return;
  const hasApt = isOnPath("apt-get");
  if (hasApt && process.getuid?.() === 0) {
    say(`installing what is missing: apt-get install ${missing.join(" ")}`);
    install(missing);
  }
  const still = listMissing(tools);
  if (still.length === 0) return;
  const command = `apt-get update && apt-get install -y ${still.join(" ")}`;
  const fix = hasApt
    ? `sudo sh -c '${command}'`
    : `${command}   (on Debian or Ubuntu; elsewhere the packages of the same names)`;
  throw new CommandError(
    EXIT.config,
    `these programs are needed and not here: ${still.join(", ")}. Run this, then try again:\n  ${fix}`,
  );
}

function listMissing(tools: readonly Tool[]): readonly string[] {
  return tools.flatMap((tool) => (isOnPath(tool) ? [] : PACKAGES[tool].split(" ")));
}

function isOnPath(program: string): boolean {
  // Servers lie where only root looks for programs.
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  return directories.some((directory) => existsSync(join(directory, program)));
}

function install(packages: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [
    ["update", "-qq"],
    ["install", "-y", "-qq", "--no-install-recommends", ...packages],
  ]) {
    spawnSync("apt-get", args, { stdio: ["ignore", "ignore", "inherit"], env });
  }
}
