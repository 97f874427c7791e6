/** The client where TLS does not come about: what it says, and that nothing was written. */
import { createServer } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { createScimClient, ScimClientError } from "@branchward/scim";
import { listenOnLoopback } from "@branchward/scim/testing";
import { Agent } from "undici";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Certificates, makeCertificates } from "../support/certificates.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** What a creation fails with. */
async function failureOf(url: string, connect: Agent.Options["connect"] = {}) {
  const dispatcher = stack.adopt(new Agent({ connect }), (agent) => agent.destroy());
  const client = createScimClient({ url, token: () => "token", dispatcher, deadlineMs: 5_000, maxBytes: 1_000 });
  const error: unknown = await client.createGroup({ displayName: "x" }).catch((reason: unknown) => reason);
  if (!(error instanceof ScimClientError)) throw new Error("no failure");
  return { kind: error.kind, message: error.message, outcomeUnknown: error.outcomeUnknown };
}

describe("a connection by TLS", () => {
  const state: { certificates: Certificates } = {} as never;

  beforeAll(async () => {
    state.certificates = await makeCertificates();
  });

  interface TlsCase {
    readonly what: string;
    readonly told: RegExp;
    readonly server?: TlsOptions;
    readonly host?: string;
    readonly certificate?: "valid" | "expired";
    readonly isTrusted?: boolean;
    readonly outcomeUnknown?: boolean;
  }

  it.each<TlsCase>([
    { what: "an authority that nobody knows", isTrusted: false, told: /NODE_EXTRA_CA_CERTS/u },
    { what: "a certificate that has expired", certificate: "expired", told: /has expired: renew it/u },
    { what: "a certificate of another host", host: "127.0.0.1", told: /bears other names.*127\.0\.0\.1/u },
    {
      what: "TLS 1.1 alone",
      server: { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" },
      told: /no TLS as new as 1\.2/u,
      outcomeUnknown: true,
    },
  ])("to $what fails, and says how to mend that", async ({ server, told, outcomeUnknown = false, ...more }) => {
    const { host = "localhost", certificate = "valid", isTrusted = true } = more;
    const { key, [certificate]: cert } = state.certificates;
    const { port } = stack.use(await listenOnLoopback(createTlsServer({ key, cert, ...server })));
    expect(await failureOf(`https://${host}:${port}`, isTrusted ? { ca: cert } : {})).toEqual({
      kind: "connection",
      message: expect.stringMatching(told),
      outcomeUnknown,
    });
  });

  it("to where plain HTTP is spoken says so", async () => {
    const { port } = stack.use(
      await listenOnLoopback(
        createServer((socket) => socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\n{}"))),
      ),
    );
    const { message } = await failureOf(`https://127.0.0.1:${port}`);
    expect(message).toMatch(/speaks no TLS: is that the port of plain HTTP/u);
  });
});
