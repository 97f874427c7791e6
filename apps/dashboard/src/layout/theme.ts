/** Light or dark: the system's unless one was chosen. `theme.js` applies the choice before the first paint. */
import { createStore, type Store } from "../api/store.ts";

export type Theme = "system" | "light" | "dark";

const KEY = "branchward.theme";

function readTheme(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export interface ThemeStore extends Omit<Store<Theme>, "set"> {
  readonly choose: (theme: Theme) => void;
  /** To the one of light and dark that is not shown now. */
  readonly flip: () => void;
}

export function createThemeStore(): ThemeStore {
  const store = createStore<Theme>(readTheme());
  function choose(theme: Theme): void {
    store.set(theme);
    if (theme === "system") {
      delete document.documentElement.dataset["theme"];
      localStorage.removeItem(KEY);
    } else {
      document.documentElement.dataset["theme"] = theme;
      localStorage.setItem(KEY, theme);
    }
  }
  return {
    get: store.get,
    subscribe: store.subscribe,
    choose,
    flip() {
      const isDark =
        store.get() === "dark" || (store.get() === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
      choose(isDark ? "light" : "dark");
    },
  };
}
