import { resolveSecrets } from "@branchward/runtime";
import { Pool } from "undici";
import { openStateFile } from "../state/state-file.ts";
import type { NativeStore } from "../store/native-store.ts";
import { createConduit } from "./conduit.ts";
import type { PhabricatorConfiguration } from "./configuration.ts";
import { createPhabricator } from "./phabricator.ts";
import { openPhabricatorStore } from "./phabricator-store.ts";

/** Setting some hundred members takes Phabricator seconds. */
const DEADLINE_MS = 30_000;
/** A page of a hundred projects with 5,000 members each has some 20 MB. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Phabricator's PHP workers are few, and people need them too. */
const MAX_CONNECTIONS = 4;

export interface OpenPhabricatorOptions {
  readonly configuration: PhabricatorConfiguration;
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isRebuild: boolean;
}

/**
 * The store in front of the server that the configuration names. Where no state was kept, the server is read first;
 * otherwise the bridge begins with what it knew, also while the server is away.
 * @throws {ConfigurationError} for a token without a value and for a state that is not whole
 */
export async function openPhabricator(options: OpenPhabricatorOptions): Promise<NativeStore & AsyncDisposable> {
  const { configuration, stateDir, env, isRebuild } = options;
  const { url, token, repositories, account } = configuration;
  const tokens = () => resolveSecrets(token, { env }, "phabricator.token");
  await tokens();
  const dispatcher = new Pool(new URL(url).origin, { connections: MAX_CONNECTIONS });
  const conduit = createConduit({ url, tokens, dispatcher, deadlineMs: DEADLINE_MS, maxBytes: MAX_BYTES });
  const native = await openPhabricatorStore({
    phabricator: createPhabricator(conduit, repositories),
    stateFile: openStateFile(stateDir, "phabricator"),
    naming: account,
    now: Date.now,
    isRebuild,
  });
  return { ...native, [Symbol.asyncDispose]: () => dispatcher.destroy() };
}
