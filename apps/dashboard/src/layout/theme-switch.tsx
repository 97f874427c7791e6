import { Toggle } from "@base-ui/react/toggle";
import { ToggleGroup } from "@base-ui/react/toggle-group";
import { Monitor, Moon, Sun } from "lucide-react";
import { useStore } from "../api/store.ts";
import type { ThemeStore } from "./theme.ts";

const THEMES = [
  { theme: "system", label: "As the system", icon: Monitor },
  { theme: "light", label: "Light", icon: Sun },
  { theme: "dark", label: "Dark", icon: Moon },
] as const;

export function ThemeSwitch({ store }: { readonly store: ThemeStore }) {
  const chosen = useStore(store);
  return (
    <ToggleGroup
      aria-label="Theme"
      value={[chosen]}
      onValueChange={([value]) => store.choose(value === "light" || value === "dark" ? value : "system")}
      className="flex w-fit rounded-md border border-line p-0.5"
    >
      {THEMES.map(({ theme, label, icon: Icon }) => (
        <Toggle
          key={theme}
          value={theme}
          aria-label={label}
          title={label}
          className="cursor-pointer rounded-sm p-1.5 text-soft hover:text-ink data-pressed:bg-accent-soft data-pressed:text-ink"
        >
          <Icon className="size-3.5" aria-hidden />
        </Toggle>
      ))}
    </ToggleGroup>
  );
}
