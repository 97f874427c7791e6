/* eslint-disable import/no-unassigned-import -- the contracts must find zod configured, and a style sheet has nothing to assign */
import "./api/zod-without-eval.ts";
import "./app.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { createRoot } from "react-dom/client";
import { createApi } from "./api/client.ts";
import { ApiError } from "./api/send.ts";
import { ServerContext } from "./api/context.ts";
import { createLive } from "./api/live.ts";
import { createQueries } from "./api/queries.ts";
import { createSession } from "./api/session.ts";
import { ToastProvider } from "./components/toasts.tsx";
import { createThemeStore } from "./layout/theme.ts";
import { createDashboardRouter } from "./router.tsx";
import { SessionGate } from "./session/session-gate.tsx";

const MAX_RETRIES = 3;

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // What was refused stays refused; a server that is away comes back.
      retry: (count, error) =>
        count < MAX_RETRIES && error instanceof ApiError && (error.status === 0 || error.status > 500),
    },
  },
});
const session = createSession();
const server = { session, queries: createQueries(createApi(session)), live: createLive(queryClient) };
const router = createDashboardRouter(createThemeStore());

const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <QueryClientProvider client={queryClient}>
    <ServerContext value={server}>
      <ToastProvider>
        <SessionGate>
          <RouterProvider router={router} />
        </SessionGate>
      </ToastProvider>
    </ServerContext>
  </QueryClientProvider>,
);
