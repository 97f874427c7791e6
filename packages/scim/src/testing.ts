/** For tests of stores and of what calls providers: random filters, a store in memory, a server around a provider. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { Server, Socket } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { ScimError } from "./error.ts";
import { compareByAttribute, matchesFilter } from "./filter/evaluate.ts";
import type { JsonObject } from "./json.ts";
import type { ScimProvider } from "./provider/provider.ts";
import type { Member, MemberDelta, MemberRead, ScimStore, StoredResource } from "./store.ts";

export { arbitraryFilter, arbitraryTerm, printFilter } from "./filter/testing.ts";

interface Held {
  readonly id: string;
  readonly version: number;
  readonly attributes: JsonObject;
  readonly members: ReadonlyMap<string, Member>;
}

const epoch = new Date(0);

/** The simplest store that keeps the contract of `ScimStore`, without uniqueness and without views; ids are `1`, `2`, … over all types. */
export function createMemoryStore(): ScimStore<undefined> {
  const shelves = new Map<string, Map<string, Held>>();
  const shelfOf = (name: string): Map<string, Held> => {
    const shelf = shelves.get(name) ?? new Map<string, Held>();
    shelves.set(name, shelf);
    return shelf;
  };
  let lastId = 0;
  const getHeld = (name: string, id: string): Held => {
    const held = shelfOf(name).get(id);
    if (held === undefined) throw new ScimError(404, `no ${name} with id ${id}`);
    return held;
  };
  return {
    async find(_, type, id, { members }) {
      const held = shelfOf(type.name).get(id);
      return held && toStored(held, members);
    },
    async list(_, type, { filter, sort, startIndex, count, read, cursor }) {
      const matching = [...shelfOf(type.name).values()].filter(
        (held) => !filter || matchesFilter(filter, toDocument(held)),
      );
      const sign = sort?.descending === true ? -1 : 1;
      if (sort) matching.sort((a, b) => sign * compareByAttribute(sort.target, toDocument(a), toDocument(b)));
      const offset = cursor === undefined ? startIndex - 1 : Number(cursor.after ?? 0);
      const end = offset + count;
      const resources = matching.slice(offset, end).map((held) => toStored(held, read.members));
      const next = cursor === undefined || end >= matching.length ? undefined : String(end);
      return { totalResults: matching.length, resources, next };
    },
    async create(_, type, { attributes, members }) {
      const held = { id: String(++lastId), version: 1, attributes, members: applyDelta(new Map(), members) };
      shelfOf(type.name).set(held.id, held);
      return toStored(held, "all");
    },
    async update(_, type, id, { readMembers, change, returns }) {
      const held = getHeld(type.name, id);
      const state = change(toStored(held, readMembers));
      const next = { ...held, attributes: state.attributes, members: applyDelta(held.members, state.members) };
      const isSame = isDeepStrictEqual(next, held);
      if (!isSame) shelfOf(type.name).set(id, { ...next, version: held.version + 1 });
      return toStored(getHeld(type.name, id), returns.members);
    },
    async delete(_, type, id, check) {
      check(toStored(getHeld(type.name, id), "none"));
      shelfOf(type.name).delete(id);
    },
  };
}

function applyDelta(members: ReadonlyMap<string, Member>, delta: MemberDelta | undefined): ReadonlyMap<string, Member> {
  if (delta === undefined) return members;
  const next = new Map(delta.clear ? [] : members);
  for (const id of delta.remove) next.delete(id);
  for (const member of delta.add) if (!next.has(member.value)) next.set(member.value, member);
  return next;
}

function toStored({ id, version, attributes, members }: Held, read: MemberRead): StoredResource {
  const isShown = read === "all" || (read !== "none" && members.size <= read.atMost);
  const shown = isShown ? [...members.values()] : undefined;
  return { id, version: String(version), created: epoch, lastModified: epoch, attributes, members: shown };
}

function toDocument({ id, attributes, members }: Held): JsonObject {
  return { id, ...attributes, members: [...members.values()].map((member) => ({ ...member })) };
}

/** Serves a provider at `/scim/v2` on a free port of loopback. */
export async function serveProvider(
  provider: ScimProvider<undefined>,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      const url = new URL(request.url ?? "/", "http://localhost");
      const { status, headers, body } = await provider.handle({
        method: request.method ?? "",
        path: url.pathname.replace("/scim/v2", ""),
        query: url.searchParams,
        headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
        body: await readJson(request),
        context: undefined,
      });
      response.writeHead(status, headers).end(body === undefined ? undefined : JSON.stringify(body));
    };
    answer().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  const { port, [Symbol.asyncDispose]: dispose } = await listenOnLoopback(server);
  return { url: `http://127.0.0.1:${port}/scim/v2`, [Symbol.asyncDispose]: dispose };
}

/** Listens on a free port of loopback; disposing destroys the connections that stand. */
export async function listenOnLoopback(server: Server): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" ? (address?.port ?? 0) : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = (await request.toArray()).join("");
  return text === "" ? undefined : JSON.parse(text);
}
