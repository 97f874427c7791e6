/** The keys of every page. */
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { PLACES } from "./navigation.ts";

/** How long after `g` the next key still says where to go. */
const CHORD_MS = 1_500;

/** As the help shows them. */
export const SHORTCUTS: readonly { readonly keys: readonly string[]; readonly does: string }[] = [
  { keys: ["⌘K", "Ctrl K"], does: "Find a page or a branch" },
  { keys: ["/"], does: "Search the list" },
  { keys: ["j", "k"], does: "Next row, row before" },
  { keys: ["Enter"], does: "Open the row" },
  ...PLACES.map(({ key, name }) => ({ keys: [`g ${key}`], does: `Go to ${name}` })),
  { keys: ["t"], does: "Light or dark" },
  { keys: ["?"], does: "This help" },
];

export interface ShortcutActions {
  readonly openPalette: () => void;
  readonly openHelp: () => void;
  readonly switchTheme: () => void;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
}

/** Moves to the row after (1) or before (-1) the one that has the focus; to the first when none has. */
function moveRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[at === -1 ? 0 : at + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

export function useShortcuts({ openPalette, openHelp, switchTheme }: ShortcutActions): void {
  const navigate = useNavigate();
  useEffect(() => {
    const chord = { until: 0 };
    const actions: Readonly<Record<string, () => void>> = {
      "/": () => document.querySelector<HTMLElement>("[data-search]")?.focus(),
      j: () => moveRow(1),
      k: () => moveRow(-1),
      t: switchTheme,
      "?": openHelp,
      g: () => {
        chord.until = performance.now() + CHORD_MS;
      },
    };
    function takeKey(event: KeyboardEvent): void {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        return openPalette();
      }
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target) || hasDialog()) return;
      const place = performance.now() < chord.until ? PLACES.find(({ key }) => key === event.key) : undefined;
      chord.until = 0;
      const action = place === undefined ? actions[event.key] : () => void navigate({ to: place.to });
      if (action === undefined) return;
      event.preventDefault();
      action();
    }
    document.addEventListener("keydown", takeKey);
    return () => document.removeEventListener("keydown", takeKey);
  }, [navigate, openPalette, openHelp, switchTheme]);
}

function hasDialog(): boolean {
  return document.querySelector("[role=dialog]") !== null;
}
