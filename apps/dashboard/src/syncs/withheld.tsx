import type { SyncDetails } from "@branchward/core/api";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { useServer } from "../api/context.ts";
import { Button } from "../components/button.tsx";
import { Dialog } from "../components/dialog.tsx";
import { Section } from "../components/page.tsx";
import { useTell } from "../components/toasts.tsx";
import { When } from "../components/when.tsx";

/** More than this of them are counted and not named. */
const NAMED = 50;

/** The removals that guards keep back, why, and the button that lets them go. */
export function Withheld({ sync }: { readonly sync: SyncDetails }) {
  const { withheld, overLimit, digest } = sync;
  if (digest === null) return null;
  return (
    <div className="mt-10">
      <Section title={`${withheld.length} removals withheld`} aside={<Approve sync={sync} digest={digest} />}>
        <ul className="border-l-2 border-warn bg-warn-soft px-4 py-2">
          {overLimit.map(({ kind, group, removed, baseline, freeAt }) => (
            <li key={`${kind} ${group}`} className="wrap-anywhere">
              {kind === "deactivations"
                ? `${group} deactivated ${removed} users at once.`
                : `${group} would lose ${removed} members, and had ${baseline} as the window began.`}
              {freeAt !== undefined && (
                <>
                  {" They go by themselves "}
                  <When at={freeAt} />
                  {", when fewer went before them within the window."}
                </>
              )}
            </li>
          ))}
          <li>They keep what they hold until somebody else than who caused this approves it.</li>
        </ul>
        <ul className="mt-3 divide-y divide-line border-y border-line">
          {withheld.slice(0, NAMED).map(({ entitlement, user, userName, why }) => (
            <li key={`${entitlement} ${user}`} className="flex flex-wrap gap-x-4 py-1.5">
              <bdi className="font-medium wrap-anywhere">{userName ?? user}</bdi>
              <span>{entitlement}</span>
              <span className="text-soft wrap-anywhere">{why}</span>
            </li>
          ))}
          {withheld.length > NAMED && <li className="py-1.5 text-soft">and {withheld.length - NAMED} more</li>}
        </ul>
      </Section>
    </div>
  );
}

function Approve({ sync, digest }: { readonly sync: SyncDetails; readonly digest: string }) {
  const { queries } = useServer();
  const queryClient = useQueryClient();
  const tell = useTell();
  const [isOpen, setOpen] = useState(false);
  const approve = useMutation({
    mutationFn: queries.approve,
    onSuccess: ({ scopes }) => {
      setOpen(false);
      tell("Approved for 24 hours", `${scopes} ${scopes === 1 ? "scope is" : "scopes are"} looked at again`);
      return queryClient.invalidateQueries({ queryKey: ["syncs"] });
    },
    onError: (error) => {
      setOpen(false);
      tell("Not approved", error.message);
    },
  });
  return (
    <>
      <Button onClick={() => setOpen(true)}>
        <ShieldCheck className="size-4" aria-hidden />
        Approve
      </Button>
      <Dialog title="Let these removals go?" isOpen={isOpen} onOpenChange={setOpen}>
        <p className="px-5 pt-2">
          {sync.withheld.length} members lose what this run would have taken. The approval is for this plan alone and
          lasts 24 hours.
        </p>
        <div className="flex gap-2 px-5 pt-4 pb-5">
          <Button look="primary" onClick={() => approve.mutate({ sync: sync.id, digest })} disabled={approve.isPending}>
            Let them go
          </Button>
          <Button onClick={() => setOpen(false)}>Not now</Button>
        </div>
      </Dialog>
    </>
  );
}
