import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { openHostFetch } from "./host-fetch.ts";

describe("what fetches from a host", () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  async function open(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }

  it("hands on headers, status and body", async () => {
    const url = await open((request, response) => {
      response.writeHead(403, { "retry-after": "7" }).end(JSON.stringify(request.headers.authorization));
    });
    await using host = openHostFetch({ url, allow: [] });
    const response = await host.fetch(`${url}/x`, { headers: { authorization: "Bearer t" } });
    expect([response.status, response.headers.get("retry-after")]).toEqual([403, "7"]);
    expect(await response.json()).toBe("Bearer t");
  });

  it("follows no redirect", async () => {
    const asked: string[] = [];
    const url = await open((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(301, { location: "/elsewhere" }).end();
    });
    await using host = openHostFetch({ url, allow: [] });
    expect((await host.fetch(`${url}/x`)).status).toBe(301);
    expect(asked).toEqual(["/x"]);
  });

  it("takes no answer without an end", async () => {
    const url = await open((_request, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write("x".repeat(65_536), () => setImmediate(more));
      };
      more();
    });
    await using host = openHostFetch({ url, allow: [] });
    await expect(host.fetch(url)).rejects.toThrow("more than 1048576 bytes");
  });

  it.each([
    ["one coding", "gzip", (bomb: Buffer) => gzipSync(bomb)],
    ["three codings", "gzip, br, gzip", (bomb: Buffer) => gzipSync(brotliCompressSync(gzipSync(bomb)))],
  ])("takes no small answer that holds a large one in %s", async (_, coding, encode) => {
    const body = encode(Buffer.alloc(64 << 20, " "));
    const url = await open((__, response) => response.writeHead(200, { "content-encoding": coding }).end(body));
    await using host = openHostFetch({ url, allow: [] });
    await expect(host.fetch(url)).rejects.toThrow("more than 1048576 bytes");
  });

  it("says what is wrong with a connection, and how to mend it", async () => {
    const url = await open((_, response) => response.socket?.destroy());
    await using host = openHostFetch({ url, allow: [] });
    await expect(host.fetch(url)).rejects.toThrow("the other side cut the connection");
    await expect(host.fetch(url.replace("http:", "https:"))).rejects.toThrow("is that the port of plain HTTP?");
  });

  it("reaches no address that is not public, unless it is allowed", async () => {
    const url = await open((_request, response) => response.end("{}"));
    const { port } = new URL(url);
    await using refused = openHostFetch({ url: "https://github.example", allow: [] });
    await expect(refused.fetch(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({
      cause: { code: "EADDRREFUSED" },
    });
    await using allowed = openHostFetch({ url: "https://github.example", allow: ["127.0.0.0/8"] });
    expect((await allowed.fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  });
});
