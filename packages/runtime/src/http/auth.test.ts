import { ForbiddenError, UnauthorizedError } from "@branchward/core";
import { describe, expect, it } from "vitest";
import { createAuthenticator, type Principal, requireScope, type Scope } from "./auth.ts";

const ADMIN: Principal = { client: "admin", scope: "admin", tokenId: null, internal: false };

function createFixture() {
  const state = { now: 0, lookUps: 0, uses: 0, live: new Map<string, { id: string; client: string; scope: Scope }>() };
  const authenticator = createAuthenticator({
    staticTokens: [{ secret: "the-admin-secret", principal: ADMIN }],
    async findToken(secret) {
      state.lookUps += 1;
      return state.live.get(secret);
    },
    onUse: () => {
      state.uses += 1;
    },
    now: () => state.now,
  });
  return { state, authenticator };
}

describe("bearer tokens", () => {
  it("are needed", async () => {
    const { authenticator } = createFixture();
    for (const header of [undefined, "", "Basic YTpi", "Bearer", "Bearer "]) {
      await expect(authenticator.authenticate(header)).rejects.toThrow(UnauthorizedError);
    }
  });

  it("of the process itself need no look-up", async () => {
    const { state, authenticator } = createFixture();
    expect(await authenticator.authenticate("Bearer the-admin-secret")).toBe(ADMIN);
    expect(await authenticator.authenticate("bearer the-admin-secret")).toBe(ADMIN);
    expect(state.lookUps).toBe(0);
  });

  it("of the record are looked up at most once a second, and a revoked one is refused a second later", async () => {
    const { state, authenticator } = createFixture();
    state.live.set("bw_scim_x", { id: "t1", client: "okta", scope: "scim" });
    for (let n = 0; n < 5; n += 1) await authenticator.authenticate("Bearer bw_scim_x");
    expect(state.lookUps).toBe(1);
    state.live.clear();
    expect(await authenticator.authenticate("Bearer bw_scim_x")).toMatchObject({ client: "okta", internal: false });
    state.now = 1_000;
    await expect(authenticator.authenticate("Bearer bw_scim_x")).rejects.toThrow("unknown, expired or revoked");
  });

  it("that nobody has are looked up each time", async () => {
    const { state, authenticator } = createFixture();
    for (let n = 0; n < 2; n += 1) await expect(authenticator.authenticate("Bearer nobody")).rejects.toThrow();
    expect(state.lookUps).toBe(2);
  });

  it.each<[Scope, Scope, boolean]>([
    ["admin", "scim", true],
    ["admin", "status", true],
    ["read", "status", true],
    ["read", "read", true],
    ["status", "read", false],
    ["scim", "read", false],
    ["agent", "admin", false],
    ["read", "admin", false],
  ])("of scope %s cover %s: %s", (has, wants, isCovered) => {
    const check = () => requireScope({ ...ADMIN, scope: has }, wants);
    if (isCovered) expect(check).not.toThrow();
    else expect(check).toThrow(ForbiddenError);
  });
});
