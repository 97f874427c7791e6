/**
 * Hides the file that a bridge's state lives in: JSON lines, one for each resource, so that a write makes the text of
 * what changed alone; a last line that tells a whole file from a cut one.
 */
import { join } from "node:path";
import { ConfigurationError } from "@branchward/core";
import { z } from "zod";
import { findText, replaceFile } from "./write-file.ts";
import type { HeldGroup, HeldUser, Snapshot } from "./snapshot.ts";

const FORMAT = "branchward-bridge";
const VERSION = 1;

export interface StateFile {
  readonly path: string;
  /** Undefined where nothing was kept yet. @throws {ConfigurationError} `state_unreadable` for a file that is not whole */
  load(): Promise<Snapshot | undefined>;
  /** On the disk when this resolves. */
  save(snapshot: Snapshot): Promise<void>;
}

/** The state file of a bridge of that kind, in a directory that is there. */
export function openStateFile(directory: string, kind: string): StateFile {
  const path = join(directory, "state.jsonl");
  const lines = new WeakMap<HeldUser | HeldGroup, string>();
  const absent = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o600 };
  const lineOf = (held: HeldUser | HeldGroup): string => {
    const line = lines.get(held) ?? `${JSON.stringify(toRecord(held))}\n`;
    lines.set(held, line);
    return line;
  };
  return {
    path,
    async load() {
      const text = await findText(path);
      return text === undefined ? undefined : parseState(text, path, kind);
    },
    async save({ users, groups }) {
      const held = [...users.values(), ...groups.values()];
      const parts = [`${JSON.stringify({ format: FORMAT, v: VERSION, kind })}\n`, ...held.map(lineOf)];
      parts.push(`${JSON.stringify({ end: held.length })}\n`);
      await replaceFile(path, parts.join(""), absent);
    },
  };
}

const json = z.record(z.string(), z.json());
const resource = { id: z.string(), version: z.int(), created: z.string(), lastModified: z.string(), attributes: json };
const userRecord = z.object({
  ...resource,
  kind: z.literal("user"),
  account: z.string(),
  native: json,
  isFound: z.literal(true).exactOptional(),
});
const groupRecord = z.object({ ...resource, kind: z.literal("group"), members: z.array(z.string()), fence: z.int() });
const record = z.discriminatedUnion("kind", [userRecord, groupRecord]);

function toRecord(held: HeldUser | HeldGroup): z.input<typeof record> | object {
  return "members" in held ? { kind: "group", ...held, members: [...held.members] } : { kind: "user", ...held };
}

function parseState(text: string, path: string, kind: string): Snapshot {
  const lines = text.split("\n").filter((line) => line !== "");
  const head = z.object({ format: z.literal(FORMAT), v: z.literal(VERSION), kind: z.string() });
  try {
    const first = head.parse(JSON.parse(lines[0] ?? ""));
    if (first.kind !== kind) throw new Error(`it is of a bridge for ${first.kind}`);
    const records = lines.slice(1, -1);
    const { end } = z.object({ end: z.int() }).parse(JSON.parse(lines.at(-1) ?? ""));
    if (end !== records.length) throw new Error(`${records.length} of ${end} resources are there`);
    return toSnapshot(records.map((line) => record.parse(JSON.parse(line))));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigurationError(
      `${path} is not whole: ${why}. Put a copy of it in its place, or start once with --rebuild`,
      { code: "state_unreadable", cause },
    );
  }
}

function toSnapshot(records: readonly z.output<typeof record>[]): Snapshot {
  const users = new Map<string, HeldUser>();
  const groups = new Map<string, HeldGroup>();
  for (const { kind: _, ...held } of records) {
    if ("members" in held) groups.set(held.id, { ...held, members: new Set(held.members) });
    else users.set(held.id, held);
  }
  return { users, groups };
}
