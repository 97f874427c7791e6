/** A branch within a ward. */
export function Wordmark() {
  return (
    <span className="inline-flex items-center gap-2.5 text-[0.9375rem] font-semibold tracking-tight">
      <svg
        viewBox="0 0 32 32"
        className="size-5.5 text-accent"
        fill="none"
        stroke="currentColor"
        strokeWidth="2.75"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden
      >
        <path d="M16 3 5 7.500v8c0 6.600 4.600 11 11 13.500 6.400-2.500 11-6.900 11-13.500v-8z" />
        <path d="M12.500 21.500v-11M12.500 18c5 0 7-1.800 7-5.500" />
      </svg>
      Branchward
    </span>
  );
}
