import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { listDirectoryChanges, type ChangeCursor, type RecordedChange } from "./changes.ts";
import { admin, groupBody, okta, openTestDirectory, patchBody, type TestDirectory, userBody } from "./testing.ts";

/** Other tests on the same server hold transactions open for seconds. */
const waiting = { timeout: 30_000 };
let directory: TestDirectory;

beforeAll(async () => {
  directory = await openTestDirectory();
});
afterAll(() => directory[Symbol.asyncDispose]());
beforeEach(() => {
  directory.committed.length = 0;
});

describe("directory changes", () => {
  it("are read in order from a position, each once, as soon as no older transaction is open", async () => {
    const userName = directory.unique("carol");
    const id = await directory.create(okta, "/Users", userBody({ userName }));
    const renamed = directory.unique("carol");
    await directory.request(okta, `PATCH /Users/${id}`, patchBody({ op: "replace", path: "userName", value: renamed }));
    const listAfter = async (position: ChangeCursor): Promise<readonly RecordedChange[]> =>
      (await listDirectoryChanges(directory.db, position, 10_000)).filter(({ resourceId }) => resourceId === id);
    const changes = await vi.waitFor(async () => {
      const found = await listAfter({ xid: "0", id: 0 });
      expect(found).toHaveLength(2);
      return found;
    }, waiting);
    expect(changes.map(({ kind, details }) => ({ kind, details }))).toEqual([
      { kind: "user.created", details: { userName, active: true } },
      { kind: "user.renamed", details: { from: userName, to: renamed } },
    ]);
    const [created, last] = changes;
    if (created === undefined || last === undefined) throw new Error("no changes");
    expect(await listAfter(created)).toEqual([last]);
    expect(await listAfter(last)).toEqual([]);
  });

  it("name who deactivated a user, whoever provisioned it", async () => {
    const id = await directory.createUser(okta);
    await directory.request(admin, `PATCH /Users/${id}`, patchBody({ op: "replace", value: { active: false } }));
    expect(directory.committed.at(-1)).toEqual({
      kind: "user.deactivated",
      resourceId: id,
      details: { client: "admin" },
    });
  });

  it("are not told of a write that was rolled back", async () => {
    const stranger = "00000000-0000-7000-8000-000000000000";
    const body = groupBody({ displayName: directory.unique("group"), members: [{ value: stranger }] });
    expect(await directory.request(okta, "POST /Groups", body)).toMatchObject({ status: 400 });
    expect(directory.committed).toEqual([]);
  });
});
