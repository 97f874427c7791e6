/** Members added and removed: `+3 −1`; quiet where nothing changed. */
export function MemberCount({ added, removed }: { readonly added: number; readonly removed: number }) {
  if (added === 0 && removed === 0) {
    return (
      <span className="text-soft" title="no member changed">
        no change
      </span>
    );
  }
  return (
    <span className="inline-flex gap-2 font-medium tabular-nums">
      {added > 0 && (
        <span className="text-good" title={`${added} added`}>
          +{added}
        </span>
      )}
      {removed > 0 && (
        <span className="text-bad" title={`${removed} removed`}>
          −{removed}
        </span>
      )}
    </span>
  );
}
