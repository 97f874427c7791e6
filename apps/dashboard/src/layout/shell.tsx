/** What stands around every page: navigation, palette, help, the notice that the server is away. */
import { Link, Outlet } from "@tanstack/react-router";
import { LogOut, Menu, Search } from "lucide-react";
import { lazy, Suspense, useCallback, useState } from "react";
import { useServer } from "../api/context.ts";
import { Button, IconButton } from "../components/button.tsx";
import { Dialog } from "../components/dialog.tsx";
import { HelpDialog } from "./help-dialog.tsx";
import { AwayNotice, LiveMark } from "./live-mark.tsx";
import { PLACES } from "./navigation.ts";
import { useShortcuts } from "./shortcuts.ts";
import type { ThemeStore } from "./theme.ts";
import { ThemeSwitch } from "./theme-switch.tsx";
import { Wordmark } from "./wordmark.tsx";

const Palette = lazy(() => import("./palette.tsx"));

type Overlay = "palette" | "help" | "menu" | null;

export interface ShellProps {
  readonly theme: ThemeStore;
}

export function Shell({ theme }: ShellProps) {
  const [overlay, setOverlay] = useState<Overlay>(null);
  const close = useCallback(() => setOverlay(null), []);
  const openPalette = useCallback(() => setOverlay("palette"), []);
  const openHelp = useCallback(() => setOverlay("help"), []);
  useShortcuts({ openPalette, openHelp, switchTheme: theme.flip });
  return (
    <div className="min-h-dvh md:grid md:grid-cols-[13.5rem_minmax(0,1fr)]">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-raised focus:p-3">
        Skip to the page
      </a>
      <aside className="sticky top-0 hidden h-dvh flex-col border-r border-line bg-rail px-3 py-5 md:flex">
        <Sidebar theme={theme} onSearch={openPalette} />
      </aside>
      <div className="flex items-center justify-between border-b border-line bg-rail px-4 py-2.5 md:hidden">
        <Link to="/syncs" aria-label="Branchward">
          <Wordmark />
        </Link>
        <div className="flex items-center gap-3">
          <LiveMark />
          <IconButton label="Menu" onClick={() => setOverlay("menu")}>
            <Menu className="size-5" aria-hidden />
          </IconButton>
        </div>
      </div>
      <main id="main" tabIndex={-1} className="min-w-0 outline-none">
        <AwayNotice />
        <Outlet />
      </main>
      <Suspense>{overlay === "palette" && <Palette onClose={close} theme={theme} />}</Suspense>
      <HelpDialog isOpen={overlay === "help"} onClose={close} />
      <Dialog isOpen={overlay === "menu"} onOpenChange={close} title="Menu" isTitleHidden>
        <div className="flex flex-col p-4">
          <Sidebar theme={theme} onSearch={openPalette} onFollow={close} />
        </div>
      </Dialog>
    </div>
  );
}

interface SidebarProps extends ShellProps {
  readonly onSearch: () => void;
  readonly onFollow?: () => void;
}

function Sidebar({ theme, onSearch, onFollow }: SidebarProps) {
  const { session } = useServer();
  return (
    <>
      <div className="px-2 max-md:hidden">
        <Wordmark />
      </div>
      <Button className="mt-5 w-full justify-start px-2.5 text-soft max-md:mt-0" onClick={onSearch}>
        <Search className="size-4" aria-hidden />
        Find
        <kbd className="ml-auto font-sans text-xs">⌘K</kbd>
      </Button>
      <nav aria-label="Pages" className="mt-4 flex flex-col gap-0.5">
        {PLACES.map(({ to, name, icon: Icon }) => (
          <Link
            key={to}
            to={to}
            {...(onFollow === undefined ? {} : { onClick: onFollow })}
            className="flex h-8 items-center gap-2.5 rounded-md px-2.5 text-soft hover:bg-hover hover:text-ink data-[status=active]:bg-accent-soft data-[status=active]:font-medium data-[status=active]:text-ink"
          >
            <Icon className="size-4 shrink-0" aria-hidden />
            {name}
          </Link>
        ))}
      </nav>
      <div className="mt-auto flex flex-col gap-4 px-2.5 pt-6">
        <LiveMark />
        <div className="flex items-center justify-between">
          <ThemeSwitch store={theme} />
          <IconButton label="Sign out" onClick={() => void session.signOut()}>
            <LogOut className="size-4" aria-hidden />
          </IconButton>
        </div>
      </div>
    </>
  );
}
