import { chmod, cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveAccount, runAs, type Account } from "./account.ts";
import { getPlatformPackage, placeBinaries, type PlatformPackage } from "./binaries.ts";

let directory = "";
let account: Account;
let installed: PlatformPackage;

/** The package as npm leaves it where install scripts are off: without its symbolic links. */
beforeEach(async () => {
  account = await resolveAccount(null);
  const found = await getPlatformPackage();
  directory = await mkdtemp(join(tmpdir(), "branchward-binaries-"));
  await chmod(directory, 0o755);
  installed = { root: join(directory, "installed"), version: found.version };
  await cp(found.root, installed.root, { recursive: true, verbatimSymlinks: true });
  for (const entry of await readdir(join(installed.root, "native/lib"), { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await rm(join(entry.parentPath, entry.name));
  }
});

afterEach(() => rm(directory, { recursive: true, force: true }));

describe("PostgreSQL's programs", () => {
  it("run where npm put them, after the links that npm cannot carry are made", async () => {
    const binaries = await placeBinaries(account, installed, join(directory, "copies"));
    expect(binaries).toMatchObject({ copiedTo: null, postgres: join(installed.root, "native/bin/postgres") });
    expect((await runAs(account, binaries.initdb, ["--version"])).output).toContain(`PostgreSQL) ${binaries.major}`);
  });

  it("run from one copy, whoever makes it first, where they cannot be run in place", async () => {
    await chmod(join(installed.root, "native/bin/postgres"), 0o600);
    const copies = join(directory, "copies");
    const placed = await Promise.all([1, 2].map(() => placeBinaries(account, installed, copies)));
    expect(placed.map(({ copiedTo }) => copiedTo)).toEqual(
      [1, 2].map(() => join(copies, `postgresql-${installed.version}`)),
    );
    expect(await readdir(copies)).toEqual([`postgresql-${installed.version}`]);
    expect((await runAs(account, placed[0]?.postgres ?? "", ["--version"])).code).toBe(0);
  });

  it("that do not run at all are an error with what the system says", async () => {
    await rm(join(installed.root, "native/lib/libcrypto.so.1.1"));
    await expect(placeBinaries(account, installed, join(directory, "copies"))).rejects.toMatchObject({
      code: "postgres_unsupported",
      message: expect.stringContaining("libcrypto"),
    });
  });
});
