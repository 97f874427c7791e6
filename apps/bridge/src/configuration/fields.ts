/** Kinds of value that bridge.yaml holds, as zod schemas whose messages say what to write. */
import { isAbsolute, normalize } from "node:path";
import { z } from "zod";

/** An absolute path without what a configuration file or a shell would read as more than a name. */
export const path = z
  .string({ error: "must be an absolute path" })
  .refine((value) => isAbsolute(value) && /^[\w./@+-]+$/u.test(value), {
    error: "must be an absolute path of letters, digits and . _ - + @ /",
  })
  .transform((value) => normalize(value).replace(/(?<=.)\/+$/u, ""));

/** `HOST:PORT`; an IPv6 address stands in brackets. */
export const address = z
  .string({ error: "must be HOST:PORT, such as 127.0.0.1:8790" })
  .transform((value, context): { readonly host: string; readonly port: number } => {
    const match = /^(?:\[([0-9a-fA-F:]+)\]|([\w.-]+)):(\d{1,5})$/u.exec(value);
    const port = Number(match?.[3]);
    if (match === null || port > 65_535) {
      context.addIssue({ code: "custom", message: "must be HOST:PORT, such as 127.0.0.1:8790" });
      return z.NEVER;
    }
    return { host: match[1] ?? match[2] ?? "", port };
  });

/** A repository as Branchward names it: segments of plain characters. */
export const repositoryName = z
  .string({ error: "must be a name such as acme/web" })
  .max(200, { error: "is too long" })
  .regex(/^[A-Za-z0-9_][\w.-]*(\/[A-Za-z0-9_][\w.-]*)*$/u, {
    error: "must be a name such as acme/web: letters, digits and . _ - in segments",
  });

/** A name of an account or group of the operating system. */
export const unixName = z
  .string({ error: "must be the name of a user" })
  .regex(/^[a-z_][a-z0-9_-]{0,31}$/u, { error: "must be the name of a user of this machine" });
