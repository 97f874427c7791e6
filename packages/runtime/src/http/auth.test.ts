import { createHash } from "node:crypto";
import { ForbiddenError, UnauthorizedError } from "@branchward/core";
import { describe, expect, it } from "vitest";
import { createAuthenticator, type Principal, type RecordedSession, requireScope, type Scope } from "./auth.ts";

const ADMIN: Principal = { client: "admin", scope: "admin", tokenId: null, internal: false };

function createFixture() {
  const state = {
    now: 0,
    lookUps: 0,
    uses: 0,
    live: new Map<string, { id: string; client: string; scope: Scope }>(),
    sessions: new Map<string, RecordedSession>(),
  };
  const authenticator = createAuthenticator({
    staticTokens: [{ secret: "the-admin-secret", principal: ADMIN }],
    async findToken(secret) {
      state.lookUps += 1;
      return state.live.get(secret);
    },
    async findSession(secret) {
      return state.sessions.get(secret);
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
    for (let n = 0; n < 2; n += 1)
      await expect(authenticator.authenticate("Bearer nobody")).rejects.toThrow("unknown, expired or revoked");
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
    const isRefused = (): boolean => {
      try {
        requireScope({ ...ADMIN, scope: has }, wants);
        return false;
      } catch (error) {
        return error instanceof ForbiddenError;
      }
    };
    expect(isRefused()).toBe(!isCovered);
  });
});

describe("sessions", () => {
  const sha256 = (text: string) => createHash("sha256").update(text).digest();
  const opened = (over: Partial<RecordedSession>): RecordedSession => ({
    client: "admin",
    scope: "admin",
    tokenId: null,
    tokenHash: sha256("the-admin-secret"),
    expiresAt: new Date(60_000),
    ...over,
  });

  it("say who signed in and until when", async () => {
    const { state, authenticator } = createFixture();
    state.sessions.set("s1", opened({}));
    expect(await authenticator.authenticateSession("s1")).toEqual({ ...ADMIN, sessionEndsAt: new Date(60_000) });
  });

  it("that are ended elsewhere are refused a second later, and here at once", async () => {
    const { state, authenticator } = createFixture();
    state.sessions.set("s1", opened({}));
    await authenticator.authenticateSession("s1");
    state.sessions.clear();
    expect(await authenticator.authenticateSession("s1")).toMatchObject({ client: "admin" });
    state.now = 1_000;
    await expect(authenticator.authenticateSession("s1")).rejects.toThrow("sign in again");
    state.sessions.set("s2", opened({}));
    await authenticator.authenticateSession("s2");
    state.sessions.clear();
    authenticator.forgetSession("s2");
    await expect(authenticator.authenticateSession("s2")).rejects.toThrow("sign in again");
  });

  it("opened with an admin token that is no longer the admin token are refused", async () => {
    const { state, authenticator } = createFixture();
    state.sessions.set("s1", opened({ tokenHash: sha256("the former admin token") }));
    await expect(authenticator.authenticateSession("s1")).rejects.toThrow(UnauthorizedError);
  });

  it("opened with a token of the record leave its life to the record", async () => {
    const { state, authenticator } = createFixture();
    state.sessions.set("s1", opened({ client: "alice", scope: "read", tokenId: "t1", tokenHash: sha256("bw_read_x") }));
    expect(await authenticator.authenticateSession("s1")).toMatchObject({
      client: "alice",
      scope: "read",
      tokenId: "t1",
    });
  });
});
