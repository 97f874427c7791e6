import { readdir } from "node:fs/promises";
import path from "node:path";
import { readTextIfThere } from "./home.ts";

/** What the agent of one home has still to send, and how the last attempt went. */
export interface SpoolState {
  readonly pending: { readonly count: number; readonly oldestAgeMs: number | null };
  /** Events that the receiver will never accept, kept in `refused/` with its answer. */
  readonly refused: number;
  readonly lastSend: { readonly at: Date; readonly ok: boolean; readonly message: string } | null;
}

/** Reads the home's spool; an absent home has an empty one. */
export async function readSpoolState(home: string, now: Date): Promise<SpoolState> {
  const times = (await listNames(path.join(home, "spool"))).flatMap((name) => {
    const time = /^(\d{15})-.*\.json$/.exec(name)?.[1];
    return time === undefined ? [] : [Number(time)];
  });
  const oldest = times.length === 0 ? null : Math.min(...times);
  const lastSend = await readTextIfThere(path.join(home, "last-send.json"));
  return {
    pending: { count: times.length, oldestAgeMs: oldest === null ? null : Math.max(0, now.getTime() - oldest) },
    refused: (await listNames(path.join(home, "refused"))).filter((name) => name.endsWith(".json")).length,
    lastSend: lastSend === undefined ? null : parseLastSend(lastSend),
  };
}

async function listNames(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

function parseLastSend(text: string): SpoolState["lastSend"] {
  const { at, ok, message } = JSON.parse(text) as { at: string; ok: boolean; message: string };
  return { at: new Date(at), ok, message };
}
