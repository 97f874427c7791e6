import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseTransaction } from "./agent/hg-transaction.js";
import { readAssets } from "./assets.ts";
import { readRecords } from "./recordings.ts";
import { type Lab, openLab } from "./testing.ts";

let lab: Lab;

beforeEach(async () => {
  lab = await openLab();
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
});

/** Runs the hook script with what was recorded, without an agent, and returns what it collected for each transaction. */
async function collect(scenario: string): Promise<readonly (readonly string[])[]> {
  const home = path.join(lab.dir, "collected");
  await mkdir(path.join(home, "transactions"), { recursive: true });
  const assets = await readAssets();
  await writeFile(path.join(home, "hook"), assets.renderScript("hg", { home: '"${0%/*}"', node: "/nowhere" }));
  for (const { hook, env } of readRecords("hg", scenario, ["txnclose-bookmark", "changegroup"])) {
    if (env["HG_SOURCE"] === undefined) continue;
    expect(await lab.tryRun(home, { env }, "sh", path.join(home, "hook"), hook)).toMatchObject({ code: 0, stderr: "" });
  }
  const files = await readdir(path.join(home, "transactions"));
  const texts = await Promise.all(
    files.map(async (file) => await readFile(path.join(home, "transactions", file), "utf8")),
  );
  await rm(home, { recursive: true });
  return texts.map((text) => {
    const { bookmarks, ranges } = parseTransaction(text);
    return [...bookmarks.map(({ kind, name }) => `${kind} ${name}`), ...ranges.map(() => "range")];
  });
}

describe("the hg hook script collects by transaction", () => {
  it.each([
    ["http-bookmark-rename", [["delete webbm", "create webbm2"]]],
    ["branch-close-push", [["range"]]],
    ["branch-reopen-push", [["range"]]],
    ["http-auth-push-new-branch", [["range"]]],
    ["ssh-push-new-branch", [["range"]]],
    ["bookmark-rename-to-earlier-name", [["create zz-old"], ["create aa-new", "delete zz-old"], ["delete aa-new"]]],
  ])("%s", async (scenario, expected) => {
    const collected = await collect(scenario);
    expect(collected).toHaveLength(expected.length);
    expect(collected).toEqual(expect.arrayContaining(expected.map((changes) => [...changes])));
  });
});
