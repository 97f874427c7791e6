import { createServer } from "node:net";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { startConduitStandIn } from "../../../../test/support/conduit-stand-in.ts";
import { ConduitError, type ConduitOptions, createConduit } from "./conduit.ts";

function connect(url: string, tokens: readonly string[], more: Partial<ConduitOptions> = {}) {
  return createConduit({ url, tokens: () => Promise.resolve(tokens), deadlineMs: 5_000, maxBytes: 1_000_000, ...more });
}

async function failureOf(call: Promise<unknown>): Promise<ConduitError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ConduitError) return error;
  throw new Error(`not refused: ${String(error)}`);
}

const edit = { objectIdentifier: "PHID-USER-none", transactions: [] };

describe("Conduit over HTTP", () => {
  it("takes errors out of answers whose status is 200", async () => {
    await using server = await startConduitStandIn();
    const conduit = connect(server.url, [server.token]);
    const refused = await failureOf(conduit.write("user.edit", edit));
    expect(refused).toMatchObject({
      kind: "refused",
      errorCode: "ERR-CONDUIT-CORE",
      outcomeUnknown: false,
      retry: "never",
    });
    expect(refused.reason).toBe('No object exists with PHID "PHID-USER-none".');
    expect(await failureOf(conduit.read("no.such", {}))).toMatchObject({ kind: "unknown-method" });
    expect(await failureOf(conduit.read("user.search", { limit: 101 }))).toMatchObject({
      errorCode: "ERR-INVALID-PAGE-SIZE",
    });
  });

  it("tries the tokens in turn, so that one may be rotated", async () => {
    await using server = await startConduitStandIn();
    expect(await connect(server.url, ["api-old", server.token]).read("user.search", {})).toMatchObject({ data: [{}] });
    expect(await failureOf(connect(server.url, ["api-old"]).read("user.search", {}))).toMatchObject({
      kind: "unauthorized",
    });
    expect(await failureOf(connect(server.url, []).read("user.search", {}))).toMatchObject({ kind: "unauthorized" });
  });

  it("knows when a change may have been made although its answer was lost", async () => {
    await using server = await startConduitStandIn();
    const conduit = connect(server.url, [server.token], { deadlineMs: 300, maxBytes: 100_000 });
    for (const fault of ["deadlock", "lost-answer", "silent", "flood"] as const) {
      server.fail("project.edit", fault);
      const failure = await failureOf(
        conduit.write("project.edit", { transactions: [{ type: "name", value: fault }] }),
      );
      expect({ fault, kind: failure.kind, unknown: failure.outcomeUnknown }).toEqual({
        fault,
        kind: "failed",
        unknown: true,
      });
      server.fail("project.search", fault);
      expect(await failureOf(conduit.read("project.search", {}))).toMatchObject({
        kind: "failed",
        outcomeUnknown: false,
      });
    }
  });

  it("knows that nothing was sent to a server that is not there", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    server.close();
    await once(server, "close");
    const failure = await failureOf(connect(`http://127.0.0.1:${port}`, ["api"]).write("user.edit", edit));
    expect(failure).toMatchObject({ kind: "failed", outcomeUnknown: false });
  });

  it("takes a broken extension file for a failure and not for a missing extension", async () => {
    await using server = await startConduitStandIn();
    server.extension = "broken";
    const failure = await failureOf(connect(server.url, [server.token]).read("branchward.info", {}));
    expect(failure).toMatchObject({ kind: "failed" });
    expect(failure.reason).toContain("PHP Parse error");
  });
});
