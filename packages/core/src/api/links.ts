import { z } from "zod";
import { timestamp } from "./common.ts";

const sourceName = z.string().min(1).max(40);
/** As the source names them, byte for byte. */
const actorName = z.string().min(1).max(512);

export const linkQuery = z.object({ source: sourceName.optional() });

/** An actor of a source that is a user of the directory, said by hand (rule B5). */
export const linkItem = z
  .object({
    source: z.string(),
    actor: z.string(),
    userId: z.string(),
    /** Null where the directory has the user no more. */
    user: z.string().nullable(),
    linkedBy: z.string(),
    linkedAt: timestamp,
  })
  .meta({ id: "Link" });
export type LinkItem = z.output<typeof linkItem>;

export const linkBody = z.strictObject({ source: sourceName, actor: actorName, user: z.string().min(1) });
export const linkKey = z.object({ source: sourceName, actor: actorName });
