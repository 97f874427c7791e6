import { createHash } from "node:crypto";
import type { RefType } from "@branchward/core";

/** Key of a branch name for indexes: names may be 4 KB, an index row may not. Compared byte for byte (rule A3). */
export function nameKey(refType: RefType, name: string): string {
  return createHash("sha256").update(refType).update("\0").update(name).digest("base64url");
}
