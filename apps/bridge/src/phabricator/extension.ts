import { ScimError } from "@branchward/scim";
import { z } from "zod";
import { ConduitError, type Conduit } from "./conduit.ts";
import { parseResult } from "./parse-result.ts";
import { readAgain } from "./resolve-outcome.ts";

/** The version of `phabricator-extension` that this code speaks to. */
const VERSION = 1;

/** The PHP extension that brings what stock Conduit lacks. */
export interface Extension {
  /** @throws ConduitError where the server does not answer, the caller is no administrator or the version is another */
  isInstalled(): Promise<boolean>;
  /** @throws ScimError 501 naming what cannot be done without it; ConduitError as `isInstalled` */
  require(what: string): Promise<void>;
}

const info = z.object({ version: z.number() });

/** Makes the look for the extension; asked each time, since files come and go without a restart. */
export function createExtension(conduit: Conduit): Extension {
  async function isInstalled(): Promise<boolean> {
    try {
      const { version } = parseResult(
        info,
        "branchward.info",
        await readAgain(() => conduit.read("branchward.info", {})),
      );
      if (version === VERSION) return true;
      const reason = `the extension has version ${version}, this bridge needs ${VERSION}`;
      throw new ConduitError("branchward.info", { kind: "failed", reason });
    } catch (error) {
      if (error instanceof ConduitError && error.kind === "unknown-method") return false;
      throw error;
    }
  }
  return {
    isInstalled,
    async require(what) {
      if (!(await isInstalled())) throw withoutExtension(what);
    },
  };
}

/** What a client is told that asks for more than stock Conduit can do. */
export function withoutExtension(what: string): ScimError {
  return new ScimError(
    501,
    `stock Conduit cannot ${what}: install Branchward's extension in src/extensions of the Phabricator server`,
  );
}
