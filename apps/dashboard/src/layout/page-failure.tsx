import { Link } from "@tanstack/react-router";
import { Failure, Page } from "../components/page.tsx";

export function NotFound() {
  return (
    <Page title="There is no such page">
      <Link to="/syncs" className="text-accent underline underline-offset-4">
        Go to the syncs
      </Link>
    </Page>
  );
}

/** A page that could not be drawn; the others still can. */
export function PageFailure({ error, reset }: { readonly error: unknown; readonly reset: () => void }) {
  return (
    <Page title="This page could not be shown">
      <Failure error={error} onRetry={reset} />
    </Page>
  );
}
