import { z } from "zod";
import { pageQuery, refType, searchText, timestamp, verdict } from "./common.ts";
import { syncMember } from "./members.ts";

export const syncQuery = pageQuery.extend({
  repository: z.string().optional(),
  branch: z.string().optional(),
  incarnation: z.uuid().optional(),
  endpoint: z.string().optional(),
  verdict: verdict.optional(),
  reason: z.string().optional(),
  /** Finished at or after. */
  since: z.iso.datetime({ offset: true }).optional(),
  /** Finished before. */
  until: z.iso.datetime({ offset: true }).optional(),
  /** Part of the repository's, the branch's or the endpoint's name, or of the reason. */
  q: searchText.optional(),
});

export const syncItem = z
  .object({
    id: z.uuid(),
    reason: z.string(),
    repository: z.string(),
    branch: z.string(),
    refType,
    incarnation: z.uuid(),
    endpoint: z.string(),
    verdict,
    added: z.int(),
    removed: z.int(),
    /** Which attempt of its job recorded it; 1 for the first. */
    attempt: z.int(),
    requestedAt: timestamp,
    startedAt: timestamp,
    finishedAt: timestamp,
    policyVersion: z.uuid().nullable(),
  })
  .meta({ id: "Sync" });
export type SyncItem = z.output<typeof syncItem>;

export const syncPhase = z.enum(["lease", "load", "read", "write", "verify", "record"]);

/** One SCIM call. */
export const syncCall = z.object({
  method: z.string(),
  path: z.string(),
  /** Null where no answer came. */
  status: z.int().nullable(),
  /** Since `startedAt`; null in syncs recorded before there was a timeline. */
  offsetMs: z.number().nullable(),
  durationMs: z.number(),
});
export type SyncCall = z.output<typeof syncCall>;

/** Where the time of a run went. Offsets count from `startedAt`; phases do not overlap. */
export const syncTimeline = z.object({
  /** From the request to `startedAt`. */
  queuedMs: z.number(),
  /** From `startedAt` to `finishedAt`. */
  totalMs: z.number(),
  phases: z.array(z.object({ phase: syncPhase, offsetMs: z.number(), durationMs: z.number() })),
});
export type SyncTimeline = z.output<typeof syncTimeline>;

/** Desired and actual of one entitlement group as the run found them: desired = added + unchanged, actual = removed + unchanged. */
export const groupDiff = z
  .object({
    entitlement: z.string(),
    /** Name at the endpoint. */
    group: z.string(),
    /** What was done to it, in order: `createGroup`, `addMembers`…; empty where it was as it ought to be. */
    operations: z.array(z.string()),
    added: z.array(syncMember),
    removed: z.array(syncMember),
    unchanged: z.array(syncMember),
  })
  .meta({ id: "GroupDiff" });
export type GroupDiff = z.output<typeof groupDiff>;

export const syncDetails = syncItem
  .extend({
    mismatches: z.array(z.unknown()),
    /** The writes, in order. */
    changes: z.array(
      z.object({
        entitlement: z.string(),
        group: z.string(),
        operation: z.string(),
        added: z.array(syncMember),
        removed: z.array(syncMember),
      }),
    ),
    diff: z.array(groupDiff),
    /** Removals that guards keep back: the members stay until they are approved, or the plan changes. */
    withheld: z.array(
      z.object({
        entitlement: z.string(),
        /** The endpoint's id. */
        user: z.string(),
        userName: z.string().nullable(),
        why: z.string(),
      }),
    ),
    /** Why they are kept back: groups that would lose too many, or a client that deactivated too many. */
    overLimit: z.array(
      z.object({
        kind: z.enum(["entitlement-group", "directory-group", "deactivations"]),
        group: z.string(),
        removed: z.int(),
        baseline: z.int(),
        /** When the window lets them go by itself; left out where only an approval does. */
        freeAt: z.iso.datetime().optional(),
      }),
    ),
    /** Of the withheld removals: what an approval names. */
    digest: z.string().nullable(),
    /** Members that came or went without Branchward. */
    drift: z.int(),
    timeline: syncTimeline,
    calls: z.array(syncCall),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: "SyncDetails" });
export type SyncDetails = z.output<typeof syncDetails>;

/** Approves the withheld removals of a sync as they were shown. */
export const approveBody = z.strictObject({ digest: z.string().min(1) });
/** How many scopes are looked at again. */
export const approveAnswer = z.object({ scopes: z.int() });

export const recheckBody = z.strictObject({
  repository: z.string().min(1),
  branch: z.string().min(1),
  refType: refType.optional(),
});
export const recheckAnswer = z.object({ scopes: z.int() });
