import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfiguration } from "@branchward/core";
import { listFindings } from "@branchward/store";
import { openTestDatabase } from "@branchward/store/testing";
import { afterEach, describe, expect, it } from "vitest";
import { openHosts } from "./open-hosts.ts";

const SHA = "a".repeat(40);

describe("the token of a source's host", () => {
  let stack = new AsyncDisposableStack();
  afterEach(async () => {
    await stack.disposeAsync();
    stack = new AsyncDisposableStack();
  });

  /** A host that takes one token at a time. */
  async function serve(accepted: { token: string }): Promise<string> {
    const server = createServer((request, response) => {
      response.setHeader("content-type", "application/json");
      if (request.headers.authorization !== `Bearer ${accepted.token}`) return void response.writeHead(401).end("{}");
      const isRef = request.url?.includes("/git/ref/") === true;
      const ref = { ref: "refs/heads/main", object: { type: "commit", sha: SHA } };
      response.end(JSON.stringify(isRef ? ref : { id: 7, default_branch: "main" }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    stack.defer(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it("may be a list, of which the host takes whichever, and its files are read again when it takes none", async () => {
    const directory = await mkdtemp(join(tmpdir(), "branchward-hosts-"));
    stack.defer(() => rm(directory, { recursive: true }));
    const file = join(directory, "token");
    await writeFile(file, "first\n");
    const accepted = { token: "second" };
    const url = await serve(accepted);
    const parsed = parseConfiguration(
      `
sources:
  - name: github
    type: github
    secret: { env: SECRET }
    api: { url: "${url}", token: [{ file: ${file} }, { env: SECOND }] }
`,
      "branchward.yaml",
    );
    if (!("configuration" in parsed)) throw new Error(JSON.stringify(parsed));
    const { db } = stack.use(await openTestDatabase());
    const { hosts } = stack.use(await openHosts(parsed.configuration.sources, { db, env: { SECOND: "second" } }));
    const read = () =>
      hosts
        .get("github")
        ?.host.readBranches({ nativeId: "7", name: "acme/web", vcs: "git" }, ["main"], AbortSignal.timeout(10_000));
    const shown = { state: "read", sightings: [{ refType: "branch", name: "main", head: SHA }] };
    expect(await read()).toEqual(shown);
    accepted.token = "first";
    expect(await read()).toEqual(shown);
    accepted.token = "third";
    expect(await read()).toMatchObject({ state: "unavailable", reason: expect.stringContaining("401") });
    await writeFile(file, "third\n");
    expect(await read()).toEqual(shown);
    await rm(file);
    accepted.token = "fourth";
    await read();
    await read();
    expect(await listFindings(db, 10)).toMatchObject([
      { kind: "secret-unreadable", subject: "source github: api", message: expect.stringContaining(file) },
    ]);
  });
});
