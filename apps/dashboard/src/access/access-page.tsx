import type { Access } from "@branchward/core/api";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ArrowRight, Check, Minus } from "lucide-react";
import { useServer } from "../api/context.ts";
import { InlineName } from "../components/name.tsx";
import { Failure, Loading, Page, Section } from "../components/page.tsx";
import { Question } from "./question.tsx";

const route = getRouteApi("/access");

/** May this user do that, and why. */
export function AccessPage() {
  const question = route.useSearch();
  const navigate = route.useNavigate();
  const { user, repository, branch, entitlement } = question;
  const isAsked = [user, repository, branch, entitlement].every((part) => part !== undefined);
  return (
    <Page
      title="Access"
      lead="May this user do that, and why: answered from policy, directory and checkouts as they are now, or from the ledger for a moment that is past."
    >
      <Question
        key={JSON.stringify(question)}
        asked={question}
        onAsk={(asked) => void navigate({ to: "/access", search: asked })}
      />
      {isAsked && <Answer question={question} />}
    </Page>
  );
}

function Answer({ question }: { readonly question: Record<string, string | undefined> }) {
  const { queries } = useServer();
  const { data, error, refetch } = useQuery(queries.access(question));
  if (data === undefined) {
    return (
      <div className="mt-8">
        {error === null ? <Loading /> : <Failure error={error} onRetry={() => void refetch()} />}
      </div>
    );
  }
  return (
    <div className="mt-10" aria-live="polite">
      <Decision answer={data} />
      <div className="mt-8">
        <Section title="Why" aside="every rule that was considered">
          <Reasons of={data.reasons} />
        </Section>
      </div>
    </div>
  );
}

function Decision({
  answer: { allowed, governed, user, entitlement, repository, branch, at },
}: {
  readonly answer: Access;
}) {
  const look = allowed === null ? "border-line" : allowed ? "border-good bg-good-soft" : "border-bad bg-bad-soft";
  const [may, mayNot] = at === undefined ? ["may", "may not"] : ["could", "could not"];
  return (
    <div className={`border-l-4 py-3 pl-5 ${look}`}>
      <p className="text-xl leading-8 font-semibold tracking-tight wrap-anywhere [&_bdi]:font-medium">
        <InlineName>{user}</InlineName> {allowed === null ? "may or may not have had" : allowed ? may : mayNot}{" "}
        {entitlement} <InlineName>{branch}</InlineName>
      </p>
      <p className="text-soft">
        in <bdi>{repository}</bdi>
        {at === undefined ? "" : `, on ${new Date(at).toLocaleString()}`}
        {governed ? "" : "; no rule governs this, so what the configuration says of ungoverned branches holds"}
      </p>
    </div>
  );
}

function Reasons({ of }: { readonly of: Access["reasons"] }) {
  return (
    <ol className="border-t border-line">
      {of.map((reason, index) => (
        <li
          key={`${index} ${reason.rule ?? ""}`}
          className={`grid grid-cols-[1.25rem_minmax(0,1fr)] gap-x-2 border-b border-line py-2.5 ${reason.decides ? "" : "text-soft"}`}
        >
          {reason.decides ? (
            <Check className="mt-0.5 size-4 text-accent" aria-label="decides" />
          ) : (
            <Minus className="mt-0.5 size-4" aria-hidden />
          )}
          <div className="flex flex-wrap items-baseline gap-x-4">
            <span className={`wrap-anywhere ${reason.decides ? "font-medium" : ""}`}>{reason.text}</span>
            <GroupPath group={reason.group} path={reason.path} />
            {reason.file !== null && (
              <code className="font-mono text-xs leading-6 wrap-anywhere text-soft sm:ml-auto">
                {reason.file}
                {reason.line === null ? "" : `:${reason.line}`}
              </code>
            )}
          </div>
        </li>
      ))}
    </ol>
  );
}

function GroupPath({ group, path }: Pick<Access["reasons"][number], "group" | "path">) {
  if (group === null) return null;
  return (
    <span className="inline-flex flex-wrap items-center gap-x-1 text-soft">
      {[group, ...path.slice(1)].map((part, index) => (
        <span key={part} className="inline-flex items-center gap-1">
          {index > 0 && <ArrowRight className="size-3" aria-hidden />}
          <bdi>{part}</bdi>
        </span>
      ))}
    </span>
  );
}
