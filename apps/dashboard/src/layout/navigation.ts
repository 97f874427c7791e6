import { Cable, CircleAlert, GitBranch, Inbox, KeyRound, RefreshCw } from "lucide-react";

/** Where the navigation, the palette and `g` lead, in that order. */
export const PLACES = [
  { to: "/syncs", name: "Syncs", key: "s", icon: RefreshCw },
  { to: "/branches", name: "Branches", key: "b", icon: GitBranch },
  { to: "/deliveries", name: "Deliveries", key: "d", icon: Inbox },
  { to: "/endpoints", name: "Endpoints", key: "e", icon: Cable },
  { to: "/access", name: "Access", key: "a", icon: KeyRound },
  { to: "/findings", name: "Findings", key: "f", icon: CircleAlert },
] as const;
