/**
 * A stand-in for a Phabricator server's Conduit, over HTTP, with the answers, errors and traps that were recorded at a
 * real one: errors of status 200, members that are taken unseen, hashtags that stay, deadlocks, lost answers.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { createExtensionMethods } from "./conduit-stand-in-extension.ts";
import { createStockMethods, type Method } from "./conduit-stand-in-methods.ts";
import { addUser, Refusal, type StandInUser, type StandInWorld } from "./conduit-stand-in-world.ts";

/**
 * `deadlock`: nothing done, 500 in Conduit's shape. `lost-answer`: done, and a proxy's 502. `silent`: done, never
 * answered. `flood`: an answer without end.
 */
export type Fault = "deadlock" | "lost-answer" | "silent" | "flood";

export interface ConduitStandIn extends AsyncDisposable {
  readonly url: string;
  /** Of an administrator. */
  readonly token: string;
  readonly world: StandInWorld;
  /** Methods in the order in which they were called. */
  readonly calls: string[];
  /** What happens to the next calls of a method, one each. */
  fail(method: string, ...faults: readonly Fault[]): void;
  /** Runs once, right after a call of the method was done. */
  after(method: string, then: (world: StandInWorld) => void): void;
  /** `broken`: every URL is 500 in plain text, as a PHP file with an error in src/extensions makes it. */
  extension: "installed" | "missing" | "broken";
}

const token = "api-standinstandinstandinstandin";

/** Starts a stand-in on a free port of loopback. */
export async function startConduitStandIn(): Promise<ConduitStandIn> {
  const world: StandInWorld = { users: [], projects: [], repositories: [], rules: [] };
  const admin = addUser(world, { userName: "admin" });
  const methods = { stock: createStockMethods(world), extension: createExtensionMethods(world), admin };
  const faults = new Map<string, Fault[]>();
  const hooks = new Map<string, ((world: StandInWorld) => void)[]>();
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(Buffer.concat(await request.toArray()).toString("utf8"));
    const name = (request.url ?? "").replace("/api/", "");
    standIn.calls.push(name);
    if (standIn.extension === "broken") return sendText(response, "PHP Parse error: syntax error, unexpected token");
    const fault = faults.get(name)?.shift();
    if (fault === "deadlock") return send(response, 500, refused("AphrontDeadlockQueryException", deadlock));
    const body = perform(methods, standIn.extension, { name, text: form.get("params") ?? "" });
    hooks.get(name)?.shift()?.(world);
    sendWith(response, body, fault);
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const standIn: ConduitStandIn = {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    token,
    world,
    calls: [],
    extension: "installed",
    fail: (method, ...next) => void faults.set(method, [...next]),
    after: (method, then) => void hooks.set(method, [...(hooks.get(method) ?? []), then]),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return standIn;
}

interface Methods {
  readonly stock: Readonly<Record<string, Method>>;
  readonly extension: Readonly<Record<string, Method>>;
  readonly admin: StandInUser;
}

function perform(
  { stock, extension, admin }: Methods,
  installed: ConduitStandIn["extension"],
  { name, text }: { readonly name: string; readonly text: string },
): unknown {
  const { __conduit__: conduit, ...rest } = parseParameters(text);
  if (conduit?.token !== token) return refused("ERR-INVALID-AUTH", `API token "${conduit?.token}" is not valid.`);
  const method = stock[name] ?? (installed === "installed" ? extension[name] : undefined);
  if (method === undefined) return refused("ERR-CONDUIT-CALL", `Conduit API method "${name}" does not exist.`);
  try {
    return { result: method(rest, admin), error_code: null, error_info: null };
  } catch (error) {
    if (error instanceof Refusal) return refused(error.code, error.message);
    throw error;
  }
}

function parseParameters(text: string) {
  return JSON.parse(text) as Record<string, unknown> & { readonly __conduit__?: { readonly token?: string } };
}

const deadlock = "#1213: Deadlock found when trying to get lock; try restarting transaction";

function refused(code: string, info: string): unknown {
  return { result: null, error_code: code, error_info: info };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(500, { "content-type": "text/plain" }).end(text);
}

function sendWith(response: ServerResponse, body: unknown, fault: Fault | undefined): void {
  if (fault === "silent") return;
  if (fault === "flood") flood(response);
  else if (fault === "lost-answer")
    response.writeHead(502, { "content-type": "text/html" }).end("<h1>502 Bad Gateway</h1>");
  else send(response, 200, body);
}

function flood(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  const chunk = "x".repeat(65_536);
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once("drain", more);
  };
  more();
}
