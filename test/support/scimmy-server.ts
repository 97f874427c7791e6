/** A third party's service provider, `scimmy-routers` over arrays in memory: what our client must get on with, and a peer in the benches. */
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

interface Held {
  id?: string;
  [name: string]: unknown;
}

function parseHeld(text: string): Held {
  return JSON.parse(text) as Held;
}

/** Declares users and groups over maps; the package keeps its declarations for the whole process. */
function declareResources(): void {
  for (const type of [SCIMMY.Resources.User, SCIMMY.Resources.Group]) {
    const held = new Map<string, Held>();
    SCIMMY.Resources.declare(type, {
      egress: (resource: { readonly id?: string; readonly filter?: { match(values: Held[]): Held[] } }) => {
        if (resource.id === undefined) return resource.filter?.match([...held.values()]) ?? [...held.values()];
        const found = held.get(resource.id);
        if (found === undefined) throw new SCIMMY.Types.Error(404, "", "no such resource");
        return found;
      },
      ingress: (resource: { readonly id?: string }, instance: object) => {
        const id = resource.id ?? randomUUID();
        const now = new Date().toISOString();
        // Instances are proxies, which cannot be cloned.
        const value = { ...parseHeld(JSON.stringify(instance)), id, meta: { created: now, lastModified: now } };
        held.set(id, value);
        return value;
      },
      degress: (resource: { readonly id?: string }) => {
        held.delete(resource.id ?? "");
      },
    });
  }
}

export interface ScimmyServer extends AsyncDisposable {
  readonly url: string;
}

/** Once in a process. */
export async function startScimmyServer(): Promise<ScimmyServer> {
  declareResources();
  const app = express();
  app.use("/scim/v2", new SCIMMYRouters({ type: "bearer", handler: () => "client" }));
  const server = app.listen(0, "127.0.0.1");
  // It works for seconds on one request; connections that are idle meanwhile would be closed under the next ones.
  server.keepAliveTimeout = 0;
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? (address?.port ?? "") : ""}/scim/v2`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
