/** Whether a delivery meant anything to us. */
export function Outcome({ of }: { readonly of: "accepted" | "ignored" }) {
  return (
    <span className={`inline-flex items-center gap-2 ${of === "ignored" ? "text-soft" : ""}`}>
      <span className={`size-2 rounded-full ${of === "accepted" ? "bg-good" : "border border-edge"}`} aria-hidden />
      {of}
    </span>
  );
}
