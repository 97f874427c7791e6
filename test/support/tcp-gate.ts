import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A way to a server that can be shut, or fall silent: a server that is away, as its clients see it. */
export interface TcpGate extends AsyncDisposable {
  readonly port: number;
  /** Cuts what is connected and refuses what comes. */
  shut(): Promise<void>;
  /** As a host does that loses its power behind a proxy: what is connected stays, what comes is taken, and nothing is said on either. */
  fallSilent(): void;
  /** For connections that come now; those of the silence stay silent. */
  open(): Promise<void>;
}

/** Opens a gate on a free port of the loopback. */
export async function openTcpGate(target: { readonly host: string; readonly port: number }): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  const pass = (near: Socket): void => {
    if (state.isSilent) {
      sockets.add(near.pause().on("error", () => near.destroy()));
      return;
    }
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
  const state = { server: createServer(pass), port: 0, isSilent: false };

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

  function fallSilent(): void {
    state.isSilent = true;
    for (const socket of sockets) socket.unpipe().pause();
  }

  async function open(): Promise<void> {
    state.isSilent = false;
    if (!state.server.listening) await listen();
  }

  await listen();
  return { port: state.port, shut, fallSilent, open, [Symbol.asyncDispose]: shut };
}
