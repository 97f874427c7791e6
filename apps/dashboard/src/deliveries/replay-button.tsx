import { useMutation, useQueryClient } from "@tanstack/react-query";
import { History } from "lucide-react";
import { useServer } from "../api/context.ts";
import { Button } from "../components/button.tsx";
import { useTell } from "../components/toasts.tsx";

/** Applies a stored delivery again. Each press is named, so that a request that is sent twice replays once. */
export function ReplayButton({ delivery }: { readonly delivery: string }) {
  const { queries } = useServer();
  const queryClient = useQueryClient();
  const tell = useTell();
  const replay = useMutation({
    mutationFn: queries.replay,
    onSuccess: ({ replay: { outcome, note, scopes } }) => {
      tell(outcome === "accepted" ? "Replayed" : "Replayed without effect", note ?? `${scopes} to look at again`);
      return queryClient.invalidateQueries({ queryKey: ["deliveries"] });
    },
    onError: (error) => tell("Not replayed", error.message),
  });
  return (
    <Button onClick={() => replay.mutate({ delivery, replay: crypto.randomUUID() })} disabled={replay.isPending}>
      <History className="size-4" aria-hidden />
      Replay
    </Button>
  );
}
