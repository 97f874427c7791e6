import { z } from "zod";

/** RFC 3339 in UTC; handlers give a Date. */
export const timestamp = z.preprocess(
  (value) => (value instanceof Date ? value.toISOString() : value),
  z.iso.datetime(),
);

export const refType = z.enum(["branch", "bookmark", "topic"]);
export const verdict = z.enum(["verified", "diverged", "unverifiable", "held", "failed"]);

/** RFC 9457, with a stable `code`. */
export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    errors: z.array(z.unknown()).optional(),
  })
  .meta({ id: "Problem" });

/** Newest first; `nextCursor` is null on the last page. */
export function page<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() });
}

/** Query of every list: `limit` 50 by default, 200 at most are given, and the `nextCursor` of the page before. */
export const pageQuery = z.object({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .default(50)
    .transform((limit) => Math.min(limit, 200)),
  cursor: z
    .string()
    .regex(/^\d{1,16}$/u, "not a cursor of this list")
    .optional(),
});

/** Free text: matched anywhere, whatever its case. */
export const searchText = z.string().trim().min(1).max(200);

export const idParams = z.object({ id: z.uuid() });
