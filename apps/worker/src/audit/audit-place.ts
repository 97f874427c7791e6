/** How far a round of an audit is: hides how that is written into its one column. */

export interface AuditPlace {
  /** Read so far in the round. */
  readonly pages: number;
  /** Where the endpoint's next page begins, as its client told; undefined at the start. */
  readonly position: string | undefined;
}

export function toPlace({ pages, position = "" }: AuditPlace): string {
  return `${pages}/${position}`;
}

/** What was written before pages were counted is a position alone. */
export function parsePlace(text: string | null): AuditPlace {
  const [, pages, position] = /^(\d+)\/(.*)$/su.exec(text ?? "") ?? [];
  return pages === undefined ? { pages: 0, position: text ?? undefined } : { pages: Number(pages), position };
}
