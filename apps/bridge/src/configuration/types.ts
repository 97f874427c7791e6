/** `bridge.yaml` as parsed: one listener, one state directory, one native system. */
import type { SecretReference } from "@branchward/core";
import type { GitoliteConfiguration } from "../gitolite/configuration.ts";
import type { MercurialConfiguration } from "../mercurial/configuration.ts";
import type { PhabricatorConfiguration } from "../phabricator/configuration.ts";

/** Which native system stands behind a bridge; the name is also the key of its section. */
export type TargetConfiguration =
  | ({ readonly kind: "mercurial" } & MercurialConfiguration)
  | ({ readonly kind: "gitolite" } & GitoliteConfiguration)
  | ({ readonly kind: "phabricator" } & PhabricatorConfiguration);

export interface BridgeConfiguration {
  /** As cited in messages. */
  readonly file: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Bearer tokens that are accepted; several while one is rotated. */
  readonly token: readonly SecretReference[];
  /** The directory of the bridge's own state. */
  readonly stateDir: string;
  readonly target: TargetConfiguration;
}
