/** Whether somebody is signed in, and what waits until somebody is. */
import { ApiError, readAnswer, send } from "./send.ts";
import { createStore, type Store } from "./store.ts";

/** `ended`: it was there when the page asked before, so what is on the page stays below the sign-in. */
export type SessionState = "unknown" | "in" | "out" | "ended";

export interface Session {
  readonly state: Store<SessionState>;
  /** Asks the api whether the cookie still holds. */
  check(): Promise<void>;
  /** @throws {ApiError} when the token is refused. */
  signIn(token: string): Promise<void>;
  signOut(): Promise<void>;
  /** Marks the session as gone and resolves after the next sign-in. @throws the signal's reason when it aborts before. */
  waitForSignIn(signal?: AbortSignal): Promise<void>;
}

export function createSession(): Session {
  const state = createStore<SessionState>("unknown");
  const end = (): void => {
    if (state.get() === "in") state.set("ended");
    else if (state.get() === "unknown") state.set("out");
  };

  return {
    state,
    async check() {
      const response = await send("/v1/session", {});
      if (response.status === 401) return end();
      await readAnswer(response);
      state.set("in");
    },
    async signIn(token) {
      const response = await send("/v1/session", { method: "POST", body: { token } });
      if (response.status === 401) throw new ApiError(401, "unauthorized", "This is not a valid token.");
      await readAnswer(response);
      state.set("in");
    },
    async signOut() {
      await send("/v1/session", { method: "DELETE" });
      state.set("out");
    },
    waitForSignIn(signal) {
      end();
      return new Promise((resolve, reject) => {
        const unsubscribe = state.subscribe(() => {
          if (state.get() !== "in") return;
          unsubscribe();
          resolve();
        });
        signal?.addEventListener("abort", () => {
          unsubscribe();
          reject(signal.reason);
        });
      });
    },
  };
}
