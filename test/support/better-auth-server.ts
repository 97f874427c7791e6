/** Another third party's service provider, the SCIM plug-in of Better Auth over its store in memory: without versions and bulk, filters by `eq` alone. */
import { once } from "node:events";
import { createServer } from "node:http";
import { scim } from "@better-auth/scim";
import { betterAuth, type BetterAuthPlugin } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { getAuthTables } from "better-auth/db";
import { toNodeHandler } from "better-auth/node";

export interface BetterAuthServer extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
}

/** On a free port of loopback. */
export async function startBetterAuthServer(): Promise<BetterAuthServer> {
  const token = "better-auth-token-0123456789-0123456789-0123456789";
  const credentials = [{ type: "bearer", id: "c1", token } as const];
  const options = {
    secret: "better-auth-secret-0123456789-0123456789",
    plugins: [parsePlugin(scim({ connections: [{ id: "branchward", credentials }] }))],
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
  };
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === "object" ? (address?.port ?? "") : ""}`;
  const tables = Object.keys(getAuthTables(options)).map((name): [string, unknown[]] => [name, []]);
  const auth = betterAuth({ ...options, baseURL: origin, database: memoryAdapter(Object.fromEntries(tables)) });
  const handle = toNodeHandler(auth);
  server.on("request", (request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  return {
    url: `${origin}/api/auth/scim/v2`,
    token,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Its declarations do not hold under exactOptionalPropertyTypes. */
function parsePlugin(plugin: unknown): BetterAuthPlugin {
  return plugin as BetterAuthPlugin;
}
