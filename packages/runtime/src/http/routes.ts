/**
 * A route is data: what it takes, what it answers, who may call it; and a handler that sees parsed input
 * and returns data. OpenAPI is made from the same declarations.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { InvalidInputError } from "@branchward/core";
import Router from "@koa/router";
import type { Context } from "koa";
import { z } from "zod";
import { type Authenticator, type Principal, requireScope, type Scope } from "./auth.ts";
import { identify } from "./authorize.ts";
import { parseJson, readBody } from "./body.ts";

type Schema = z.ZodType;
type Output<S extends Schema | undefined> = S extends Schema ? z.output<S> : undefined;

/** What an answer means. JSON unless it says otherwise; then `body` describes what the text holds. */
export interface ResponseDeclaration {
  readonly description: string;
  readonly body: Schema;
  readonly contentType?: string;
}
export type Responses = Readonly<Record<number, ResponseDeclaration>>;

type BodyOf<R extends ResponseDeclaration> = R extends { readonly contentType: string }
  ? Readable | string
  : z.input<R["body"]>;

type Answer<R extends Responses> = {
  [Status in keyof R & number]: {
    readonly status: Status;
    readonly body: BodyOf<R[Status]>;
    readonly headers?: Readonly<Record<string, string>>;
  };
}[keyof R & number];

interface RequestContext {
  readonly principal: Principal | null;
  /** For what no schema describes: cookies, `Last-Event-ID`. */
  readonly headers: IncomingHttpHeaders;
  readonly method: string;
  /** The client's address, a proxy's where there is one. */
  readonly address: string;
  /** Aborts when the client leaves before the answer is given. */
  readonly signal: AbortSignal;
}

interface RouteInput<
  P extends Schema | undefined,
  Q extends Schema | undefined,
  B extends Schema | undefined,
> extends RequestContext {
  readonly params: Output<P>;
  readonly query: Output<Q>;
  readonly body: Output<B>;
}

type Method = "get" | "post" | "put" | "delete";

interface RouteDeclaration<
  P extends Schema | undefined,
  Q extends Schema | undefined,
  B extends Schema | undefined,
  R extends Responses,
> {
  readonly method: Method;
  /** @koa/router path: `/v1/syncs/:id`. */
  readonly path: string;
  readonly summary: string;
  /** Null: no token is needed. */
  readonly scope: Scope | null;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** What the body's JSON text has at most; 1 MiB unless said. */
  readonly maxBodyBytes?: number;
  /** What the handler answers or throws; what every route of its kind may answer is in `listStatuses`. */
  readonly responses: R;
  readonly handle: (input: RouteInput<P, Q, B>) => Promise<Answer<R>>;
}

/** An answer with its status kept as a literal. */
export function answer<const Status extends number, Body>(
  status: Status,
  body: Body,
  headers: Readonly<Record<string, string>> = {},
): { readonly status: Status; readonly body: Body; readonly headers: Readonly<Record<string, string>> } {
  return { status, body, headers };
}

interface RunInput extends RequestContext {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

interface RunAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A declared route with its types behind it. */
export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly scope: Scope | null;
  readonly params: Schema | undefined;
  readonly query: Schema | undefined;
  readonly body: Schema | undefined;
  readonly maxBodyBytes?: number;
  readonly responses: Responses;
  readonly run: (input: RunInput) => Promise<RunAnswer>;
}

/** Declares a route; the compiler holds the handler's answers to the declared responses. */
export function defineRoute<
  const R extends Responses,
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  B extends Schema | undefined = undefined,
>(route: RouteDeclaration<P, Q, B, R>): Route {
  const { handle, params, query, body, ...declared } = route;
  return {
    ...declared,
    params,
    query,
    body,
    async run(input) {
      const parsed = {
        ...input,
        params: parseInput(params, input.params, "path"),
        query: parseInput(query, input.query, "query"),
        body: parseInput(body, input.body, "body"),
      } as RouteInput<P, Q, B>;
      return handle(parsed);
    },
  };
}

function parseInput(schema: Schema | undefined, value: unknown, part: string): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success && !holdsNul(result.data)) return result.data;
  const issues = result.error?.issues ?? [{ path: [], message: "a text holds NUL, which none may" }];
  const errors = issues.map((issue) => ({ part, path: issue.path.join("."), message: issue.message }));
  const detail = errors.map((error) => `${error.path === "" ? part : error.path}: ${error.message}`).join("; ");
  throw new InvalidInputError(detail, { details: { errors } });
}

/** No text of PostgreSQL's may; what a schema let through is not nested deep. */
function holdsNul(value: unknown): boolean {
  if (typeof value === "string") return value.includes("\0");
  return typeof value === "object" && value !== null && Object.values(value).some(holdsNul);
}

/** Every status that the route may answer: the declared ones and what its kind brings with it. */
export function listStatuses({ scope, params, query, body, responses }: Route): readonly number[] {
  const takesInput = params !== undefined || query !== undefined || body !== undefined;
  const implied = [
    ...(takesInput ? [400] : []),
    ...(scope === null ? [] : [401, 403]),
    ...(body === undefined ? [] : [413]),
    500,
    503,
  ];
  return [...new Set([...Object.keys(responses).map(Number), ...implied])].toSorted((a, b) => a - b);
}

/** Bodies of the API; SCIM and hooks have limits of their own. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * Mounts routes on a router; each checks its scope before it reads anything.
 * @throws when a route does not say which scope it needs, were it past the compiler.
 */
export function mountRoutes(router: Router, routes: readonly Route[], authenticator: Authenticator): void {
  for (const route of routes) {
    if (route.scope === undefined) throw new Error(`${route.method} ${route.path} declares no scope`);
    router[route.method](route.path, (ctx: Context) => serve(ctx, route, authenticator));
  }
}

async function serve(ctx: Context, route: Route, authenticator: Authenticator): Promise<void> {
  const principal = await authorize(ctx, route, authenticator);
  const controller = new AbortController();
  const onClose = (): void => controller.abort();
  ctx.res.on("close", onClose);
  try {
    const result = await route.run({
      params: ctx["params"],
      query: ctx.query,
      body: route.body === undefined ? undefined : await readJson(ctx, route),
      principal,
      headers: ctx.req.headers,
      method: ctx.method,
      address: ctx.ip,
      signal: controller.signal,
    });
    send(ctx, result, route.responses[result.status]?.contentType);
  } finally {
    ctx.res.off("close", onClose);
  }
}

/** Undefined for an empty body: the route's schema says whether it may be left out. */
async function readJson(ctx: Context, { maxBodyBytes = MAX_BODY_BYTES }: Route): Promise<unknown> {
  const body = await readBody(ctx.req, maxBodyBytes);
  return body.length === 0 ? undefined : parseJson(body);
}

function send(ctx: Context, { status, body, headers }: RunAnswer, contentType: string | undefined): void {
  ctx.status = status;
  ctx.body = body;
  if (headers !== undefined) ctx.set({ ...headers });
  if (status === 204) return;
  ctx.type = contentType ?? (status >= 400 && isProblem(body) ? "application/problem+json" : "application/json");
}

function isProblem(body: unknown): boolean {
  return typeof body === "object" && body !== null && "code" in body && "title" in body;
}

async function authorize(ctx: Context, route: Route, authenticator: Authenticator): Promise<Principal | null> {
  if (route.scope === null) return null;
  const principal = await identify(authenticator, { method: ctx.method, headers: ctx.req.headers });
  requireScope(principal, route.scope);
  return principal;
}
