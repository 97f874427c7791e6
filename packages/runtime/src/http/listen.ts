import { createServer, type RequestListener, type Server } from "node:http";
import { ConfigurationError } from "@branchward/core";

export interface Listener extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

/** Requests still under way when the listener closes get this long. */
const DRAIN_MS = 5_000;

/**
 * Listens; port 0 takes a free one. Disposing refuses new connections, lets requests end for 5 s, then cuts them.
 * @throws {ConfigurationError} when the address is taken or not ours.
 */
export async function listen(handler: RequestListener, host: string, port: number): Promise<Listener> {
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 65_000, maxHeaderSize: 16 * 1024 },
    handler,
  );
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
