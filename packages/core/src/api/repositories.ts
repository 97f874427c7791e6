import { z } from "zod";
import { pageQuery, searchText, timestamp } from "./common.ts";

export const repositoryQuery = pageQuery.extend({
  /** Part of the name. */
  q: searchText.optional(),
});

export const repositoryItem = z
  .object({
    id: z.uuid(),
    name: z.string(),
    vcs: z.enum(["git", "hg"]),
    /** The sources that feed it, each with the name that it uses. */
    sources: z.array(z.object({ source: z.string(), name: z.string() })),
    /** Incarnations by state. */
    branches: z.object({ active: z.int(), closed: z.int(), deleted: z.int() }),
    lastDeliveryAt: timestamp.nullable(),
  })
  .meta({ id: "Repository" });
export type RepositoryItem = z.output<typeof repositoryItem>;
