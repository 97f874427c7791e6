/** Server-sent events (WHATWG HTML §9.2) and the positions in them. */
import type { LivePosition } from "@branchward/store";

/** A comment that keeps proxies from taking the stream for dead. */
export const HEARTBEAT = ":\n\n";

/** One message; data is JSON, so that it holds no line end. */
export function toMessage(position: LivePosition, event: { readonly type: string }): string {
  return `id: ${formatPosition(position)}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

export function formatPosition({ xid, rank, seq }: LivePosition): string {
  return `${xid}.${rank}.${seq}`;
}

/** Undefined for what is no position of ours. */
export function parsePosition(text: string): LivePosition | undefined {
  const [, xid, rank, seq] = /^(\d{1,19})\.(\d)\.(\d{1,15})$/u.exec(text) ?? [];
  if (xid === undefined) return undefined;
  return { xid, rank: Number(rank), seq: Number(seq) };
}

/** Negative when `a` comes before `b`. */
export function comparePositions(a: LivePosition, b: LivePosition): number {
  const [x, y] = [BigInt(a.xid), BigInt(b.xid)];
  if (x !== y) return x < y ? -1 : 1;
  return a.rank - b.rank || a.seq - b.seq;
}
