/** A whole bridge: state, native system, listener, and the look at the native system that repeats. */
import { createLogger, type Listener, listen, type Logger } from "@branchward/runtime";
import { createBridgeApp } from "./app.ts";
import type { BridgeConfiguration } from "./configuration/types.ts";
import { openNative } from "./open-native.ts";
import { openTokenCheck } from "./http/tokens.ts";
import { claimDirectory } from "./state/claim-directory.ts";
import type { NativeStore } from "./store/native-store.ts";

export interface BridgeOptions {
  readonly configuration: BridgeConfiguration;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log?: Logger;
  /** Makes the state anew from the native files. */
  readonly isRebuild?: boolean;
  /** How often the native system is looked at without a write; 30 s by default. */
  readonly auditEveryMs?: number;
}

export interface Bridge extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** What the native system does not hold, a sentence each. */
  readonly problems: () => readonly string[];
  /** Looks at the native system now and puts right what differs; resolves with `problems`. */
  readonly audit: () => Promise<readonly string[]>;
}

const AUDIT_EVERY_MS = 30_000;

/**
 * Starts a bridge; it looks at its native system at once and every 30 s.
 * @throws {ConfigurationError} for what the native system or the state directory makes impossible
 */
export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  const { configuration, env, log = createLogger({ level: "warn" }), isRebuild = false } = options;
  const { target, stateDir, host, port } = configuration;
  await using stack = new AsyncDisposableStack();
  const closing = new AbortController();
  stack.use(await claimDirectory(stateDir));
  const tokens = await openTokenCheck({ references: configuration.token, env, log, now: () => performance.now() });
  const { native, userExtensions } = stack.use(
    await openNative({ configuration: target, stateDir, env, log, isRebuild }),
  );
  const reached: { listener: Listener | undefined } = { listener: undefined };
  const baseUrl = (): string => reached.listener?.url ?? "";
  const app = createBridgeApp({ native, userExtensions, tokens, baseUrl, log, closing: closing.signal });
  const listener = stack.use(await listen(app.callback(), host, port));
  reached.listener = listener;
  stack.use(startAudits(native, log, options.auditEveryMs ?? AUDIT_EVERY_MS));
  stack.defer(() => closing.abort());
  const owned = stack.move();
  return {
    url: listener.url,
    port: listener.port,
    problems: native.problems,
    audit: native.audit,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function startAudits({ audit }: Pick<NativeStore, "audit">, log: Logger, everyMs: number): Disposable {
  const timer = setInterval(() => {
    audit()
      .then((problems) => (problems.length > 0 ? log.warn({ problems }, "native system differs") : undefined))
      .catch((error: unknown) => log.error({ err: error }, "native system not looked at"));
  }, everyMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
