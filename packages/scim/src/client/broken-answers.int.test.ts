/** What peers were made to answer with that no HTTP server should: each ends within its limits, by a name that leads to a mend. */
import { createServer, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { Agent } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { createScimClient } from "./client.ts";
import { listenOnLoopback } from "../testing.ts";
import { ScimClientError } from "./error.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** What reading a group fails with, and whether a write that fails so may have been made. */
async function failureOf(url: string) {
  const dispatcher = stack.adopt(new Agent(), (agent) => agent.destroy());
  const client = createScimClient({ url, token: () => "token", dispatcher, deadlineMs: 500, maxBytes: 1_000_000 });
  const read: unknown = await client.getGroup("1").catch((error: unknown) => error);
  const write: unknown = await client.createGroup({ displayName: "x" }).catch((error: unknown) => error);
  if (!(read instanceof ScimClientError && write instanceof ScimClientError)) throw new Error("no failure");
  return { kind: read.kind, message: read.message, isWriteUnknown: write.outcomeUnknown };
}

const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: application/scim+json\r\n";

const say = (text: string | Buffer) => (socket: Socket) => void socket.end(text);

/** Of 256 MB, in a few hundred kilobytes. */
const BOMB = gzipSync(Buffer.alloc(256 << 20, " "));

const sayEncoded = (coding: string) => (socket: Socket) => {
  socket.write(`${HEAD}content-encoding: ${coding}\r\ncontent-length: ${BOMB.length}\r\n\r\n`);
  socket.end(BOMB);
};

function sayWithoutEnd(first: string, more: string) {
  const chunk = more.repeat(500);
  return (socket: Socket): void => {
    const go = (): void => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on("drain", go).write(first);
    go();
  };
}

const sayJson = (body: string) => say(`${HEAD}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);

describe("an answer", () => {
  it.each<[string, (socket: Socket) => void, string, RegExp]>([
    ["of one coding", sayEncoded("gzip"), "malformed", /coding that was not asked for \(gzip\)/u],
    ["of three codings", sayEncoded("gzip, gzip, br"), "malformed", /\(gzip, gzip, br\)/u],
    ["without an end", sayWithoutEnd(`${HEAD}\r\n`, " ".repeat(100)), "too-large", /over 1000000 bytes/u],
    [
      "in chunks without an end",
      sayWithoutEnd(`${HEAD}transfer-encoding: chunked\r\n\r\n`, `64\r\n${" ".repeat(100)}\r\n`),
      "too-large",
      /over/u,
    ],
    ["of headers without an end", sayWithoutEnd("HTTP/1.1 200 OK\r\n", "x: y\r\n"), "connection", /16 KB of headers/u],
    [
      "that is always about to come",
      sayWithoutEnd("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
      "timeout",
      /no answer within 0.5 s/u,
    ],
    ["that never comes", () => undefined, "timeout", /no answer within 0.5 s/u],
    [
      "that stops",
      (socket) => void socket.write(`${HEAD}content-length: 9\r\n\r\n{`),
      "timeout",
      /\(200\) that was not whole/u,
    ],
    ["that is cut", say(`${HEAD}content-length: 9\r\n\r\n{`), "connection", /the other side cut/u],
    ["longer than it says", say(`${HEAD}content-length: 1\r\n\r\n{}`), "malformed", /answer is not JSON$/u],
    ["with a length that is none", say(`${HEAD}content-length: -1\r\n\r\n{}`), "connection", /not HTTP/u],
    ["of another protocol", say("220 mail.example ESMTP\r\n"), "connection", /not HTTP/u],
    [
      "of another type",
      say("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>"),
      "malformed",
      /not JSON but text\/html/u,
    ],
    [
      "elsewhere",
      say("HTTP/1.1 302 Found\r\nlocation: https://b.example/scim\r\ncontent-length: 0\r\n\r\n"),
      "http",
      /redirects to https:\/\/b\.example\/scim/u,
    ],
    ["nested deep", sayJson(`{"id":${"[".repeat(100_000)}${"]".repeat(100_000)}}`), "malformed", /id is not text/u],
    ["about a prototype", sayJson('{"__proto__":{"id":"1","displayName":"x"}}'), "malformed", /id is missing/u],
    ["with a number for an id", sayJson('{"id":1,"displayName":"x"}'), "malformed", /id is not text/u],
    ["with NUL in an id", sayJson('{"id":"1\\u0000","displayName":"x"}'), "malformed", /id has NUL/u],
    [
      "with half a character in a member",
      sayJson('{"id":"1","displayName":"x","members":[{"value":"\\ud800"}]}'),
      "malformed",
      /value has NUL/u,
    ],
  ])("%s has a named end", async (_, answer, kind, message) => {
    const { port } = stack.use(
      await listenOnLoopback(createServer((socket) => socket.once("data", () => answer(socket)))),
    );
    expect(await failureOf(`http://127.0.0.1:${port}`)).toEqual({
      kind,
      message: expect.stringMatching(message),
      isWriteUnknown: kind !== "http",
    });
  });

  it("with an error's text is told of in text that can be kept, whatever is in it", async () => {
    // The last place before the cut is the first half of an emoji.
    const detail = JSON.stringify(`${"x".repeat(198)}\0😀`);
    const body = `{"detail":${detail},"scimType":"\\ud800"}`;
    const answer = say(`HTTP/1.1 400 Bad Request\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    const { port } = stack.use(
      await listenOnLoopback(createServer((socket) => socket.once("data", () => answer(socket)))),
    );
    const { message } = await failureOf(`http://127.0.0.1:${port}`);
    expect(message).toBe(`GET /Groups/1: 400: ${"x".repeat(198)} \u{fffd}`);
  });

  it("that begins with a byte order mark, and has what no header can hold for a version, is read", async () => {
    const answer = sayJson('\u{feff}{"id":"1","displayName":"a\\u0000","meta":{"version":"1\\r\\nx: y"}}');
    const { port } = stack.use(
      await listenOnLoopback(createServer((socket) => socket.once("data", () => answer(socket)))),
    );
    const dispatcher = stack.adopt(new Agent(), (agent) => agent.destroy());
    const client = createScimClient({
      url: `http://127.0.0.1:${port}`,
      token: () => "token",
      dispatcher,
      deadlineMs: 5_000,
      maxBytes: 1_000,
    });
    expect(await client.getGroup("1")).toMatchObject({ id: "1", displayName: "a\u{fffd}", version: undefined });
  });
});
