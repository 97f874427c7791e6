/**
 * A route is data: what it takes, what it answers, who may call it; and a handler that sees parsed input
 * and returns data. OpenAPI is made from the same declarations.
 */
import { InvalidInputError } from "@branchward/core";
import Router from "@koa/router";
import type { Context } from "koa";
import { z } from "zod";
import { type Authenticator, type Principal, requireScope, type Scope } from "./auth.ts";
import { parseJson, readBody } from "./body.ts";

type Schema = z.ZodType;
type Output<S extends Schema | undefined> = S extends Schema ? z.output<S> : undefined;
export type Responses = Readonly<Record<number, { readonly description: string; readonly body: Schema }>>;

type Answer<R extends Responses> = {
  [Status in keyof R & number]: {
    readonly status: Status;
    readonly body: z.input<R[Status]["body"]>;
    readonly headers?: Readonly<Record<string, string>>;
  };
}[keyof R & number];

interface RouteInput<P extends Schema | undefined, Q extends Schema | undefined, B extends Schema | undefined> {
  readonly params: Output<P>;
  readonly query: Output<Q>;
  readonly body: Output<B>;
  readonly principal: Principal | null;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

interface RouteDeclaration<
  P extends Schema | undefined,
  Q extends Schema | undefined,
  B extends Schema | undefined,
  R extends Responses,
> {
  readonly method: "get" | "post" | "put" | "delete";
  /** @koa/router path: `/v1/syncs/:id`. */
  readonly path: string;
  readonly summary: string;
  /** Null: no token is needed. */
  readonly scope: Scope | null;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly responses: R;
  readonly handle: (input: RouteInput<P, Q, B>) => Promise<Answer<R>>;
}

/** An answer with its status kept as a literal. */
export function answer<const Status extends number, Body>(
  status: Status,
  body: Body,
): { readonly status: Status; readonly body: Body } {
  return { status, body };
}

/** A declared route with its types behind it. */
export interface Route {
  readonly method: "get" | "post" | "put" | "delete";
  readonly path: string;
  readonly summary: string;
  readonly scope: Scope | null;
  readonly params: Schema | undefined;
  readonly query: Schema | undefined;
  readonly body: Schema | undefined;
  readonly responses: Responses;
  readonly run: (
    input: { readonly params: unknown; readonly query: unknown; readonly body: unknown } & Pick<
      RouteInput<undefined, undefined, undefined>,
      "principal" | "signal"
    >,
  ) => Promise<{
    readonly status: number;
    readonly body: unknown;
    readonly headers?: Readonly<Record<string, string>>;
  }>;
}

/** Declares a route; the compiler holds the handler's answers to the declared responses. */
export function defineRoute<
  const R extends Responses,
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  B extends Schema | undefined = undefined,
>(route: RouteDeclaration<P, Q, B, R>): Route {
  return {
    method: route.method,
    path: route.path,
    summary: route.summary,
    scope: route.scope,
    params: route.params,
    query: route.query,
    body: route.body,
    responses: route.responses,
    async run(input) {
      const parsed = {
        params: parseInput(route.params, input.params, "path"),
        query: parseInput(route.query, input.query, "query"),
        body: parseInput(route.body, input.body, "body"),
        principal: input.principal,
        signal: input.signal,
      } as RouteInput<P, Q, B>;
      return route.handle(parsed);
    },
  };
}

function parseInput(schema: Schema | undefined, value: unknown, part: string): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.map((issue) => ({ part, path: issue.path.join("."), message: issue.message }));
  const detail = errors.map((error) => `${error.path === "" ? part : error.path}: ${error.message}`).join("; ");
  throw new InvalidInputError(detail, { details: { errors } });
}

/** Bodies of the API; SCIM and hooks have limits of their own. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Mounts routes on a router; each checks its scope before it reads anything. */
export function mountRoutes(router: Router, routes: readonly Route[], authenticator: Authenticator): void {
  for (const route of routes) router[route.method](route.path, (ctx: Context) => serve(ctx, route, authenticator));
}

async function serve(ctx: Context, route: Route, authenticator: Authenticator): Promise<void> {
  const principal = await authorize(ctx, route, authenticator);
  const controller = new AbortController();
  const onClose = (): void => controller.abort();
  ctx.res.on("close", onClose);
  try {
    const body = route.body === undefined ? undefined : parseJson(await readBody(ctx.req, MAX_BODY_BYTES));
    const result = await route.run({
      params: ctx["params"],
      query: ctx.query,
      body,
      principal,
      signal: controller.signal,
    });
    ctx.status = result.status;
    ctx.body = result.body;
    ctx.type = result.status >= 400 && isProblem(result.body) ? "application/problem+json" : "application/json";
    if (result.headers !== undefined) ctx.set({ ...result.headers });
  } finally {
    ctx.res.off("close", onClose);
  }
}

function isProblem(body: unknown): boolean {
  return typeof body === "object" && body !== null && "code" in body && "title" in body;
}

async function authorize(ctx: Context, route: Route, authenticator: Authenticator): Promise<Principal | null> {
  if (route.scope === null) return null;
  const principal = await authenticator.authenticate(ctx.get("authorization") || undefined);
  requireScope(principal, route.scope);
  return principal;
}
