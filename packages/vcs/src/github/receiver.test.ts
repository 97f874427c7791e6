import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeSecret, findReceiver } from "../receive.ts";

const receiver = findReceiver("github");
const digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const body = Buffer.from("Hello, World!");
const secrets = [decodeSecret("It's a Secret to Everybody")];
const now = new Date(0);

const verify = (headers: Record<string, string>, other = secrets) =>
  receiver.verify({ headers, body, secrets: other, now });

describe("GitHub's signature", () => {
  it("is accepted as GitHub documents it", () => {
    expect(verify({ "x-hub-signature-256": `sha256=${digest}` })).toEqual({ ok: true, trust: "claim" });
  });

  it("is accepted under any of several secrets", () => {
    expect(verify({ "x-hub-signature-256": `sha256=${digest}` }, [decodeSecret("old"), ...secrets]).ok).toBe(true);
  });

  it.each([
    ["missing", {}],
    ["the old SHA-1 one alone", { "x-hub-signature": "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59" }],
    ["without its prefix", { "x-hub-signature-256": digest }],
    ["in upper case", { "x-hub-signature-256": `sha256=${digest.toUpperCase()}` }],
    ["cut short", { "x-hub-signature-256": `sha256=${digest.slice(2)}` }],
    ["of something else", { "x-hub-signature-256": `sha256=${"0".repeat(64)}` }],
  ])("is refused when it is %s", (_, headers) => {
    expect(verify(headers).ok).toBe(false);
  });
});

describe("the id of GitHub's delivery", () => {
  it("is X-GitHub-Delivery, or the digest of the body", () => {
    const id = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    expect(receiver.deliveryId({ headers: { "x-github-delivery": id }, body })).toBe(id);
    expect(receiver.deliveryId({ headers: {}, body })).toBe(
      "dffd6021bb2bd5b0af676290809ec3a53191dd81c7f70a4b28688a362182986f",
    );
  });
});

const zero = "0".repeat(40);
const a = "a".repeat(40);
const b = "b".repeat(40);
/** The parts of GitHub's `push`, `create` and `delete` payloads that carry meaning, in their documented shapes. */
const common = {
  repository: { id: 186853002, node_id: "MDEwOlJlcG9zaXRvcnkx", name: "web", full_name: "acme/web", private: false },
  sender: { login: "Codertocat", id: 21031067, type: "User" },
};
const pushed = {
  ...common,
  ref: "refs/heads/release/1.0",
  before: a,
  after: b,
  created: false,
  deleted: false,
  forced: false,
  base_ref: null,
  pusher: { name: "Codertocat", email: "21031067+Codertocat@users.noreply.github.com" },
  commits: [],
};
const created = { ...common, ref: "release/1.0", ref_type: "branch", master_branch: "main", pusher_type: "user" };

const normalize = (event: string, payload: unknown) =>
  receiver.normalize({ headers: { "x-github-event": event }, payload, receivedAt: now });

describe("GitHub's push", () => {
  it("of an existing branch is a push", () => {
    expect(normalize("push", pushed)).toEqual({
      repository: { nativeId: "186853002", name: "acme/web", vcs: "git" },
      site: "server",
      event: "push",
      occurredAt: null,
      actor: { key: "Codertocat", email: null, trust: "claim" },
      groupKey: null,
      changes: [
        { kind: "push", refType: "branch", name: "release/1.0", before: a, after: b, forced: false, closed: false },
      ],
      renames: [],
      sightings: [],
      queued: [],
      checkout: null,
      ignored: null,
    });
  });

  it.each([
    ["creates", { before: zero, created: true }, { kind: "create", before: null, after: b, forced: null }],
    ["deletes", { after: zero, deleted: true, forced: true }, { kind: "delete", before: a, after: null, forced: null }],
    ["forces", { forced: true }, { kind: "push", before: a, after: b, forced: true }],
    ["creates with SHA-256", { before: "0".repeat(64), after: "c".repeat(64) }, { kind: "create", before: null }],
  ])("%s a branch", (_, changes, expected) => {
    expect(normalize("push", { ...pushed, ...changes }).changes).toMatchObject([expected]);
  });

  it.each([
    ["a tag", { ref: "refs/tags/v1" }, "tag"],
    ["another ref", { ref: "refs/notes/x" }, "not a branch"],
    ["a revision that is none", { after: "HEAD" }, "malformed revision"],
    ["no repository", { repository: null }, "no repository"],
    ["a repository whose name cannot be kept", { repository: { id: 1, full_name: "acme/\0" } }, "no repository"],
    ["a name with NUL", { ref: "refs/heads/a\0" }, "branch name with NUL"],
    ["a name too long", { ref: `refs/heads/${"x".repeat(4097)}` }, "branch name over 4096 bytes"],
  ])("of %s is ignored", (_, changes, reason) => {
    expect(normalize("push", { ...pushed, ...changes })).toMatchObject({ ignored: reason, changes: [] });
  });
});

