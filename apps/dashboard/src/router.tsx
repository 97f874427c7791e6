/** Every address of the dashboard. Filters are part of the address, so that a link shows what its sender saw. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
  type SearchSchemaInput,
} from "@tanstack/react-router";
import { z } from "zod";
import { NotFound, PageFailure } from "./layout/page-failure.tsx";
import { Shell } from "./layout/shell.tsx";
import type { ThemeStore } from "./layout/theme.ts";
import { SyncsPage } from "./syncs/syncs-page.tsx";

/** A filter that an address spells wrong is no filter. */
const text = z.string().min(1).optional().catch(undefined);

const syncSearch = z.object({
  q: text,
  repository: text,
  endpoint: text,
  reason: text,
  incarnation: z.uuid().optional().catch(undefined),
  verdict: z.enum(["verified", "diverged", "held", "failed", "unverifiable"]).optional().catch(undefined),
});
const branchSearch = z.object({
  q: text,
  repository: text,
  state: z.enum(["active", "closed", "deleted"]).optional().catch(undefined),
});
const deliverySearch = z.object({
  q: text,
  source: text,
  repository: text,
  outcome: z.enum(["accepted", "ignored"]).optional().catch(undefined),
});
const accessSearch = z.object({
  user: text,
  repository: text,
  branch: text,
  entitlement: text,
  refType: z.enum(["branch", "bookmark", "topic"]).optional().catch(undefined),
  at: text,
});
const diffSearch = z.object({ all: z.literal(true).optional().catch(undefined), who: text });

/** Every filter may be left out of a link. */
function searchOf<Schema extends z.ZodType<object>>(schema: Schema) {
  return (search: Partial<z.output<Schema>> & SearchSchemaInput): z.output<Schema> => schema.parse(search);
}

function createRoot(theme: ThemeStore) {
  return createRootRoute({
    component: () => <Shell theme={theme} />,
    notFoundComponent: NotFound,
    errorComponent: PageFailure,
  });
}

type Root = ReturnType<typeof createRoot>;

function createRecordPages(root: Root) {
  const parent = { getParentRoute: () => root };
  return [
    createRoute({ ...parent, path: "/syncs", validateSearch: searchOf(syncSearch), component: SyncsPage }),
    createRoute({
      ...parent,
      path: "/syncs/$id",
      validateSearch: searchOf(diffSearch),
      component: lazyRouteComponent(() => import("./syncs/sync-page.tsx"), "SyncPage"),
    }),
    createRoute({
      ...parent,
      path: "/branches",
      validateSearch: searchOf(branchSearch),
      component: lazyRouteComponent(() => import("./branches/branches-page.tsx"), "BranchesPage"),
    }),
    createRoute({
      ...parent,
      path: "/branches/$id",
      component: lazyRouteComponent(() => import("./branches/branch-page.tsx"), "BranchPage"),
    }),
    createRoute({
      ...parent,
      path: "/deliveries",
      validateSearch: searchOf(deliverySearch),
      component: lazyRouteComponent(() => import("./deliveries/deliveries-page.tsx"), "DeliveriesPage"),
    }),
    createRoute({
      ...parent,
      path: "/deliveries/$id",
      component: lazyRouteComponent(() => import("./deliveries/delivery-page.tsx"), "DeliveryPage"),
    }),
  ] as const;
}

function createStandingPages(root: Root) {
  const parent = { getParentRoute: () => root };
  return [
    createRoute({
      ...parent,
      path: "/",
      beforeLoad: () => {
        throw redirect({ to: "/syncs", replace: true });
      },
    }),
    createRoute({
      ...parent,
      path: "/endpoints",
      component: lazyRouteComponent(() => import("./endpoints/endpoints-page.tsx"), "EndpointsPage"),
    }),
    createRoute({
      ...parent,
      path: "/access",
      validateSearch: searchOf(accessSearch),
      component: lazyRouteComponent(() => import("./access/access-page.tsx"), "AccessPage"),
    }),
    createRoute({
      ...parent,
      path: "/findings",
      component: lazyRouteComponent(() => import("./findings/findings-page.tsx"), "FindingsPage"),
    }),
  ] as const;
}

export function createDashboardRouter(theme: ThemeStore) {
  const root = createRoot(theme);
  return createRouter({
    routeTree: root.addChildren([...createRecordPages(root), ...createStandingPages(root)]),
    scrollRestoration: true,
    defaultPreload: "intent",
    defaultPreloadStaleTime: 0,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createDashboardRouter>;
  }
}
