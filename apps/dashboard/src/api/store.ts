import { useSyncExternalStore } from "react";

/** A value that components may watch. */
export interface Store<Value> {
  readonly get: () => Value;
  readonly set: (value: Value) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

export function createStore<Value>(initial: Value): Store<Value> {
  const state = { value: initial };
  const listeners = new Set<() => void>();
  return {
    get: () => state.value,
    set(value) {
      if (Object.is(value, state.value)) return;
      state.value = value;
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The value now, and a new rendering whenever it changes. */
export function useStore<Value>({ subscribe, get }: Omit<Store<Value>, "set">): Value {
  return useSyncExternalStore(subscribe, get);
}
