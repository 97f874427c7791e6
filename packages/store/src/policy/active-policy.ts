import { parsePolicy, type Policy, type PolicyVersionId } from "@branchward/core";
import type { Queryable } from "../connection/database.ts";
import { findActivePolicyVersion, findActivePolicyVersionId } from "./policy-versions.ts";

export interface ActivePolicyVersion {
  readonly version: PolicyVersionId;
  readonly policy: Policy;
}

/** The policy in force (rule B1): always the active row, never a file. */
export interface ActivePolicy {
  /** Undefined before the first activation. */
  find(db: Queryable): Promise<ActivePolicyVersion | undefined>;
}

/** Keeps the parsed form of the version last seen, since rows are immutable. */
export function createActivePolicy(): ActivePolicy {
  const cache: { seen: ActivePolicyVersion | undefined } = { seen: undefined };
  return {
    async find(db) {
      const id = await findActivePolicyVersionId(db);
      if (id === undefined) return undefined;
      if (cache.seen?.version === id) return cache.seen;
      const row = await findActivePolicyVersion(db);
      if (row === undefined) return undefined;
      cache.seen = { version: row.id, policy: parseStored(row.text, row.file) };
      return cache.seen;
    },
  };
}

function parseStored(text: string, file: string): Policy {
  const parsed = parsePolicy(text, file, { isStored: true });
  if ("policy" in parsed) return parsed.policy;
  throw new Error(`the active policy version is broken: ${parsed.problems[0]?.message ?? "unknown problem"}`);
}