describe("GitHub's create and delete", () => {
  it("have no revision", () => {
    const change = { refType: "branch", name: "release/1.0", before: null, after: null, forced: null, closed: false };
    expect(normalize("create", created).changes).toEqual([{ kind: "create", ...change }]);
    expect(normalize("delete", created).changes).toEqual([{ kind: "delete", ...change }]);
  });

  it("of a tag are ignored", () => {
    expect(normalize("create", { ...created, ref_type: "tag" })).toMatchObject({ ignored: "tag", changes: [] });
  });
});

describe("GitHub's merge queue", () => {
  /** The parts of `merge_group` that carry meaning (docs.github.com/webhooks, "merge_group"). */
  const queueBranch = `gh-readonly-queue/release/1.0/pr-7-${a}`;
  const group = {
    head_sha: b,
    head_ref: `refs/heads/${queueBranch}`,
    base_sha: a,
    base_ref: "refs/heads/release/1.0",
    head_commit: { id: b, tree_id: a, message: "Merge pull request #7 from acme/x" },
  };
  const requested = { ...common, action: "checks_requested", merge_group: group };

  it("asks for checks of a revision that answers for the base branch (rule D3)", () => {
    expect(normalize("merge_group", requested)).toMatchObject({
      ignored: null,
      changes: [],
      queued: [{ refType: "branch", name: "release/1.0", head: b, isBaseSeen: true }],
    });
  });

  it.each([
    ["a group that is gone", { action: "destroyed", reason: "merged" }, "merge queue"],
    ["a group without a revision", { merge_group: { ...group, head_sha: "HEAD" } }, "merge group without a revision"],
    ["a group at no revision", { merge_group: { ...group, head_sha: zero } }, "merge queue"],
    ["no group", { merge_group: null }, "merge group without a revision"],
    ["no base", { merge_group: { ...group, base_ref: null } }, "merge group without a branch"],
    [
      "a base that is no branch",
      { merge_group: { ...group, base_ref: "refs/tags/v1" } },
      "merge group without a branch",
    ],
    ["a base without a name", { merge_group: { ...group, base_ref: "refs/heads/" } }, "empty branch name"],
    ["no repository", { repository: null }, "no repository"],
  ])("that tells of %s is ignored", (_, changes, reason) => {
    expect(normalize("merge_group", { ...requested, ...changes })).toMatchObject({ ignored: reason, queued: [] });
  });

  it("pushes its temporary branch: that is the base's too, and no branch of its own", () => {
    const ref = { ref: group.head_ref, before: zero, after: b, created: true };
    expect(normalize("push", { ...pushed, ...ref })).toMatchObject({
      ignored: null,
      changes: [],
      queued: [{ refType: "branch", name: "release/1.0", head: b, isBaseSeen: false }],
    });
  });

  it("creates its temporary branch without that it becomes one of ours", () => {
    const payload = { ...created, ref: queueBranch };
    expect(normalize("create", payload)).toMatchObject({ ignored: "merge queue", changes: [], queued: [] });
  });

  it.each([
    ["push", { ...pushed, ref: group.head_ref, before: b, after: zero, deleted: true }, b],
    ["delete", { ...created, ref: queueBranch }, null],
  ])("deletes its temporary branch (%s) as any branch is deleted", (event, payload, before) => {
    const changes = [{ kind: "delete", name: queueBranch, before, after: null }];
    expect(normalize(event, payload)).toMatchObject({ changes, queued: [] });
  });
});

describe("GitHub's event of a repository (rule A2)", () => {
  it.each([
    ["renamed", { repository: { name: { from: "web" } } }],
    ["transferred", { owner: { from: { organization: { login: "acme" } } } }],
  ])("that was %s tells its name, and of no branch", (action, changes) => {
    const told = normalize("repository", { ...common, action, changes });
    expect(told).toMatchObject({ repository: { nativeId: "186853002", name: "acme/web" }, changes: [], ignored: null });
  });

  it.each(["created", "deleted", "archived", "publicized"])("that was %s is ignored", (action) => {
    expect(normalize("repository", { ...common, action })).toMatchObject({ ignored: "repository" });
  });
});

describe("any other event of GitHub", () => {
  it.each(["ping", "pull_request", "repository"])("(%s) is ignored under its name", (event) => {
    expect(normalize(event, { ...common, zen: "Keep it logically awesome." })).toMatchObject({ event, ignored: event });
  });

  it("names its sender by id where it has no login", () => {
    expect(normalize("push", { ...pushed, sender: { id: 5 } }).actor?.key).toBe("5");
    expect(normalize("push", { ...pushed, sender: { login: "a\0", id: 5 } }).actor?.key).toBe("5");
    expect(normalize("push", { ...pushed, sender: null }).actor).toBeNull();
  });

  it("is never an error, whatever its payload", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("push", "create", "delete", "merge_group", "repository", "x"),
        fc.jsonValue(),
        (event, payload) => {
          expect(normalize(event, payload).ignored).toMatch(/./);
        },
      ),
    );
  });
});
