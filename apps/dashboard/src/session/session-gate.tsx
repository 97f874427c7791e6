import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { useServer } from "../api/context.ts";
import { useStore } from "../api/store.ts";
import { Dialog } from "../components/dialog.tsx";
import { Failure } from "../components/page.tsx";
import { Wordmark } from "../layout/wordmark.tsx";
import { SignInForm } from "./sign-in-form.tsx";

/** Shows the page to whom is signed in. A session that ends meanwhile leaves the page where it is, below the sign-in; what was asked goes on after it. */
export function SessionGate({ children }: { readonly children: ReactNode }) {
  const { session, live } = useServer();
  const queryClient = useQueryClient();
  const state = useStore(session.state);
  const [failure, setFailure] = useState<unknown>();

  useEffect(() => {
    if (state === "unknown" && failure === undefined) session.check().catch(setFailure);
  }, [session, state, failure]);
  useEffect(() => (state === "in" ? live.open() : undefined), [live, state]);
  // Whoever signs in next is not shown what somebody else saw.
  useEffect(() => {
    if (state === "out") queryClient.clear();
  }, [queryClient, state]);

  if (state === "out") return <SignInPage />;
  if (state === "unknown") {
    return failure === undefined ? null : (
      <div className="mx-auto max-w-xl px-4 py-24">
        <Failure error={failure} onRetry={() => setFailure(undefined)} />
      </div>
    );
  }
  return (
    <>
      {children}
      <Dialog isOpen={state === "ended"} onOpenChange={() => undefined} title="Your session has ended">
        <div className="px-5 pt-1 pb-5">
          <p className="mb-4 text-soft">Sign in to go on where you were.</p>
          <SignInForm />
        </div>
      </Dialog>
    </>
  );
}

function SignInPage() {
  useEffect(() => {
    document.title = "Sign in · Branchward";
  }, []);
  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="w-full max-w-sm">
        <Wordmark />
        <h1 className="mt-8 mb-6 text-xl leading-8 font-semibold tracking-tight text-balance">
          Who may act on a branch is what the policy says.
        </h1>
        <SignInForm />
      </div>
    </main>
  );
}
