import { answer, defineRoute, type Route } from "@branchward/runtime";
import { z } from "zod";
import { type ApiDocument, createApiDocument } from "./create-document.ts";
import { DOCS_STYLE, renderDocsPage } from "./render-page.ts";

/** Routes that describe the others and themselves: `/openapi.json`, and `/docs` to be read. */
export function createDocumentRoutes(others: readonly Route[]): readonly Route[] {
  const made: { document: ApiDocument | undefined } = { document: undefined };
  const routes = [
    defineRoute({
      method: "get",
      path: "/openapi.json",
      summary: "This description",
      scope: null,
      responses: { 200: { description: "OpenAPI 3.1", body: z.looseObject({ openapi: z.string() }) } },
      handle: async () => answer(200, { ...getDocument() }),
    }),
    defineRoute({
      method: "get",
      path: "/docs",
      summary: "This description as a page",
      scope: null,
      responses: { 200: { description: "a page", body: z.string(), contentType: "text/html" } },
      handle: async () => answer(200, renderDocsPage(getDocument())),
    }),
    defineRoute({
      method: "get",
      path: "/docs/style.css",
      summary: "The page's style sheet",
      scope: null,
      responses: { 200: { description: "a style sheet", body: z.string(), contentType: "text/css" } },
      handle: async () => answer(200, DOCS_STYLE),
    }),
  ];
  // Made when it is first asked for: a start needs none.
  const getDocument = (): ApiDocument => (made.document ??= createApiDocument([...others, ...routes]));
  return routes;
}
