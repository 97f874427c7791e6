import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { ConfigurationError } from "@branchward/core";
import { refuseClient } from "./refuse-client.ts";

export interface Listener extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

/** Requests still under way when the listener closes get this long. */
const DRAIN_MS = 5_000;

/** How a request may come: whole within 30 s, its headers within 10 s; Node looks at its connections so often. */
const ARRIVAL = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 2_000 };
/** A client that was answered before it had sent everything may read the answer so long; then it is cut off. */
const LINGER_MS = 1_000;

/**
 * Listens; port 0 takes a free one. Disposing refuses new connections, lets requests end for 5 s, then cuts them.
 * @throws {ConfigurationError} when the address is taken or not ours.
 */
export async function listen(handler: RequestListener, host: string, port: number): Promise<Listener> {
  const server = createServer({ ...ARRIVAL, keepAliveTimeout: 65_000, maxHeaderSize: 16 * 1024 }, handler);
  server.on("request", leaveUnread);
  server.on("clientError", refuseClient);
  await bind(server, host, port);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has an address");
  const shown = host.includes(":") ? `[${host}]` : host === "0.0.0.0" ? "127.0.0.1" : host;
  return {
    url: `http://${shown}:${address.port}`,
    port: address.port,
    [Symbol.asyncDispose]: () => close(server),
  };
}

/** What nobody reads any more is not taken without an end either. */
function leaveUnread(request: IncomingMessage, response: ServerResponse): void {
  response.once("finish", () => {
    if (request.complete) return;
    const timer = setTimeout(() => request.socket.destroy(), LINGER_MS);
    request.once("end", () => clearTimeout(timer));
    request.socket.once("close", () => clearTimeout(timer));
  });
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const reason =
        cause.code === "EADDRINUSE"
          ? "is in use; set BRANCHWARD_PORT to another, 0 takes a free one"
          : `cannot be used: ${cause.message}`;
      reject(new ConfigurationError(`${host}:${port} ${reason}`, { code: "address_unusable", cause }));
    });
    server.listen(port, host, resolve);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
