import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A way to a server that can be shut: a server that is away, as its clients see it. */
export interface TcpGate extends AsyncDisposable {
  readonly port: number;
  /** Cuts what is connected and refuses what comes. */
  shut(): Promise<void>;
  open(): Promise<void>;
}

/** Opens a gate on a free port of the loopback. */
export async function openTcpGate(target: { readonly host: string; readonly port: number }): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  const pass = (near: Socket): void => {
    const far = connect(target.port, target.host);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  };
  const state = { server: createServer(pass), port: 0 };

  async function listen(): Promise<void> {
    state.server = createServer(pass).listen(state.port, "127.0.0.1");
    await once(state.server, "listening");
    const address = state.server.address();
    if (typeof address === "object" && address !== null) state.port = address.port;
  }

  async function shut(): Promise<void> {
    if (!state.server.listening) return;
    state.server.close();
    for (const socket of sockets) socket.destroy();
    await once(state.server, "close");
  }

  await listen();
  return { port: state.port, shut, open: listen, [Symbol.asyncDispose]: shut };
}
