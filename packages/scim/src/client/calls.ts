/** The kinds of calls that a client is made of: send, check the answer's shape, read all pages. */
import type { JsonObject, JsonValue } from "../json.ts";
import { patchSchema } from "../patch/operations.ts";
import { ScimClientError } from "./error.ts";
import { createHttp, type CallOptions, type HttpAnswer, type HttpCall, type ScimHttpOptions } from "./http.ts";
import type { ScimOperation } from "./operations.ts";
import { parsePage, readState, ShapeError, type ScimPage, type ScimResource } from "./resources.ts";

/** A write that may be bound to a version. */
export interface WriteOptions extends CallOptions {
  readonly ifMatch?: string | undefined;
}

/** How to read lists. */
export interface FindOptions extends CallOptions {
  /** Resources asked for at a time, 100 unless said; an endpoint may give fewer. */
  readonly pageSize?: number;
  /** How the first page is asked for, `index` unless said; where an endpoint answers with a cursor, it is followed. */
  readonly paging?: "index" | "cursor";
}

/** Which of the resources that a list gives are wanted. */
export interface KeepOption<Resource> {
  /**
   * The others are forgotten as they come, so that an endpoint that ignores the filter and answers with all it has costs
   * no more memory than a page; all are kept unless given.
   */
  readonly keep?: (resource: Resource) => boolean;
}

/** What a write tells besides that it was accepted: which is a claim, not a proof. */
export interface WriteAnswer {
  /** The version after it, where the endpoint said so. */
  readonly version: string | undefined;
  /** When it was, where the endpoint said so. */
  readonly lastModified: string | undefined;
}

/** Turns an answer into a result. @throws ShapeError, which becomes a `ScimClientError` of kind `malformed` */
type Parse<Result> = (answer: HttpAnswer) => Result;

/** A collection to read through. */
interface Collection<Resource> {
  readonly path: string;
  readonly query: NonNullable<HttpCall["query"]>;
  /** @throws ShapeError */
  readonly parse: (body: JsonValue) => Resource;
}

/** Calls by their kind. */
export interface ScimCalls {
  readonly get: <Result>(path: string, parse: Parse<Result>, options?: GetOptions) => Promise<Result>;
  readonly post: <Result>(
    path: string,
    body: JsonObject,
    parse: Parse<Result>,
    options?: CallOptions,
  ) => Promise<Result>;
  readonly put: (path: string, body: JsonObject, options?: WriteOptions) => Promise<WriteAnswer>;
  readonly patch: (path: string, operations: readonly ScimOperation[], options?: WriteOptions) => Promise<WriteAnswer>;
  readonly remove: (path: string, options?: WriteOptions) => Promise<void>;
  /** Reads one page: the first, or the one at the position that the page before it gave. */
  readonly readPage: <Resource extends ScimResource>(
    collection: Collection<Resource>,
    page: PageOptions,
  ) => Promise<ResourcePage<Resource>>;
  /** Reads all pages; each wanted resource once, though it moves from page to page meanwhile. */
  readonly find: <Resource extends ScimResource>(
    collection: Collection<Resource>,
    filter: string | undefined,
    options?: FindOptions & KeepOption<Resource>,
  ) => Promise<readonly Resource[]>;
}

/** Which page. */
export interface PageOptions extends CallOptions {
  /** As `ResourcePage.next` gave it; the first page without one. */
  readonly position?: string | undefined;
  readonly pageSize: number;
}

/** A page and where the next begins. */
export interface ResourcePage<Resource> {
  readonly resources: readonly Resource[];
  /** Opaque; undefined after the last page. */
  readonly next: string | undefined;
}

type GetOptions = CallOptions & { readonly query?: HttpCall["query"] };

/** The most pages of a list: a hundred thousand resources by the hundred, which is more than a question may be about. */
const MAX_PAGES = 1_000;
/** The most that all pages together may hold, in answers at their byte cap. */
const MAX_ANSWERS = 10;
/** The longest that all pages together may take, in deadlines of a call: somebody waits for the list as a whole. */
const MAX_DEADLINES = 6;

/** Makes the calls of one endpoint. */
export function createCalls(options: ScimHttpOptions): ScimCalls {
  const send = createHttp(options);

  async function call<Result>(http: HttpCall, parse: Parse<Result>): Promise<Result> {
    const answer = await send(http);
    try {
      return parse(answer);
    } catch (cause) {
      if (!(cause instanceof ShapeError)) throw cause;
      throw malformed(http, cause.message, { status: answer.status, cause });
    }
  }

  const get: ScimCalls["get"] = (path, parse, { query, ...more } = {}) =>
    call({ method: "GET", path, ...toCallOptions(more), ...(query === undefined ? {} : { query }) }, parse);

  const readPage: ScimCalls["readPage"] = async (collection, { position, pageSize, ...more }) => {
    const at = parsePosition(position);
    const query = { ...collection.query, count: String(pageSize), ...toQuery(at) };
    const parse = ({ body }: HttpAnswer) => toTypedPage(parsePage(body, at.cursor !== undefined), collection.parse);
    const page = await get(collection.path, parse, { ...more, query });
    const next = page.resources.length === 0 ? undefined : toNextPosition(at, page);
    return { resources: page.resources, next: next === undefined ? undefined : toPositionText(next) };
  };

  return {
    get,
    find: createFind(get, options),
    readPage,
    post: (path, body, parse, more = {}) => call({ method: "POST", path, body, ...toCallOptions(more) }, parse),
    put: (path, body, more = {}) => call({ method: "PUT", path, body, ...toCallOptions(more) }, toWriteAnswer),
    patch: (path, operations, more = {}) =>
      call({ method: "PATCH", path, body: toPatchBody(operations), ...toCallOptions(more) }, toWriteAnswer),
    remove: (path, more = {}) => call({ method: "DELETE", path, ...toCallOptions(more) }, () => undefined),
  };
}

