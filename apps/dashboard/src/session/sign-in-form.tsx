import { type FormEvent, useState } from "react";
import { useServer } from "../api/context.ts";
import { Button } from "../components/button.tsx";
import { fieldLook } from "../components/filters.tsx";

/** Exchanges the admin token for a session. */
export function SignInForm() {
  const { session } = useServer();
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const token = new FormData(event.currentTarget).get("token");
    setIsBusy(true);
    try {
      await session.signIn(typeof token === "string" ? token.trim() : "");
    } catch (error) {
      setFailure(error instanceof Error ? error.message : "Signing in failed.");
      setIsBusy(false);
    }
  }

  return (
    <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-2">
      {/* Password managers keep a secret by the name that goes with it. */}
      <input name="username" autoComplete="username" defaultValue="admin" readOnly hidden />
      <label htmlFor="token" className="font-medium">
        Admin token
      </label>
      <input
        id="token"
        name="token"
        type="password"
        required
        autoFocus
        autoComplete="current-password"
        aria-describedby="token-where"
        aria-invalid={failure !== null}
        className={`${fieldLook} h-10 font-mono`}
      />
      {failure !== null && (
        <p role="alert" className="text-sm text-bad">
          {failure}
        </p>
      )}
      <Button type="submit" look="primary" disabled={isBusy} className="mt-2 h-10 px-3">
        Sign in
      </Button>
      <p id="token-where" className="mt-3 text-sm text-soft">
        It was printed once when Branchward first started, and is kept in <code className="font-mono">admin-token</code>{" "}
        of its data directory, or is what <code className="font-mono wrap-anywhere">BRANCHWARD_ADMIN_TOKEN</code> says.
      </p>
    </form>
  );
}
