/** Identity providers that feed a bridge directly, as they speak on the wire. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestBridge } from "../support/bridge.ts";
import { startConduitStandIn } from "../support/conduit-stand-in.ts";
import { startGitoliteHost } from "../support/gitolite-host.ts";
import { startHgHost } from "../support/hg-host.ts";
import {
  create,
  createSend,
  enterpriseUrn,
  group,
  listMembers,
  patch,
  type Send,
  user,
  oktaProfile,
} from "./scim-client.ts";

/** Brings up the native system; resolves with the section of bridge.yaml. */
type Open = (stack: AsyncDisposableStack, directory: string) => Promise<string>;

const naming = "  account: { attribute: userName, part: local, case: lower }\n";

const openMercurial: Open = async (stack, directory) => {
  const host = stack.use(await startHgHost(directory));
  await host.addRepository("acme/web");
  return `mercurial:\n  repositories: [{ name: acme/web, path: ${host.pathOf("acme/web")} }]\n  htpasswd: ${host.htpasswd}\n${naming}`;
};

const openGitolite: Open = async (stack, directory) => {
  const host = stack.use(await startGitoliteHost(directory));
  const fileOf = (name: string): string => join(directory, "state", "gitolite", name);
  await host.connect(fileOf("branchward.conf"), fileOf("list-groups"), "repo web\n    RW+ = @all\n");
  return `gitolite:\n  home: ${host.home}\n  repositories: [{ name: acme/web, repo: web }]\n${naming}`;
};

const openPhabricator: Open = async (stack, directory) => {
  const { url, token } = stack.use(await startConduitStandIn());
  await writeFile(join(directory, "conduit"), token);
  return `phabricator:\n  url: ${url}\n  token: { file: ${join(directory, "conduit")} }\n${naming}`;
};

const kinds = [
  { name: "Mercurial", open: openMercurial },
  { name: "gitolite", open: openGitolite },
  { name: "Phabricator", open: openPhabricator },
];

describe.each(kinds)("an identity provider and the bridge of $name", { timeout: 120_000 }, ({ open }) => {
  const stack = new AsyncDisposableStack();
  let connect: (headers?: Readonly<Record<string, string>>) => Send;

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), "branchward-idp-"));
    stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
    const scim = stack.use(await startTestBridge({ directory, section: await open(stack, directory) }));
    connect = (headers = {}) => createSend(scim.bridge.url, scim.token, headers);
  }, 120_000);
  afterAll(() => stack.disposeAsync());

  it("Okta matches, creates with a password, replaces, deactivates without a path and pushes a group", async () => {
    const send = connect({ "user-agent": "Okta SCIM Client 1.0.0" });
    expect((await send("GET /Users?startIndex=1&count=2")).status).toBe(200);
    const lookup = 'GET /Users?filter=userName eq "ann@acme.example"&startIndex=1&count=100';
    expect((await send(lookup)).body).toMatchObject({ totalResults: 0 });
    const created = await send("POST /Users", user("ann@acme.example", oktaProfile));
    expect(created).toMatchObject({ status: 201, body: { userName: "ann@acme.example", active: true } });
    expect(created.body).not.toHaveProperty("password");
    expect((await send("POST /Users", user("ann@acme.example", oktaProfile))).status).toBe(409);
    const id = created.body.id ?? "";
    const { body } = await send(`GET /Users/${id}`);
    const put = await send(`PUT /Users/${id}`, { ...body, title: "Lead" });
    expect(put).toMatchObject({ status: 200, body: { title: "Lead", active: true } });
    for (const active of [false, true]) {
      const answer = await send(`PATCH /Users/${id}`, patch({ op: "replace", value: { active } }));
      expect(answer).toMatchObject({ status: 200, body: { id, active } });
    }
    const made = await create(send, "/Groups", group("engineering", { members: [] }));
    const same = { op: "replace", value: { id: made, displayName: "engineering" } };
    expect((await send(`PATCH /Groups/${made}`, patch(same))).status).toBe(200);
    const add = { op: "add", path: "members", value: [{ value: id, display: "ann@acme.example" }] };
    expect((await send(`PATCH /Groups/${made}`, patch(add))).status).toBe(200);
    expect(await listMembers(send, made)).toEqual([id]);
    await send(`PATCH /Groups/${made}`, patch({ op: "replace", value: { id: made, displayName: "platform" } }));
    expect((await send(`GET /Groups/${made}`)).body.displayName).toBe("platform");
    expect((await send(`DELETE /Groups/${made}`)).status).toBe(204);
  });

  it("Entra ID creates with nulls, changes by capital ops, disables by text, and moves members both ways", async () => {
    const send = connect();
    const emails = [{ type: "work", value: "ben@acme.example", primary: true }];
    const person = user("ben@acme.example", { externalId: "ext-1", emails, addresses: null, title: null });
    const id = await create(send, "/Users", person);
    const operations = [
      { op: "Replace", path: "name.familyName", value: "Doe" },
      { op: "Add", path: `${enterpriseUrn}:department`, value: "R&D" },
    ];
    expect((await send(`PATCH /Users/${id}`, patch(...operations))).status).toBe(204);
    expect((await send(`GET /Users/${id}`)).body[enterpriseUrn]).toEqual({ department: "R&D" });
    for (const text of ["False", "True"]) {
      const write = patch({ op: "Replace", path: "active", value: text });
      expect((await send(`PATCH /Users/${id}?aadOptscim062020=`, write)).status).toBe(204);
      expect((await send(`GET /Users/${id}`)).body.active).toBe(text === "True");
    }
    const made = await create(send, "/Groups", group("designers", { externalId: "ext-2", members: [] }));
    const found = await send('GET /Groups?excludedAttributes=members&filter=displayName eq "designers"');
    expect(found.body.Resources?.map((each) => each.id)).toEqual([made]);
    const add = patch({ op: "Add", path: "members", value: [{ $ref: null, value: id }] });
    await send(`PATCH /Groups/${made}`, add);
    const { body } = await send(`GET /Groups?filter=id eq "${made}" and members eq "${id}"&attributes=id`);
    expect(body.totalResults).toBe(1);
    await send(`PATCH /Groups/${made}`, patch({ op: "Remove", path: "members", value: [{ value: id }] }));
    expect(await listMembers(send, made)).toEqual([]);
  });
});
