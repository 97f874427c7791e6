import { sshKeysExtension } from "@branchward/core";
import type { Logger } from "@branchward/runtime";
import type { SchemaSpecification } from "@branchward/scim";
import type { TargetConfiguration } from "./configuration/types.ts";
import { openTarget } from "./open-target.ts";
import { openPhabricator } from "./phabricator/open-phabricator.ts";
import { phabricatorAccountSchema } from "./phabricator/user-attributes.ts";
import { openStateFile } from "./state/state-file.ts";
import { type NativeStore, openNativeStore } from "./store/native-store.ts";

export interface OpenNativeOptions {
  readonly configuration: TargetConfiguration;
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  readonly isRebuild: boolean;
}

/** The store over the native system, and the extensions of User that it understands. */
export interface OpenedNative extends AsyncDisposable {
  readonly native: NativeStore;
  readonly userExtensions: readonly SchemaSpecification[];
}

/**
 * Opens what the configuration names: files that a target keeps equal to the bridge's state, or a server that is the
 * record itself. @throws {ConfigurationError} for what makes it unusable
 */
export async function openNative(options: OpenNativeOptions): Promise<OpenedNative> {
  const { configuration, stateDir, env, log, isRebuild } = options;
  if (configuration.kind === "phabricator") {
    const native = await openPhabricator({ configuration, stateDir, env, isRebuild });
    const userExtensions = [sshKeysExtension, phabricatorAccountSchema];
    return { native, userExtensions, [Symbol.asyncDispose]: () => native[Symbol.asyncDispose]() };
  }
  await using stack = new AsyncDisposableStack();
  const target = stack.use(await openTarget({ configuration, stateDir, log }));
  const stateFile = openStateFile(stateDir, configuration.kind);
  const native = await openNativeStore({ target, stateFile, now: Date.now, isRebuild });
  const owned = stack.move();
  return { native, userExtensions: target.userExtensions, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
