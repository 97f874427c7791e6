import { describe, expect, it } from "vitest";
import { toDiffRows } from "./diff-rows.ts";

const member = (userName: string | null, user = userName ?? "id-7") => ({ user, userName, why: "group:engineering" });
const push = {
  entitlement: "push",
  group: "acme/web:main:push",
  operations: ["addMembers"],
  added: [member("alice")],
  removed: [member(null)],
  unchanged: [member("Bob")],
};
const read = { ...push, entitlement: "read", added: [], removed: [] };

const show = (rows: ReturnType<typeof toDiffRows>) =>
  rows.map((row) =>
    row.kind === "group" ? row.diff.entitlement : `${row.sign}${row.member.userName ?? row.member.user}`,
  );

describe("the lines of a diff", () => {
  it("are who left and who came, below each group, also one where nobody did", () => {
    expect(show(toDiffRows([push, read], { isWhole: false, who: "" }))).toEqual(["push", "−id-7", "+alice", "read"]);
  });

  it("hold everybody when asked to", () => {
    expect(show(toDiffRows([read], { isWhole: true, who: "" }))).toEqual(["read", " Bob"]);
  });

  it("hold whom a search finds, whatever the case, and no group in which it finds nobody", () => {
    const whole = { isWhole: true, who: " bob " };
    expect(show(toDiffRows([push, { ...read, unchanged: [] }], whole))).toEqual(["push", " Bob"]);
  });
});
