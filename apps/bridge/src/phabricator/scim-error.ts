import { ScimError } from "@branchward/scim";
import { ConduitError } from "./conduit.ts";
import { withoutExtension } from "./extension.ts";

const statuses: Readonly<Record<string, readonly [status: number, scimType?: string]>> = {
  "ERR-TAKEN": [409, "uniqueness"],
  "ERR-NOT-FOUND": [400, "invalidValue"],
  "ERR-BAD-VALUE": [400, "invalidValue"],
  "ERR-EMPTY-REPOSITORY": [400, "invalidValue"],
  "ERR-BUSY": [503],
  "ERR-PERM": [503],
};

/** What a client is told of an error of Conduit; other errors are passed on. */
export function toScimError(error: unknown): unknown {
  if (!(error instanceof ConduitError)) return error;
  return Object.assign(describe(error), { cause: error });
}

function describe(error: ConduitError): ScimError {
  const { kind, reason, errorCode = "", outcomeUnknown } = error;
  switch (kind) {
    case "refused": {
      const [status, scimType] = statuses[errorCode] ?? [400, "invalidValue"];
      const isTaken = reason.includes("as another existing project");
      const said = `Phabricator refuses: ${reason.replaceAll(/\s*\n\s*(?:- )?/g, " ").trim()}`;
      return isTaken ? new ScimError(409, said, "uniqueness") : new ScimError(status, said, scimType);
    }
    case "unknown-method":
      return withoutExtension("make this change");
    case "unauthorized":
      return new ScimError(503, `Phabricator takes no token of this bridge: ${reason}`);
    case "failed": {
      const outcome = outcomeUnknown ? "; whether the change was made is unknown" : "";
      return new ScimError(503, `Phabricator failed: ${reason}${outcome}`);
    }
  }
}

/** Runs what speaks to Conduit; its errors are those of SCIM. @throws ScimError */
export async function inScimTerms<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw toScimError(error);
  }
}
