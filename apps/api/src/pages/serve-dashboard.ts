/** The built dashboard: its files as they lie on the disk, and its page for every other address that a person may open. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join, normalize, sep } from "node:path";
import type { Context, Middleware } from "koa";

/** Addresses of ours that are no page: unknown ones below them are answered as problems. */
const NO_PAGES = /^\/(?:v1|scim|hooks|queues|docs|openapi\.json|livez|readyz|metrics)(?:\/|$)/u;
/** Vite puts a hash of the content into the names below it. */
const HASHED = /^\/assets\//u;
const ENCODINGS = [
  { name: "br", extension: ".br" },
  { name: "gzip", extension: ".gz" },
] as const;

/** Serves what no route has answered. `directory` need not be there: then `/` says how to build it. */
export function createDashboardMiddleware(directory: string): Middleware {
  return async (ctx, next) => {
    await next();
    const isOpen = ctx.status === 404 && ctx.body == null && (ctx.method === "GET" || ctx.method === "HEAD");
    if (!isOpen || NO_PAGES.test(ctx.path)) return;
    if (await sendFile(ctx, directory, ctx.path)) return;
    // A name with an extension is a file that is not there, not a page.
    if (/\.[a-z0-9]{1,8}$/iu.test(ctx.path)) return;
    if (await sendFile(ctx, directory, "/index.html")) return;
    if (ctx.path === "/") sendNotBuilt(ctx);
  };
}

async function sendFile(ctx: Context, directory: string, path: string): Promise<boolean> {
  const file = locate(directory, path);
  if (file === undefined) return false;
  const plain = await findFile(file);
  if (plain === undefined) return false;
  const encoded = await findEncoded(ctx, file);
  const { size, mtimeMs, encoding } = encoded ?? { ...plain, encoding: undefined };
  ctx.set("Cache-Control", HASHED.test(path) ? "public, max-age=31536000, immutable" : "no-cache");
  ctx.vary("Accept-Encoding");
  ctx.etag = `${size.toString(36)}-${Math.round(mtimeMs).toString(36)}${encoding?.extension ?? ""}`;
  ctx.type = /\.[^.]+$/u.exec(file)?.[0] ?? "application/octet-stream";
  ctx.status = 200;
  if (ctx.fresh) {
    ctx.status = 304;
    return true;
  }
  if (encoding !== undefined) ctx.set("Content-Encoding", encoding.name);
  ctx.length = size;
  // Koa sends no body for HEAD and would leave the file open.
  if (ctx.method === "GET") ctx.body = createReadStream(encoding === undefined ? file : file + encoding.extension);
  return true;
}

/** The file that a path names, never one outside of the directory. */
function locate(directory: string, path: string): string | undefined {
  try {
    const decoded = decodeURIComponent(path);
    if (decoded.includes("\0")) return undefined;
    const file = normalize(join(directory, decoded));
    return file.startsWith(directory + sep) ? file : undefined;
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

interface FoundFile {
  readonly size: number;
  readonly mtimeMs: number;
}

async function findFile(file: string): Promise<FoundFile | undefined> {
  try {
    const found = await stat(file);
    return found.isFile() ? { size: found.size, mtimeMs: found.mtimeMs } : undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error && ABSENT.has(String(error.code))) return undefined;
    throw error;
  }
}

const ABSENT = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG"]);

async function findEncoded(ctx: Context, file: string) {
  for (const encoding of ENCODINGS) {
    if (ctx.acceptsEncodings(encoding.name) !== encoding.name) continue;
    const found = await findFile(file + encoding.extension);
    if (found !== undefined) return { ...found, encoding };
  }
  return undefined;
}

function sendNotBuilt(ctx: Context): void {
  ctx.status = 200;
  ctx.type = "text/html";
  ctx.body = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Branchward</title></head>
<body>
<h1>Branchward runs</h1>
<p>Its dashboard is not built. In the checkout: <code>npm run build --workspace @branchward/dashboard</code></p>
<p>The API is described at <a href="/docs">/docs</a>.</p>
</body>
</html>
`;
}
