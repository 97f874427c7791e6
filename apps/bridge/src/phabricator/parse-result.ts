import type { z } from "zod";
import { ConduitError } from "./conduit.ts";

/** The result of a call, of the shape that the method documents. @throws ConduitError where it has another one */
export function parseResult<T extends z.ZodType>(schema: T, method: string, result: unknown): z.infer<T> {
  const parsed = schema.safeParse(result);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const reason = `unexpected result at ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`;
  throw new ConduitError(method, { kind: "failed", reason });
}
