/** What the agent makes of hooks that were recorded with git 2.39 and 2.55 and Mercurial 6.3 (test/fixtures/vcs). */
import { describe, expect, it } from "vitest";
import { readRecords } from "../recordings.ts";
import { findServerActor } from "./event.js";
import { findRenames, parseReceived } from "./git-receive.js";
import { findActor } from "./hg-transaction.js";
import { isCheckout } from "./hg-update.js";

/** What each push of the scenario changed. */
const received = (folder: string, scenario: string): readonly (readonly string[])[] =>
  readRecords(folder, scenario, ["post-receive"]).map(({ stdin }) =>
    parseReceived(Buffer.from(stdin ?? "")).changes.map(({ kind, name }) => `${kind} ${name}`),
  );

describe.each(["git", "git-new-files"])("recorded pushes of %s", (folder) => {
  it.each([
    ["server-file-first-push", [["create main"]]],
    ["server-file-push-update", [["push main"]]],
    ["server-file-push-rename-one-push", [["delete feature/c", "create feature/renamed"]]],
    ["server-file-push-rename-atomic", [["delete feature/renamed", "create feature/renamed2"]]],
    ["server-file-push-rename-with-commit", [["delete feature/renamed3", "create feature/r4"]]],
    [
      "server-file-push-rename-to-earlier-name",
      [["create zz-old"], ["delete zz-old", "create aa-new"], ["delete aa-new"]],
    ],
    ["server-file-push-delete", [["delete feature/r4"]]],
    ["server-file-push-tag", [[]]],
    ["server-file-push-update-rejects-one", [["create good"]]],
    ["server-file-push-rejected", []],
    ["server-file-push-noop", []],
  ])("%s", (scenario, expected) => {
    expect(received(folder, scenario)).toEqual(expected);
  });
});

describe("a recorded push", () => {
  it("of a SHA-256 repository has null for the absent revision", () => {
    const [record] = readRecords("git", "server-file-push-delete-sha256", ["post-receive"]);
    const { changes } = parseReceived(Buffer.from(record?.stdin ?? ""));
    expect(changes).toMatchObject([
      { kind: "delete", name: "x", before: expect.stringMatching(/^[0-9a-f]{64}$/), after: null },
    ]);
  });

  it.each([
    ["server-http-push-rename", "alice"],
    ["server-http-push-force", "alice"],
  ])("%s names the user of the transport", (scenario, key) => {
    for (const { env } of readRecords("git", scenario, ["post-receive"])) {
      expect(findServerActor(env)).toEqual({ key, email: null });
    }
  });

  it("has options that say nothing of a rename", () => {
    for (const scenario of ["server-file-push-options", "server-file-push-options-empty", "server-http-push-options"]) {
      for (const { env } of readRecords("git", scenario, ["post-receive"])) {
        expect(findRenames(env, [{ kind: "create", name: "x" }])).toEqual([]);
      }
    }
  });
});

describe("what a pusher says about a rename", () => {
  const env = (...options: readonly string[]): Record<string, string> => ({
    GIT_PUSH_OPTION_COUNT: String(options.length),
    ...Object.fromEntries(options.map((option, index) => [`GIT_PUSH_OPTION_${index}`, option])),
  });
  const create = (name: string) => ({ kind: "create", name });

  it("names both branches, or the old one where one is created", () => {
    expect(findRenames(env("rename-from=a:b"), [])).toEqual([{ refType: "branch", from: "a", to: "b" }]);
    expect(findRenames(env("x", "rename-from=a"), [create("b")])).toEqual([{ refType: "branch", from: "a", to: "b" }]);
  });

  it("is nothing where two are created, or where it is not complete", () => {
    expect(findRenames(env("rename-from=a"), [create("b"), create("c")])).toEqual([]);
    expect(findRenames(env("rename-from=", "rename-from", "rename-from=:b"), [create("b")])).toEqual([]);
  });
});

describe("recorded hooks of hg", () => {
  const checkouts = (scenario: string): readonly boolean[] =>
    readRecords("hg", scenario, ["update", "post-update"]).map(({ hook, env }) => isCheckout(hook, env));

  it.each([
    ["update-conflict", [false, false, true, true]],
    ["merge", [true, true, false]],
    ["bookmark-update-deactivate", [true, true, true, true]],
  ])("%s are a checkout or not", (scenario, expected) => {
    expect(checkouts(scenario)).toEqual(expected);
  });

  it.each([
    ["http-push-new-branch", null],
    ["http-auth-push-new-branch", { key: "alice", email: null }],
    ["http-auth-bookmark-rename", { key: "alice", email: null }],
  ])("%s name the user of the transport", (scenario, actor) => {
    const records = readRecords("hg", scenario, ["changegroup", "txnclose-bookmark"]).filter(
      ({ env }) => env["HG_URL"],
    );
    expect(records.length).toBeGreaterThan(0);
    for (const { env } of records) expect(findActor(env)).toEqual(actor);
  });
});
