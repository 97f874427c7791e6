/**
 * Follows a file that people, editors and deployments change: written in place, replaced by a rename, or reached
 * through a symbolic link that is swapped (Kubernetes mounts configuration so). What watching misses, looking finds.
 */
import { type FSWatcher, watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ConfigurationError, findSizeProblem } from "@branchward/core";

export interface FollowOptions {
  readonly path: string;
  /** What was read before; undefined: the first reading is news. */
  readonly known: string | undefined;
  /**
   * Called with each new text, one at a time, and with the text of a file that was away. Where it throws, the same text
   * is given again at the next look.
   */
  readonly onText: (text: string) => Promise<void>;
  /** The file cannot be read, or `onText` threw. */
  readonly onError: (error: unknown) => Promise<void>;
  /** How often to look whether or not anything was told, in ms. */
  readonly pollMs?: number;
}

export interface FollowedFile extends AsyncDisposable {
  /** Looks now; resolves when what was found has been dealt with. */
  look(): Promise<void>;
}

const POLL_MS = 5_000;
/** A change is over when two readings this far apart are the same: nobody's half-written file is taken for whole. */
const SETTLE_MS = 150;
const MAX_READINGS = 40;

export function followFile({ path, known, onText, onError, pollMs = POLL_MS }: FollowOptions): FollowedFile {
  const state = { known, ended: false, working: Promise.resolve(), isAsked: false, shape: "" };

  async function read(): Promise<void> {
    state.isAsked = false;
    if (state.ended) return;
    state.shape = await readShape(path);
    try {
      const text = await readSettled(path, state.known).catch((error: unknown) => {
        // That it can be read again is news, whatever it says.
        state.known = undefined;
        throw error;
      });
      if (text === state.known) return;
      await onText(text);
      state.known = text;
    } catch (error) {
      await onError(error);
    }
  }

  function look(): Promise<void> {
    if (!state.isAsked) {
      state.isAsked = true;
      state.working = state.working.then(read);
    }
    return state.working;
  }

  /** What happens beside the file is none of its news: a log there that tells of its faults would be read for ever. */
  async function lookIfChanged(): Promise<void> {
    if ((await readShape(path)) !== state.shape) await look();
  }

  const watcher = watchDirectory(path, () => void lookIfChanged());
  const timer = setInterval(() => void look(), pollMs);
  return {
    look,
    async [Symbol.asyncDispose]() {
      state.ended = true;
      clearInterval(timer);
      watcher?.close();
      await state.working;
    },
  };
}

/** The whole text, once it stays the same; at once where it is what is known. */
async function readSettled(path: string, known: string | undefined): Promise<string> {
  let text = await readWhole(path);
  for (let reading = 1; text !== known && reading < MAX_READINGS; reading += 1) {
    await pause(SETTLE_MS);
    const again = await readWhole(path);
    if (again === text) return text;
    text = again;
  }
  return text;
}

async function readWhole(path: string): Promise<string> {
  const { size } = await stat(path);
  const problem = findSizeProblem(size);
  if (problem !== undefined) throw new ConfigurationError(problem);
  return readFile(path, "utf8");
}

/** Of the file that the path leads to by now: another one, or another state of it, has another shape. */
async function readShape(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch((error: unknown) => String(error));
  if (typeof found === "string") return found;
  return [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(" ");
}

/** The directory, not the file: a file that is replaced is another one. Undefined where watching is not to be had. */
function watchDirectory(path: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(dirname(path), { persistent: false }, onChange);
    // The timer goes on looking.
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
