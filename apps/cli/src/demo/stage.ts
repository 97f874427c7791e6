import type { Narrator } from "./narrator.ts";
import type { Shell } from "./shell.ts";
import type { Witness } from "./witness.ts";

/** What a story has at hand. */
export interface Stage {
  /** A temporary directory. */
  readonly directory: string;
  readonly shell: Shell;
  readonly narrator: Narrator;
  readonly witness: Witness;
  /** Installs Branchward's hooks as `branchward hooks install` does, and says so. */
  readonly hooks: (path: string, role: "client" | "server") => Promise<void>;
}
