import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useLayoutEffect, useRef, useState } from "react";

const OVERSCAN = 12;

export interface VirtualListProps<Row extends { readonly key: string }> {
  /** What the list is, for screen readers. */
  readonly label: string;
  readonly rows: readonly Row[];
  /** The height that most rows have; each is measured when it is drawn. */
  readonly rowPx: number;
  readonly children: (row: Row) => ReactNode;
}

/** A list as long as may be: only rows in sight are in the document, so that ten thousand cost no more than thirty. It scrolls with the page. */
export function VirtualList<Row extends { readonly key: string }>({
  label,
  rows,
  rowPx,
  children,
}: VirtualListProps<Row>) {
  const list = useRef<HTMLOListElement>(null);
  const [scrollMargin, setScrollMargin] = useState(0);
  useLayoutEffect(() => {
    const top = list.current?.getBoundingClientRect().top ?? 0;
    setScrollMargin(top + window.scrollY);
  }, [rows]);
  const virtualizer = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => rowPx,
    overscan: OVERSCAN,
    scrollMargin,
    getItemKey: (index) => rows[index]?.key ?? index,
  });
  const shown = virtualizer.getVirtualItems();
  const above = (shown[0]?.start ?? scrollMargin) - scrollMargin;
  const below = virtualizer.getTotalSize() + scrollMargin - (shown.at(-1)?.end ?? scrollMargin);
  // Rows follow one another as in any list, between paddings for those out of sight: what is measured late cannot overlap.
  return (
    <ol
      ref={list}
      aria-label={label}
      className="border-t border-line"
      style={{ paddingTop: above, paddingBottom: Math.max(below, 0) }}
    >
      {shown.map(({ key, index }) => {
        const row = rows[index];
        return row === undefined ? null : (
          <li
            key={key}
            ref={virtualizer.measureElement}
            data-index={index}
            aria-setsize={rows.length}
            aria-posinset={index + 1}
          >
            {children(row)}
          </li>
        );
      })}
    </ol>
  );
}
