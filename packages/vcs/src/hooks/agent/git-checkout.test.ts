import { describe, expect, it } from "vitest";
import { toActor } from "./event.js";
import { findRepositoryName, parseConfig, toUpstreamName } from "./git-checkout.js";

const config = (entries: Record<string, string>): Map<string, string> => new Map(Object.entries(entries));

describe("git's configuration", () => {
  it("is read with values of several lines and keys without one, the last of a key holding", () => {
    const output = Buffer.from("user.email\na@example.com\0core.bare\0x.y\n1\n2\0user.email\nb@example.com\0");
    expect([...parseConfig(output)]).toEqual([
      ["user.email", "b@example.com"],
      ["core.bare", ""],
      ["x.y", "1\n2"],
    ]);
  });
});

describe("the name of a checked-out branch", () => {
  it.each([
    ["a remote's", { "branch.a.b.remote": "origin", "branch.a.b.merge": "refs/heads/x/y" }, "x/y"],
    ["another local", { "branch.a.b.remote": ".", "branch.a.b.merge": "refs/heads/main" }, "a.b"],
    ["a tag", { "branch.a.b.remote": "origin", "branch.a.b.merge": "refs/tags/v1" }, "a.b"],
    ["no", {}, "a.b"],
  ])("that follows %s branch", (_, entries, name) => {
    expect(toUpstreamName("a.b", config(entries))).toBe(name);
  });
});

describe("the repository of a checkout", () => {
  const remotes = { "remote.origin.url": "git@h:acme/web.git", "remote.fork.url": "git@h:alice/web.git" };
  const find = (entries: Record<string, string>, branch: string | null = "a") =>
    findRepositoryName(config(entries), { branch, cwd: "/home/alice/src/web" });

  it.each([
    ["the remote that the branch follows", { ...remotes, "branch.a.remote": "fork" }, "alice/web"],
    ["origin", remotes, "acme/web"],
    ["the only remote", { "remote.up.stream.url": "https://u:p@h/acme/site" }, "acme/site"],
    ["a relative remote", { "remote.origin.url": "../../srv/acme/web.git" }, "acme/web"],
    [
      "the working copy where there are several others",
      { "remote.a.url": "h1:x/y", "remote.b.url": "h1:x/z" },
      "src/web",
    ],
    ["the working copy where there is none", {}, "src/web"],
  ])("is named by %s", (_, entries, name) => {
    expect(find(entries)).toBe(name);
  });
});

describe("the actor of a checkout", () => {
  it.each([
    ["alice", "Alice <a@example.com>", { key: "alice", email: "a@example.com" }],
    [undefined, "Alice <a@example.com>", { key: "a@example.com", email: "a@example.com" }],
    [undefined, "a@example.com", { key: "a@example.com", email: "a@example.com" }],
    [undefined, "Alice", { key: "Alice", email: null }],
    [undefined, undefined, null],
  ])("%s, %s", (key, email, actor) => {
    expect(toActor(key, email)).toEqual(actor);
  });
});
