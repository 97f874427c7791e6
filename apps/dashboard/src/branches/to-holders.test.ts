import type { EntitlementItem } from "@branchward/core/api";
import { describe, expect, it } from "vitest";
import { toHolders } from "./to-holders.ts";

const reason = {
  rule: "0.0",
  file: "branchward.yaml",
  line: 12,
  reference: "group:engineering",
  path: ["engineering"],
  kind: "standing" as const,
  until: null,
};

function hold(entitlement: string, userName: string, line: number): EntitlementItem {
  const member = { user: `id-${userName}`, userName, reasons: [{ ...reason, line }], until: null };
  return { entitlement, group: null, state: "verified", members: [member] };
}

describe("who holds what", () => {
  it("is told by user, in the order of their names", () => {
    const holders = toHolders([hold("push", "bob", 1), hold("push", "alice", 1)], "");
    expect(holders.map(({ userName }) => userName)).toEqual(["alice", "bob"]);
  });

  it("puts together what one line of the policy gives, and keeps apart what another gives", () => {
    const [alice] = toHolders([hold("push", "alice", 1), hold("merge", "alice", 1), hold("read", "alice", 2)], "");
    expect(alice?.holdings.map(({ entitlements }) => entitlements)).toEqual([["push", "merge"], ["read"]]);
  });

  it("leaves out whom a search does not find", () => {
    const holders = toHolders([hold("push", "bob", 1), hold("push", "alice", 1)], "AL");
    expect(holders.map(({ userName }) => userName)).toEqual(["alice"]);
  });
});
