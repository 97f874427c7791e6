import { describe, expect, it } from "vitest";
import { toDiff } from "./sync-details.ts";

const member = (user: string) => ({ user, userName: user, why: "rule" });

describe("the diff of a sync", () => {
  it("gathers what was done to a group in several writes, beside what stayed", () => {
    const at = { entitlement: "push", group: "acme/web:main:push" };
    const diff = toDiff({
      changes: [
        { ...at, operation: "removeMembers", added: [], removed: [member("carol")] },
        {
          entitlement: "admin",
          group: "acme/web:main:admin",
          operation: "createGroup",
          added: [member("alice")],
          removed: [],
        },
        { ...at, operation: "addMembers", added: [member("bob")], removed: [] },
      ],
      unchanged: [{ ...at, members: [member("alice")] }],
    });
    expect(diff.map(({ entitlement, operations }) => [entitlement, operations])).toEqual([
      ["admin", ["createGroup"]],
      ["push", ["removeMembers", "addMembers"]],
    ]);
    expect(diff[1]).toMatchObject({ added: [member("bob")], removed: [member("carol")], unchanged: [member("alice")] });
  });

  it("shows a group that nothing was done to", () => {
    const diff = toDiff({ changes: [], unchanged: [{ entitlement: "push", group: "g", members: [member("alice")] }] });
    expect(diff).toEqual([
      { entitlement: "push", group: "g", operations: [], added: [], removed: [], unchanged: [member("alice")] },
    ]);
  });

  it("carries ten thousand members", () => {
    const members = Array.from({ length: 10_000 }, (_, index) => member(`user-${index}`));
    const diff = toDiff({ changes: [], unchanged: [{ entitlement: "push", group: "g", members }] });
    expect(diff[0]?.unchanged).toHaveLength(10_000);
  });
});
