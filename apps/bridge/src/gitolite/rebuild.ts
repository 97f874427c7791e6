/** The state made from the list of groups alone: it holds every user and group in comments. */
import { z } from "zod";
import { readIndexLines } from "../files/index-line.ts";
import type { HeldGroup, HeldUser, Snapshot } from "../state/snapshot.ts";

const json = z.record(z.string(), z.json());
const userLine = z.object({
  user: z.string(),
  account: z.string(),
  attributes: json,
  native: json,
  isFound: z.literal(true).exactOptional(),
});
const groupLine = z.object({ group: z.string(), attributes: json, members: z.array(z.string()) });

export function rebuildSnapshot(text: string): Snapshot {
  const users = new Map<string, HeldUser>();
  const groups = new Map<string, HeldGroup>();
  const now = new Date();
  const at = now.toISOString();
  // No ETag that was given before the loss may come back for something else.
  const meta = { version: now.getTime(), created: at, lastModified: at };
  for (const record of readIndexLines(text.split("\n"))) {
    const user = userLine.safeParse(record);
    const group = groupLine.safeParse(record);
    if (user.success) {
      const { user: id, ...held } = user.data;
      users.set(id, { id, ...meta, ...held });
    } else if (group.success) {
      const { group: id, attributes, members } = group.data;
      groups.set(id, { id, ...meta, attributes, members: new Set(members), fence: 0 });
    }
  }
  return { users, groups };
}
