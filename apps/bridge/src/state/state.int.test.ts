import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createLogger } from "@branchward/runtime";
import { openTokenCheck } from "../http/tokens.ts";
import { claimDirectory } from "./claim-directory.ts";
import type { HeldGroup, HeldUser } from "./snapshot.ts";
import { openStateFile } from "./state-file.ts";

const meta = { version: 3, created: "2026-01-01T00:00:00.000Z", lastModified: "2026-01-02T00:00:00.000Z" };
const user: HeldUser = {
  id: "u1",
  ...meta,
  account: "alice",
  native: { keys: [] },
  attributes: { userName: "Älice\n" },
};
const group: HeldGroup = { id: "g1", ...meta, members: new Set(["u1"]), fence: 7, attributes: { displayName: "devs" } };
const snapshot = { users: new Map([["u1", user]]), groups: new Map([["g1", group]]) };

async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "branchward-state-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

describe("the state of a bridge", () => {
  it("comes back as it was kept, for its owner's eyes alone, with nothing left beside it", async () => {
    const directory = await makeDirectory();
    const file = openStateFile(directory, "mercurial");
    expect(await file.load()).toBeUndefined();
    await file.save(snapshot);
    expect(await openStateFile(directory, "mercurial").load()).toEqual(snapshot);
    expect((await stat(file.path)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["state.jsonl"]);
  });

  it("is not taken for whole when it was cut, nor for another native system's", async () => {
    const directory = await makeDirectory();
    const file = openStateFile(directory, "mercurial");
    await file.save(snapshot);
    await expect(openStateFile(directory, "gitolite").load()).rejects.toMatchObject({ code: "state_unreadable" });
    const text = await readFile(file.path, "utf8");
    for (const lines of [1, 2, 3]) {
      await writeFile(file.path, `${text.split("\n").slice(0, lines).join("\n")}\n`);
      await expect(file.load()).rejects.toMatchObject({ code: "state_unreadable" });
    }
    await truncate(file.path, 0);
    await expect(file.load()).rejects.toMatchObject({ code: "state_unreadable" });
  });

  it("belongs to one bridge at a time, and to the next after a kill", async () => {
    const directory = await makeDirectory();
    {
      await using _ = await claimDirectory(directory);
      await writeFile(join(directory, "bridge.pid"), String(process.ppid));
      await expect(claimDirectory(directory)).rejects.toMatchObject({ code: "state_in_use" });
    }
    await writeFile(join(directory, "bridge.pid"), "999999999");
    await using again = await claimDirectory(directory);
    expect(again).toBeDefined();
  });
});

describe("the tokens of a bridge", () => {
  it("are read again from their files, and outlive a file that is away", async () => {
    const directory = await makeDirectory();
    const file = join(directory, "token");
    const clock = { now: 0 };
    await writeFile(file, "first-token-0123456789\n");
    const log = createLogger({ level: "silent" });
    const tokens = await openTokenCheck({ references: [{ file }], env: {}, log, now: () => clock.now });
    await tokens.require("Bearer first-token-0123456789");
    await expect(tokens.require("Bearer second-token-0123456789")).rejects.toMatchObject({ code: "unauthorized" });
    await expect(tokens.require(undefined)).rejects.toMatchObject({ code: "unauthorized" });
    await writeFile(file, "second-token-0123456789\n");
    clock.now = 1_000;
    await tokens.require("Bearer second-token-0123456789");
    await expect(tokens.require("Bearer first-token-0123456789")).rejects.toMatchObject({ code: "unauthorized" });
    await rm(file);
    clock.now = 2_000;
    await expect(tokens.require("Bearer second-token-0123456789")).resolves.toBeUndefined();
  });

  it("are refused at the start when they can be guessed", async () => {
    const log = createLogger({ level: "silent" });
    const opened = openTokenCheck({ references: [{ env: "T" }], env: { T: "short" }, log, now: () => 0 });
    await expect(opened).rejects.toMatchObject({ code: "configuration_invalid" });
  });
});
