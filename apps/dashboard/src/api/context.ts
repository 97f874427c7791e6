import { createContext, use } from "react";
import type { Live } from "./live.ts";
import type { Queries } from "./queries.ts";
import type { Session } from "./session.ts";

/** What the page knows of the server. */
export interface Server {
  readonly queries: Queries;
  readonly live: Live;
  readonly session: Session;
}

export const ServerContext = createContext<Server | null>(null);

/** @throws outside of a `ServerContext`. */
export function useServer(): Server {
  const server = use(ServerContext);
  if (server === null) throw new Error("there is no server around this component");
  return server;
}
