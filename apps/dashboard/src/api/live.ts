/** Keeps what is on the page as it is at the server: the event stream while there is one, asking again while there is not. */
import { liveEvent } from "@branchward/core/api";
import type { QueryClient } from "@tanstack/react-query";
import { mergeHeads } from "./list.ts";
import { createStore, type Store } from "./store.ts";

/** `away`: the stream is broken and is being opened again; what is shown may be old. */
export type LiveState = { readonly kind: "connecting" | "live" } | { readonly kind: "away"; readonly since: Date };

export interface Live {
  readonly state: Store<LiveState>;
  /** Opens the stream; the function returned closes it for good. */
  open(): () => void;
}

/** Events that come together are shown together. */
const GATHER_MS = 120;
/** The browser resumes a stream that broke; one that was refused is opened again after this, and lists are asked for anew. */
const RETRY_MS = 2_000;
const POLL_MS = 5_000;

/** The queries that an event makes old, by the first part of their keys. */
const MAKES_OLD = {
  sync: ["syncs", "branches", "endpoints"],
  delivery: ["deliveries", "repositories"],
  branch: ["branches", "repositories"],
  // One of an endpoint that opens or closes is among them.
  finding: ["findings", "endpoints"],
} as const;

type Noun = (typeof MAKES_OLD)[keyof typeof MAKES_OLD][number];
const TYPES = ["ready", "reset", "sync", "delivery", "branch", "finding"] as const;

export function createLive(queryClient: QueryClient): Live {
  const state = createStore<LiveState>({ kind: "connecting" });
  return { state, open: () => openStream(queryClient, state) };
}

function openStream(queryClient: QueryClient, state: Store<LiveState>): () => void {
  const refresher = createRefresher(queryClient);
  const connection: { source: EventSource | undefined; retry: number | undefined; lastId: string; isResumed: boolean } =
    {
      source: undefined,
      retry: undefined,
      lastId: "",
      isResumed: false,
    };
  const poll = setInterval(() => {
    if (state.get().kind === "away") void queryClient.invalidateQueries();
  }, POLL_MS);

  function takeEvent(event: MessageEvent<string>): void {
    connection.lastId = event.lastEventId;
    const told = liveEvent.safeParse(JSON.parse(event.data));
    if (!told.success) return;
    if (told.data.type === "reset") return void queryClient.invalidateQueries();
    if (told.data.type !== "ready") return refresher.add(MAKES_OLD[told.data.type]);
    // What was read before the stream began may be stale; a resumed stream has told what came between.
    if (!connection.isResumed) void queryClient.invalidateQueries();
    connection.isResumed = true;
  }

  function connect(): void {
    const after = connection.lastId === "" ? "" : `?after=${encodeURIComponent(connection.lastId)}`;
    const source = new EventSource(`/v1/events${after}`);
    connection.source = source;
    for (const type of TYPES) source.addEventListener(type, takeEvent);
    source.addEventListener("open", () => {
      if (state.get().kind === "away") void queryClient.invalidateQueries();
      state.set({ kind: "live" });
    });
    source.addEventListener("error", () => {
      if (state.get().kind !== "away") state.set({ kind: "away", since: new Date() });
      if (source.readyState !== EventSource.CLOSED) return;
      // Refused: perhaps the session has ended, which any request finds out.
      void queryClient.invalidateQueries();
      connection.retry = window.setTimeout(connect, RETRY_MS);
    });
  }

  connect();
  return () => {
    connection.source?.close();
    clearTimeout(connection.retry);
    clearInterval(poll);
    refresher.stop();
    state.set({ kind: "connecting" });
  };
}

/** Gathers what became old and asks for it once: lists for their newest page alone, all else whole. */
function createRefresher(queryClient: QueryClient) {
  const old = new Set<Noun>();
  const timer: { id: number | undefined } = { id: undefined };

  function refresh(): void {
    timer.id = undefined;
    for (const noun of old) {
      void mergeHeads(queryClient, noun);
      void queryClient.invalidateQueries({ queryKey: [noun], predicate: ({ queryKey }) => queryKey[1] !== "list" });
    }
    old.clear();
  }

  return {
    add(nouns: readonly Noun[]): void {
      for (const noun of nouns) old.add(noun);
      timer.id ??= window.setTimeout(refresh, GATHER_MS);
    },
    stop: (): void => clearTimeout(timer.id),
  };
}
