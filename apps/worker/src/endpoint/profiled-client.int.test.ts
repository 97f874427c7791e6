import { branchEntitlementSchema, toClientProfile } from "@branchward/core";
import { createGroupType, createScimClient, createScimProvider, createUserType } from "@branchward/scim";
import { createMemoryStore, serveProvider } from "@branchward/scim/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { applyProfile } from "./profiled-client.ts";

describe("an endpoint without PATCH", () => {
  let stack = new AsyncDisposableStack();
  const context: { url: string; writes: string[] } = {} as never;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    const writes: string[] = [];
    const provider = createScimProvider<undefined>({
      store: createMemoryStore(),
      types: [createUserType(), createGroupType()],
      baseUrl: () => "https://endpoint.example/scim/v2",
      maxResults: 100,
    });
    const { url } = stack.use(
      await serveProvider({
        async handle(request) {
          const { method, headers } = request;
          if (method !== "GET") writes.push(`${method} ${headers["if-match"] ?? "unbound"}`);
          return method === "PATCH" ? { status: 405, headers: {}, body: {} } : provider.handle(request);
        },
      }),
    );
    Object.assign(context, { url, writes });
  });
  afterEach(() => stack.disposeAsync());

  it.each([
    ["that is known for it is PUT the group", false, 0],
    ["that is not is PUT it when it says so", true, 1],
  ])(
    "%s with its new name, its members and whatever else it has, bound to what was read",
    async (_, patch, patches) => {
      const { url, writes } = context;
      const raw = createScimClient({ url, token: () => "token", deadlineMs: 5_000, maxBytes: 1 << 20 });
      const client = applyProfile(raw, async () => ({ ...toClientProfile(undefined), patch, keepsExtension: false }));
      const { id: alice } = await raw.createUser({ userName: "alice" });
      const { id, version } = await raw.createGroup({
        displayName: "old",
        externalId: "x",
        members: [{ value: alice }],
      });
      writes.length = 0;
      await client.patchGroup(id, [
        { op: "replace", path: "displayName", value: "new" },
        { op: "replace", path: `${branchEntitlementSchema}:branch`, value: "new" },
      ]);
      const group = await raw.getGroup(id);
      expect(group).toMatchObject({ displayName: "new", externalId: "x", members: [{ value: alice }] });
      expect(writes.filter((write) => write.startsWith("PATCH"))).toHaveLength(patches);
      expect(writes.at(-1)).toBe(`PUT ${version ?? ""}`);
    },
  );
});
