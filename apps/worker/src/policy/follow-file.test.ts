import { appendFile, mkdir, mkdtemp, open, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { followFile, type FollowOptions } from "./follow-file.ts";

const PATIENCE = { timeout: 5_000, interval: 10 };
/** Longer than these tests: what they see was watched, or asked for. */
const NEVER_MS = 3_600_000;

describe("a followed file", () => {
  const context = { directory: "", texts: [] as string[], errors: [] as unknown[], stack: new AsyncDisposableStack() };
  beforeEach(async () => {
    const directory = await mkdtemp(join(tmpdir(), "branchward-follow-"));
    Object.assign(context, { directory, texts: [], errors: [], stack: new AsyncDisposableStack() });
    context.stack.defer(() => rm(directory, { recursive: true }));
  });
  afterEach(() => context.stack.disposeAsync());

  const at = (name: string) => join(context.directory, name);
  const follow = (options: Partial<FollowOptions> = {}) =>
    context.stack.use(
      followFile({
        path: at("policy.yaml"),
        known: "first",
        pollMs: NEVER_MS,
        onText: async (text) => void context.texts.push(text),
        onError: async (error) => void context.errors.push(error),
        ...options,
      }),
    );
  const readTexts = (count: number) =>
    vi.waitFor(() => {
      if (context.texts.length < count) throw new Error(`${context.texts.length} of ${count} texts`);
      return context.texts;
    }, PATIENCE);

  it("is read when it is written in place, and when an editor puts another in its place", async () => {
    await writeFile(at("policy.yaml"), "first");
    follow();
    await writeFile(at("policy.yaml"), "second");
    expect(await readTexts(1)).toEqual(["second"]);
    await writeFile(at("policy.yaml~"), "third");
    await rename(at("policy.yaml~"), at("policy.yaml"));
    expect(await readTexts(2)).toEqual(["second", "third"]);
  });

  it("is read when a symbolic link on its way is swapped, as Kubernetes does", async () => {
    for (const version of ["one", "two"]) {
      await mkdir(at(version));
      await writeFile(join(at(version), "policy.yaml"), version === "one" ? "first" : "second");
    }
    await symlink("one", at("..data"));
    await symlink(join("..data", "policy.yaml"), at("policy.yaml"));
    follow();
    await symlink("two", at("..tmp"));
    await rename(at("..tmp"), at("..data"));
    expect(await readTexts(1)).toEqual(["second"]);
  });

  it("is not read by halves: it is taken once it stays the same", async () => {
    await writeFile(at("policy.yaml"), "first");
    follow();
    await using file = await open(at("policy.yaml"), "w");
    await file.write("half ");
    await file.sync();
    await file.write("and half");
    expect(await readTexts(1)).toEqual(["half and half"]);
  });

  it("is no news while it says what is known, and is looked at when asked", async () => {
    await writeFile(at("policy.yaml"), "first");
    const followed = follow();
    await followed.look();
    expect(context.texts).toEqual([]);
  });

  it("that is away, or too large, is an error and no text", async () => {
    const followed = follow();
    await followed.look();
    expect(context.errors).toMatchObject([{ code: "ENOENT" }]);
    await writeFile(at("policy.yaml"), "x".repeat(1_000_001));
    const message = "the file has 1000001 bytes; a configuration has at most 1000000";
    await vi.waitFor(
      () => expect(context.errors).toContainEqual(expect.objectContaining({ code: "configuration_invalid", message })),
      PATIENCE,
    );
    expect(context.texts).toEqual([]);
    await writeFile(at("policy.yaml"), "x".repeat(1_000_000));
    await vi.waitFor(() => expect(context.texts).toEqual(["x".repeat(1_000_000)]), PATIENCE);
  });

  it("that was away is given again, whatever it says: that it was away may be on record", async () => {
    await writeFile(at("policy.yaml"), "first");
    const followed = follow();
    await rename(at("policy.yaml"), at("elsewhere"));
    await vi.waitFor(() => expect(context.errors[0]).toMatchObject({ code: "ENOENT" }), PATIENCE);
    await rename(at("elsewhere"), at("policy.yaml"));
    expect(await readTexts(1)).toEqual(["first"]);
    await followed.look();
    expect(context.texts).toEqual(["first"]);
  });

  it("is not looked at for what happens beside it, such as a log that tells of its fault", async () => {
    const followed = follow({
      onError: async (error) => {
        context.errors.push(error);
        await appendFile(at("log"), `${String(error)}\n`);
      },
    });
    await followed.look();
    for (let line = 0; line < 50; line += 1) await appendFile(at("log"), "another line\n");
    await writeFile(at("policy.yaml"), "second");
    expect(await readTexts(1)).toEqual(["second"]);
    expect(context.errors).toMatchObject([{ code: "ENOENT" }]);
  });

  it("is given again where it could not be dealt with", async () => {
    await writeFile(at("policy.yaml"), "second");
    const failures = [new Error("the record is away")];
    const followed = follow({
      onText: async (text) => {
        const failure = failures.pop();
        if (failure !== undefined) throw failure;
        context.texts.push(text);
      },
    });
    await followed.look();
    await followed.look();
    expect([context.texts, context.errors]).toEqual([["second"], [new Error("the record is away")]]);
  });

  it("is found by looking where nothing was told", async () => {
    await mkdir(at("elsewhere"));
    await writeFile(at("elsewhere/real.yaml"), "first");
    await symlink(at("elsewhere/real.yaml"), at("policy.yaml"));
    follow({ pollMs: 20 });
    await writeFile(at("elsewhere/real.yaml"), "second");
    expect(await readTexts(1)).toEqual(["second"]);
  });
});
