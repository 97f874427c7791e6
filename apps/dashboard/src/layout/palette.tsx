import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { CornerDownLeft, GitBranch, SunMoon } from "lucide-react";
import { type ReactNode, useDeferredValue, useState } from "react";
import { useServer } from "../api/context.ts";
import { Dialog } from "../components/dialog.tsx";
import { InlineName } from "../components/name.tsx";
import { PLACES } from "./navigation.ts";
import type { ThemeStore } from "./theme.ts";

export interface PaletteProps {
  readonly onClose: () => void;
  readonly theme: ThemeStore;
}

/** ⌘K: pages, actions, and branches by part of their name. */
export default function Palette({ onClose, theme }: PaletteProps) {
  const [text, setText] = useState("");
  const navigate = useNavigate();
  const follow = (act: () => unknown) => () => {
    onClose();
    act();
  };
  const isWanted = (name: string): boolean => name.toLowerCase().includes(text.trim().toLowerCase());
  return (
    <Dialog isOpen onOpenChange={onClose} title="Find a page or a branch" isTitleHidden>
      <Command loop shouldFilter={false} label="Find a page or a branch">
        <Command.Input
          value={text}
          onValueChange={setText}
          placeholder="Find a page or a branch"
          className="w-full border-b border-line bg-transparent px-4 py-3.5 text-lg outline-none placeholder:text-soft"
        />
        <Command.List className="max-h-[50dvh] overflow-auto p-2">
          <Command.Empty className="px-3 py-6 text-soft">Nothing of that name.</Command.Empty>
          <FoundBranches
            text={text}
            onPick={(id) => follow(() => navigate({ to: "/branches/$id", params: { id } }))()}
          />
          {PLACES.filter(({ name }) => isWanted(name)).map(({ to, name, key, icon: Icon }) => (
            <Entry key={to} value={name} onSelect={follow(() => navigate({ to }))}>
              <Icon className="size-4 text-soft" aria-hidden />
              {name}
              <kbd className="ml-auto font-mono text-xs text-soft">g {key}</kbd>
            </Entry>
          ))}
          {isWanted("Light or dark theme") && (
            <Entry value="Light or dark theme" onSelect={follow(theme.flip)}>
              <SunMoon className="size-4 text-soft" aria-hidden />
              Light or dark
              <kbd className="ml-auto font-mono text-xs text-soft">t</kbd>
            </Entry>
          )}
        </Command.List>
      </Command>
    </Dialog>
  );
}

interface FoundBranchesProps {
  readonly text: string;
  readonly onPick: (id: string) => void;
}

function FoundBranches({ text, onPick }: FoundBranchesProps) {
  const { queries } = useServer();
  const q = useDeferredValue(text.trim());
  const { data } = useInfiniteQuery({ ...queries.branches({ q, limit: "8" }), enabled: q !== "" });
  if (q === "") return null;
  const branches = data?.pages[0]?.items ?? [];
  return branches.map((branch) => (
    <Entry key={branch.id} value={branch.id} onSelect={() => onPick(branch.id)}>
      <GitBranch className="size-4 shrink-0 text-soft" aria-hidden />
      <span className="min-w-0 truncate">
        <InlineName>{branch.name}</InlineName>
        <span className="ml-2 text-soft">
          <bdi>{branch.repository}</bdi>
          {branch.state === "active" ? "" : `, ${branch.state}`}
        </span>
      </span>
    </Entry>
  ));
}

interface EntryProps {
  readonly value: string;
  readonly onSelect: () => void;
  readonly children: ReactNode;
}

function Entry({ value, onSelect, children }: EntryProps) {
  return (
    <Command.Item
      value={value}
      onSelect={onSelect}
      className="group flex h-9 cursor-pointer items-center gap-2.5 rounded-md px-2.5 data-[selected=true]:bg-accent-soft"
    >
      {children}
      <CornerDownLeft
        className="ml-2 hidden size-3.5 shrink-0 text-soft group-data-[selected=true]:block"
        aria-hidden
      />
    </Command.Item>
  );
}
