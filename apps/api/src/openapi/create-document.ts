/** OpenAPI 3.1 from the routes themselves. */
import { problem } from "@branchward/core/api";
import { listStatuses, type Route, type Scope } from "@branchward/runtime";
import type { z } from "zod";
import { createDocument, type ZodOpenApiPathsObject, type ZodOpenApiResponsesObject } from "zod-openapi";

export type ApiDocument = ReturnType<typeof createDocument>;

const IMPLIED: Readonly<Record<number, string>> = {
  400: "the input breaks the contract; `errors` says where",
  401: "no valid token or session",
  403: "the token does not cover the scope, or a cookie came with a request of another site",
  413: "the body is too large",
  500: "something failed here",
  503: "the record is away for the moment; `Retry-After` says when to come back",
};

/** What the api says of itself. @throws when a schema cannot be told in JSON Schema. */
export function createApiDocument(routes: readonly Route[]): ApiDocument {
  return createDocument({
    openapi: "3.1.0",
    info: {
      title: "Branchward",
      version: "1",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description:
        "Errors are problem details (RFC 9457) with a stable `code`. Lists are newest first: `limit` is 50 unless " +
        "said, at most 200, and `cursor` is the `nextCursor` of the page before. The directory's SCIM 2.0 service " +
        "provider at /scim/v2 describes itself at /scim/v2/ServiceProviderConfig.",
    },
    servers: [{ url: "/" }],
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description: "`Bearer bw_<scope>_…`; admin covers all scopes, read covers status",
        },
        session: { type: "apiKey", in: "cookie", name: "branchward_session", description: "from POST /v1/session" },
      },
    },
    paths: toPaths(routes),
  });
}

function toPaths(routes: readonly Route[]): ZodOpenApiPathsObject {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/gu, "{$1}");
    paths[path] = { ...paths[path], [route.method]: toOperation(route) };
  }
  return paths;
}

function toOperation(route: Route) {
  const { params, query, body, scope } = route;
  return {
    operationId: toOperationId(route),
    summary: route.summary,
    security: toSecurity(scope),
    ...(scope === null ? {} : { "x-scope": scope }),
    requestParams: {
      ...(params === undefined ? {} : { path: asObject(params) }),
      ...(query === undefined ? {} : { query: asObject(query) }),
    },
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: !body.safeParse(undefined).success, content: toContent("application/json", body) },
        }),
    responses: toResponses(route),
  };
}

/** `get /v1/syncs/:id` → `getSyncsById`. */
function toOperationId({ method, path }: Route): string {
  const words = path
    .replace(/^\/v1/u, "")
    .replace(/:(\w+)/gu, "by-$1")
    .split(/[^a-z0-9]+/iu)
    .filter((word) => word !== "");
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function toSecurity(scope: Scope | null) {
  // An empty list of schemes means that none is needed; OpenAPI 3.1 lets other schemes than OAuth name roles.
  return scope === null ? [] : [{ token: [scope] }, { session: [scope] }];
}

function toResponses(route: Route): ZodOpenApiResponsesObject {
  const entries = listStatuses(route).map((status) => {
    const declared = route.responses[status];
    if (declared === undefined) {
      const content = toContent("application/problem+json", problem);
      return [String(status), { description: IMPLIED[status] ?? "an error", content }] as const;
    }
    const isProblem = declared.body === problem;
    const type = declared.contentType ?? (isProblem ? "application/problem+json" : "application/json");
    const content = status === 204 ? {} : { content: toContent(type, declared.body) };
    return [String(status), { description: declared.description, ...content }] as const;
  });
  return Object.fromEntries(entries);
}

function toContent(type: string, schema: z.ZodType) {
  return { [type]: { schema } };
}

/** Parameters are declared as objects. */
function asObject(schema: z.ZodType): z.ZodObject {
  return schema as z.ZodObject;
}
