/** The OpenAPI document as one page that runs no script and loads nothing but its style sheet. */
import type { ApiDocument } from "./create-document.ts";

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly scope: string | null;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: unknown;
  }[];
  readonly body: unknown;
  readonly responses: readonly {
    readonly status: string;
    readonly description: string;
    readonly type: string | null;
    readonly schema: unknown;
  }[];
}

/** HTML text of a value of any origin. */
function escape(text: string): string {
  return text.replace(/[&<>"']/gu, (character) => `&#${character.codePointAt(0) ?? 0};`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function entriesOf(value: unknown): readonly (readonly [string, Readonly<Record<string, unknown>>])[] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => (isRecord(inner) ? [[key, inner] as const] : []));
}

function recordsOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function listOperations(document: ApiDocument): readonly Operation[] {
  return entriesOf(document.paths).flatMap(([path, methods]) =>
    entriesOf(methods).map(([method, operation]) => ({
      method,
      path,
      summary: textOf(operation["summary"]),
      scope: textOf(operation["x-scope"]) || null,
      parameters: recordsOf(operation["parameters"]).map((parameter) => ({
        name: textOf(parameter["name"]),
        in: textOf(parameter["in"]),
        required: parameter["required"] === true,
        schema: parameter["schema"],
      })),
      body: contentOf(operation["requestBody"])?.schema,
      responses: entriesOf(operation["responses"]).map(([status, response]) => ({
        status,
        description: textOf(response["description"]),
        type: contentOf(response)?.type ?? null,
        schema: contentOf(response)?.schema,
      })),
    })),
  );
}

function contentOf(value: unknown): { readonly type: string; readonly schema: unknown } | undefined {
  const [first] = isRecord(value) ? entriesOf(value["content"]) : [];
  return first === undefined ? undefined : { type: first[0], schema: first[1]["schema"] };
}

function renderSchema(schema: unknown): string {
  if (schema === undefined) return "";
  const reference = isRecord(schema) ? textOf(schema["$ref"]).replace("#/components/schemas/", "") : "";
  if (reference !== "") return ` <a href="#${escape(toSchemaId(reference))}">${escape(reference)}</a>`;
  return `<details><summary>schema</summary>${renderJson(schema)}</details>`;
}

function renderJson(value: unknown): string {
  return `<pre tabindex="0">${escape(JSON.stringify(value, null, 2))}</pre>`;
}

function toSchemaId(name: string): string {
  return `schema-${name}`;
}

function renderSchemas(document: ApiDocument): string {
  return entriesOf(document.components?.schemas)
    .map(
      ([name, schema]) =>
        `<section id="${escape(toSchemaId(name))}"><h2>${escape(name)}</h2>${renderJson(schema)}</section>`,
    )
    .join("\n");
}

function renderParameters({ parameters }: Operation): string {
  if (parameters.length === 0) return "";
  const rows = parameters.map(({ name, in: where, required, schema }) => {
    const kind = isRecord(schema) ? textOf(schema["type"]) || (Array.isArray(schema["enum"]) ? "enum" : "") : "";
    const values = isRecord(schema) && Array.isArray(schema["enum"]) ? ` ${schema["enum"].join(" | ")}` : "";
    return `<tr><td><code>${escape(name)}</code></td><td>${where}</td><td>${escape(kind + values)}</td><td>${required ? "required" : ""}</td></tr>`;
  });
  return `<table><thead><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

function renderOperation(operation: Operation): string {
  const { method, path, summary, scope, body, responses } = operation;
  const id = `${method}-${path.replace(/[^a-z0-9]+/giu, "-")}`;
  const answers = responses.map(
    ({ status, description, type, schema }) =>
      `<dt>${escape(status)}</dt><dd>${escape(description)}${type === null ? "" : ` <small>${escape(type)}</small>`}${renderSchema(schema)}</dd>`,
  );
  return `<section id="${escape(id)}">
<h2><a href="#${escape(id)}"><span class="method">${method.toUpperCase()}</span> <code>${escape(path)}</code></a></h2>
<p>${escape(summary)}. ${scope === null ? "Needs no token." : `Scope <code>${escape(scope)}</code>.`}</p>
${renderParameters(operation)}
${body === undefined ? "" : `<h3>Body</h3>${renderSchema(body)}`}
<dl>${answers.join("")}</dl>
</section>`;
}

/** The page of `/docs`. */
export function renderDocsPage(document: ApiDocument): string {
  const { title, description = "" } = document.info;
  const operations = listOperations(document).toSorted((a, b) => a.path.localeCompare(b.path));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} API</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<main>
<h1>${escape(title)} API</h1>
<p>${escape(description)}</p>
<p>Machine-readable: <a href="/openapi.json">/openapi.json</a></p>
${operations.map(renderOperation).join("\n")}
<h1>Schemas</h1>
${renderSchemas(document)}
</main>
</body>
</html>
`;
}

export const DOCS_STYLE = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; background: light-dark(#fff, #14171c); color: light-dark(#1b1f24, #d8dee6); }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 6rem; }
section { border-top: 1px solid light-dark(#d9dde2, #2b313a); padding: 1rem 0; }
h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
h2 a, a { color: inherit; }
h2 a { text-decoration: none; }
h3 { font-size: 0.9rem; margin: 0.5rem 0 0; }
code, pre { font: 0.875rem/1.5 ui-monospace, monospace; }
pre { overflow: auto; max-height: 30rem; padding: 0.75rem; background: light-dark(#f4f6f8, #1b2027); }
.method { display: inline-block; min-width: 4.5ch; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; display: block; overflow-x: auto; }
th, td { text-align: left; padding: 0.25rem 1rem 0.25rem 0; vertical-align: top; }
dl { display: grid; grid-template-columns: 4ch 1fr; gap: 0.25rem 1rem; font-size: 0.9rem; }
dt { font-weight: 600; }
dd { margin: 0; min-width: 0; }
small, summary { color: light-dark(#57606a, #97a3b1); }
`;
