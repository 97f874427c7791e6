/**
 * Whether calls to one endpoint may be made at all: the circuit breaker, and the wait that `Retry-After` asked for. Both
 * are kept in the record, so that other processes and the next start honour them.
 */
import { type AppError, UpstreamError } from "@branchward/core";
import type { EndpointGate } from "@branchward/store";

/** Where the state is kept; times are the record's. */
export interface GateRecord {
  find(): Promise<EndpointGate>;
  open(error: string): Promise<void>;
  close(): Promise<void>;
  /** True for the one caller that may try now. */
  claimProbe(): Promise<boolean>;
  block(forMs: number, error: string): Promise<void>;
  /** It answers again. */
  unblocked(): Promise<void>;
  saveLimit(limit: number): Promise<void>;
}

export interface BreakerOptions {
  readonly endpoint: string;
  readonly record: GateRecord;
  /** Milliseconds that never go back. */
  readonly now: () => number;
}

export interface Breaker {
  /** What a call would be refused with now. */
  findRefusal(): Promise<AppError | undefined>;
  /**
   * Lets a call through; resolves with what ends the probe when the call is one. Calls that come while a probe of this
   * process is under way wait for what it shows.
   * @throws {UpstreamError} `endpoint_blocked` or `endpoint_open`, with when to try again
   */
  admit(): Promise<(() => void) | undefined>;
  /** The endpoint answered, be it that it refused. */
  noteAnswer(): Promise<void>;
  /** It failed; opens after too many in a row, and again after a probe. */
  noteFailure(error: string): Promise<void>;
  block(forMs: number, error: string): Promise<void>;
}

/**
 * Failures in a row before calls stop. A run makes about six calls and is tried three times within a second: an endpoint
 * that restarts within the first tries is bridged, and one that is down is asked no more than ten times.
 */
const FAILURES_TO_OPEN = 10;
/** Another process's state counts after so long, within the second that `Retry-After` counts in. */
const FRESH_MS = 500;

interface State {
  failures: number;
  /** The probe of this process that is under way. */
  probing: Promise<void> | undefined;
}

export function createBreaker({ endpoint, record, now }: BreakerOptions): Breaker {
  const state: State = { failures: 0, probing: undefined };
  const view = createView(record, now);

  async function findRefusal(): Promise<AppError | undefined> {
    const { breaker, blockedForMs, probeInMs } = await view.read();
    if (blockedForMs > 0) return createRefusal(endpoint, "blocked", blockedForMs);
    if (breaker === "closed" || probeInMs === 0 || state.probing !== undefined) return undefined;
    return createRefusal(endpoint, "open", probeInMs);
  }

  /** Undefined when somebody else may try, and not this call. */
  async function startProbe(): Promise<(() => void) | undefined> {
    const probe = Promise.withResolvers<void>();
    state.probing = probe.promise;
    const end = (): void => {
      state.probing = undefined;
      view.forget();
      probe.resolve();
    };
    let isOurs = false;
    try {
      isOurs = await record.claimProbe();
    } finally {
      if (!isOurs) end();
    }
    return isOurs ? end : undefined;
  }

  return {
    findRefusal,
    async admit() {
      for (;;) {
        if (state.probing !== undefined) await state.probing;
        const refusal = await findRefusal();
        if (refusal !== undefined) throw refusal;
        if (state.probing !== undefined) continue;
        if (view.isClosed()) return undefined;
        const endProbe = await startProbe();
        if (endProbe !== undefined) return endProbe;
      }
    },
    async noteAnswer() {
      state.failures = 0;
      if (state.probing !== undefined) await record.close();
      if (await view.isNewlyUnblocked()) await record.unblocked();
    },
    async noteFailure(error) {
      state.failures += 1;
      if (state.failures < FAILURES_TO_OPEN && state.probing === undefined) return;
      state.failures = 0;
      await record.open(error);
      view.forget();
    },
    async block(forMs, error) {
      await record.block(forMs, error);
      view.forget();
    },
  };
}

/** What the record says, read again when it may be old. */
function createView(record: GateRecord, now: () => number) {
  // What was before the start is not known.
  const state = { seen: undefined as EndpointGate | undefined, at: 0, mayHaveBeenBlocked: true };

  async function read(): Promise<EndpointGate> {
    const ageMs = now() - state.at;
    if (state.seen === undefined || ageMs >= FRESH_MS) {
      state.at = now();
      state.seen = await record.find();
      if (state.seen.blockedForMs > 0) state.mayHaveBeenBlocked = true;
      return state.seen;
    }
    const { breaker, blockedForMs, probeInMs } = state.seen;
    return { breaker, blockedForMs: Math.max(0, blockedForMs - ageMs), probeInMs: Math.max(0, probeInMs - ageMs) };
  }

  return {
    read,
    /** True once after a block, when an answer came: a call that was under way when the block came says nothing of it. */
    async isNewlyUnblocked(): Promise<boolean> {
      if (!state.mayHaveBeenBlocked || (await read()).blockedForMs > 0) return false;
      state.mayHaveBeenBlocked = false;
      return true;
    },
    isClosed: () => state.seen?.breaker === "closed",
    forget(): void {
      state.seen = undefined;
      state.mayHaveBeenBlocked = true;
    },
  };
}

/**
 * True where the gate let no call through. It says the same for every scope of the endpoint, ten thousand of them, and the
 * failed call before it and the finding of the endpoint say it for all: the log gets no line for each.
 */
export function isGateRefusal(error: unknown): boolean {
  return error instanceof UpstreamError && (error.code === "endpoint_open" || error.code === "endpoint_blocked");
}

function createRefusal(endpoint: string, cause: "blocked" | "open", afterMs: number): UpstreamError {
  const message =
    cause === "blocked"
      ? `${endpoint} asked to be left alone (Retry-After)`
      : `${endpoint} failed too often; a call is tried now and then`;
  return new UpstreamError(message, { code: `endpoint_${cause}`, retry: { afterMs }, expose: true });
}
