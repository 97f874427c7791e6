import type { Logger } from "@branchward/runtime";
import type { TargetConfiguration } from "./configuration/types.ts";
import { openGitolite } from "./gitolite/gitolite.ts";
import { openMercurial } from "./mercurial/mercurial.ts";
import type { NativeTarget } from "./target.ts";

export interface OpenTargetOptions {
  readonly configuration: Exclude<TargetConfiguration, { kind: "phabricator" }>;
  readonly stateDir: string;
  readonly log: Logger;
}

/** The native system that the configuration names. @throws {ConfigurationError} for what makes it unusable */
export function openTarget({ configuration, ...options }: OpenTargetOptions): Promise<NativeTarget> {
  switch (configuration.kind) {
    case "mercurial":
      return openMercurial({ configuration, ...options });
    case "gitolite":
      return openGitolite({ configuration, ...options });
  }
}
