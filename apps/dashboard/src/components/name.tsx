/** Names come from outside: any length, any direction, any character. */

/** A name on one line, cut short where there is no room; whole on hover. */
export function Name({ children, className = "" }: { readonly children: string; readonly className?: string }) {
  return (
    <bdi className={`block truncate font-mono text-[0.925em] ${className}`} title={children.slice(0, 400)}>
      {children}
    </bdi>
  );
}

/** A name within a sentence, whole, broken wherever it has to be. */
export function InlineName({ children, className = "" }: { readonly children: string; readonly className?: string }) {
  return <bdi className={`font-mono text-[0.925em] wrap-anywhere ${className}`}>{children}</bdi>;
}
