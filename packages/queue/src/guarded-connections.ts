/** Connections to PostgreSQL of which one knows when they have ended: pg's pools say that they have while goodbyes are on their way. */
import pg from "pg";

export interface GuardedConnections {
  /** For pools and BullMQ to make connections of. */
  readonly Client: typeof pg.Client;
  /** Resolves when the connections that were told to end have. */
  readonly ended: () => Promise<void>;
}

/** A server that is away says no goodbye: the connection is cut then. */
const FAREWELL_MS = 2_000;

export function createGuardedConnections(): GuardedConnections {
  const ending = new Set<Promise<void>>();

  class GuardedClient extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      super(config);
      // A client in use whose connection breaks tells its query; without a listener it would end the process as well.
      this.on("error", () => undefined);
    }

    override end(): Promise<void>;
    override end(callback: (error: Error) => void): void;
    override end(callback?: (error: Error) => void): Promise<void> {
      const late = setTimeout(() => this.connection.stream.destroy(), FAREWELL_MS);
      const ended = super.end().finally(() => {
        clearTimeout(late);
        ending.delete(ended);
      });
      ending.add(ended);
      // pg's pool asks for a callback, which it calls without an error.
      if (callback !== undefined) void ended.then(callback as () => void);
      return ended;
    }
  }

  return {
    Client: GuardedClient,
    async ended() {
      await Promise.all(ending);
    },
  };
}