function createFind(
  get: ScimCalls["get"],
  { maxBytes, deadlineMs }: Pick<ScimHttpOptions, "maxBytes" | "deadlineMs">,
): ScimCalls["find"] {
  return async (collection, filter, { pageSize = 100, paging = "index", keep = () => true, ...more } = {}) => {
    const seen = new Set<string>();
    const found = new Map<string, ReturnType<typeof collection.parse>>();
    const fixed = { ...collection.query, filter, count: String(pageSize) };
    let position: Position = paging === "cursor" ? { cursor: "" } : { startIndex: 1 };
    const endsAt = performance.now() + MAX_DEADLINES * deadlineMs;
    let length = 0;
    for (let pages = 1; ; pages += 1) {
      const query = { ...fixed, ...toQuery(position) };
      const isCursorPage = position.cursor !== undefined;
      const parse = (answer: HttpAnswer) => {
        length += answer.length;
        return toTypedPage(parsePage(answer.body, isCursorPage), collection.parse);
      };
      const page = await get(collection.path, parse, { ...more, query });
      const before = seen.size;
      for (const resource of page.resources) {
        seen.add(resource.id);
        if (keep(resource)) found.set(resource.id, resource);
      }
      const next = toNextPosition(position, page);
      if (next === undefined) return [...found.values()];
      // An endpoint that leads on and gives nothing new would lead on for ever.
      if (seen.size === before) {
        const detail = `${seen.size} of ${page.totalResults ?? "more"} resources given`;
        throw malformed({ method: "GET", path: collection.path }, detail, { status: 200 });
      }
      if (pages >= MAX_PAGES || length > MAX_ANSWERS * maxBytes) throw toEndless(collection.path, seen.size);
      if (performance.now() > endsAt) throw toOverdue(collection.path, seen.size, MAX_DEADLINES * deadlineMs);
      position = next;
    }
  };
}

/** Where a page begins: by index (RFC 7644 §3.4.2.4) or by cursor (RFC 9865). */
type Position =
  | { readonly startIndex: number; readonly cursor?: undefined }
  | { readonly cursor: string; readonly startIndex?: undefined };

function parsePosition(text: string | undefined): Position {
  if (text === undefined) return { startIndex: 1 };
  return text.startsWith("cursor:") ? { cursor: text.slice("cursor:".length) } : { startIndex: Number(text) };
}

function toPositionText({ cursor, startIndex }: Position): string {
  return cursor === undefined ? String(startIndex) : `cursor:${cursor}`;
}

interface TypedPage<Resource> {
  readonly totalResults: number | undefined;
  readonly nextCursor: string | undefined;
  readonly resources: readonly Resource[];
}

function toTypedPage<Resource>(page: ScimPage, parse: (body: JsonValue) => Resource): TypedPage<Resource> {
  return { ...page, resources: page.resources.map(parse) };
}

function toQuery({ startIndex, cursor }: Position): Readonly<Record<string, string>> {
  return cursor === undefined ? { startIndex: String(startIndex) } : { cursor };
}

/** Undefined after the last page. A cursor is followed wherever one is given: its endpoint pages by nothing else. */
function toNextPosition(position: Position, page: TypedPage<unknown>): Position | undefined {
  if (page.nextCursor !== undefined) return { cursor: page.nextCursor };
  if (position.cursor !== undefined) return undefined;
  const startIndex = position.startIndex + page.resources.length;
  return startIndex > (page.totalResults ?? 0) ? undefined : { startIndex };
}

function toCallOptions({ headers, signal, ifMatch }: WriteOptions): CallOptions {
  return {
    headers: { ...headers, ...(ifMatch === undefined ? {} : { "if-match": ifMatch }) },
    ...(signal === undefined ? {} : { signal }),
  };
}

function toWriteAnswer({ body, etag }: HttpAnswer): WriteAnswer {
  return readState(body, etag);
}

function toPatchBody(operations: readonly ScimOperation[]): JsonObject {
  return { schemas: [patchSchema], Operations: operations.map((operation) => ({ ...operation })) };
}

/** An endpoint that always has one more would be read until the memory is full. */
function toEndless(path: string, found: number): ScimClientError {
  const failure = { kind: "too-large", status: 200, outcomeUnknown: false } as const;
  return new ScimClientError(`GET ${path}: the list has no end within reason, ${found} resources were read`, failure);
}

/** An endpoint that gives a little at a time would be read for hours, each call within its deadline. */
function toOverdue(path: string, found: number, afterMs: number): ScimClientError {
  const failure = { kind: "timeout", status: 200, outcomeUnknown: false } as const;
  return new ScimClientError(
    `GET ${path}: the list had no end within ${afterMs / 1000} s, ${found} resources were read`,
    failure,
  );
}

function malformed(
  { method, path }: Pick<HttpCall, "method" | "path">,
  detail: string,
  { status, cause }: { readonly status: number; readonly cause?: unknown },
): ScimClientError {
  const outcomeUnknown = method !== "GET";
  return new ScimClientError(`${method} ${path}: ${detail}`, { kind: "malformed", status, outcomeUnknown }, cause);
}
