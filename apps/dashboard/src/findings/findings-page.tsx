import type { FindingItem } from "@branchward/core/api";
import { useInfiniteQuery } from "@tanstack/react-query";
import { CircleAlert, CircleX, Info } from "lucide-react";
import { useServer } from "../api/context.ts";
import { Empty } from "../components/empty.tsx";
import { InlineName } from "../components/name.tsx";
import { Page } from "../components/page.tsx";
import { RecordList } from "../components/record-list.tsx";
import { When } from "../components/when.tsx";

const LOOKS = {
  critical: { icon: CircleX, text: "text-bad" },
  warning: { icon: CircleAlert, text: "text-warn" },
  info: { icon: Info, text: "text-idle" },
} as const;

/** What somebody ought to look at. */
export function FindingsPage() {
  const { queries } = useServer();
  const query = useInfiniteQuery(queries.findings());
  return (
    <Page title="Findings" lead="What Branchward cannot settle by itself, for as long as it stands.">
      <RecordList
        query={query}
        empty={<Empty title="Nothing needs attention">Findings appear here when something does.</Empty>}
      >
        {(findings) => (
          <ul className="border-t border-line">
            {findings.map((finding) => (
              <Finding key={finding.id} finding={finding} />
            ))}
          </ul>
        )}
      </RecordList>
    </Page>
  );
}

function Finding({
  finding: { severity, kind, subject, message, firstAt, lastAt, resolvedAt },
}: {
  readonly finding: FindingItem;
}) {
  const { icon: Icon, text } = LOOKS[severity];
  return (
    <li className="grid grid-cols-[1.25rem_minmax(0,1fr)] gap-x-3 border-b border-line py-3">
      <Icon className={`mt-0.5 size-4 ${text}`} aria-label={severity} />
      <div>
        <p className="wrap-anywhere">{message}</p>
        <p className="mt-0.5 flex flex-wrap gap-x-4 text-sm text-soft">
          <span>{kind}</span>
          <InlineName>{subject}</InlineName>
          <span>
            since <When at={firstAt} />, last seen <When at={lastAt} />
          </span>
          {resolvedAt !== null && (
            <span className="text-good">
              resolved <When at={resolvedAt} />
            </span>
          )}
        </p>
      </div>
    </li>
  );
}
