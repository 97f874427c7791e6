import type { IncarnationId, Operation, UserId } from "@branchward/core";
import { createGroupType, createScimClient, createScimProvider, createUserType } from "@branchward/scim";
import { createMemoryStore, serveProvider } from "@branchward/scim/testing";
import { describe, expect, it } from "vitest";
import { applyOperation } from "./endpoint.ts";
import { createTestProvider } from "./testing.ts";
import { createVersions, UNBOUND } from "./versions.ts";

const entitlement = "push";
const addition = { member: "7", userId: "u" as UserId, reasons: [] };
const incarnation = "01890000-0000-7000-8000-000000000001" as IncarnationId;
const extension = {
  repository: "acme/web",
  branch: "dev/x",
  refType: "branch",
  entitlement,
  incarnation,
  vcs: "git",
} as const;
const lease = { token: 7, scopeId: "01890000-0000-7000-8000-000000000002" };
const removal = { member: "7", userId: null, cause: "deny" } as const;

describe("a write that gives a group its name (rule A8)", () => {
  it.each<[string, (groupId: string) => Operation]>([
    ["a rename", (groupId) => ({ kind: "renameGroup", entitlement, groupId, displayName: "taken", extension: null })],
    [
      "a new group",
      () => ({ kind: "createGroup", entitlement, displayName: "taken", externalId: "x", extension, additions: [] }),
    ],
  ])("is tried again where another took the name since: %s", async (_, toOperation) => {
    await using stack = new AsyncDisposableStack();
    const provider = createTestProvider();
    const taken = { schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"], status: "409", scimType: "uniqueness" };
    const { url } = stack.use(
      await serveProvider({
        handle: async (request) =>
          JSON.stringify(request.body ?? null).includes("taken")
            ? { status: 409, headers: { "content-type": "application/scim+json" }, body: taken }
            : provider.handle(request),
      }),
    );
    const client = createScimClient({ url, token: () => "token", deadlineMs: 5_000, maxBytes: 1 << 20 });
    const { id } = await client.createGroup({ displayName: "own", members: [] });
    const written = applyOperation(client, toOperation(id), { lease, versions: UNBOUND });
    await expect(written).rejects.toMatchObject({ retry: "backoff", details: { status: 409 } });
  });
});

describe("a write to a group that was read (rule C4)", () => {
  it.each<[string, (groupId: string) => Operation]>([
    ["a new name", (groupId) => ({ kind: "renameGroup", entitlement, groupId, displayName: "new", extension: null })],
    ["new members", (groupId) => ({ kind: "addMembers", entitlement, groupId, additions: [addition] })],
    ["fewer members", (groupId) => ({ kind: "removeMembers", entitlement, groupId, removals: [removal] })],
    ["its end", (groupId) => ({ kind: "deleteGroup", entitlement, groupId })],
  ])("names the lease that it is made under, and is refused where another wrote since: %s", async (_, toOperation) => {
    await using stack = new AsyncDisposableStack();
    const leases: (readonly (string | undefined)[])[] = [];
    const provider = createScimProvider<undefined>({
      store: createMemoryStore(),
      types: [createUserType(), createGroupType()],
      baseUrl: () => "https://endpoint.example/scim/v2",
      maxResults: 100,
    });
    const { url } = stack.use(
      await serveProvider({
        handle(request) {
          const { "branchward-fence": fence, "branchward-scope": scope } = request.headers;
          if (request.method !== "GET") leases.push([scope, fence]);
          return provider.handle(request);
        },
      }),
    );
    const client = createScimClient({ url, token: () => "token", deadlineMs: 5_000, maxBytes: 1 << 20 });
    const { id: alice } = await client.createUser({ userName: "alice" });
    const { id, version } = await client.createGroup({ displayName: "old", members: [] });
    await client.patchMembers(id, { add: [alice], remove: [] });
    const operation = toOperation(id);
    const versions = createVersions({ failures: 0, read: (groupId) => client.getGroup(groupId) });
    versions.show(id, version);
    await expect(applyOperation(client, operation, { lease, versions })).rejects.toMatchObject({
      details: { status: 412 },
    });
    expect((await client.getGroup(id)).members).toMatchObject([{ value: alice }]);
    expect(leases.at(-1)).toEqual([lease.scopeId, "7"]);
  });
});
