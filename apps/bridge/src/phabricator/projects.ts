/** Projects of Phabricator, as far as they stand for groups. */
import { z } from "zod";
import type { Conduit } from "./conduit.ts";
import { parseResult } from "./parse-result.ts";
import { readAgain, resolveOutcome } from "./resolve-outcome.ts";

/** A project of Phabricator. */
export interface Project {
  readonly phid: string;
  readonly name: string;
  /** Without `#`. */
  readonly hashtag: string | undefined;
  readonly isArchived: boolean;
  /** PHIDs, also of users that are no more: Phabricator takes and keeps any. */
  readonly members: readonly string[];
  /** True when only administrators may edit it, so that nobody adds himself. */
  readonly isClosed: boolean;
  /** When it was made, in seconds since 1970. */
  readonly createdAt: number;
}

/** What a project shall be; what is left out stays. */
export interface ProjectEdit {
  readonly name?: string;
  readonly addMembers?: readonly string[];
  readonly removeMembers?: readonly string[];
  /** Sets the policies of editing and joining: by default every user may add himself. */
  readonly close?: true;
}

/** The projects of one server, without milestones and subprojects. All throw `ConduitError`. */
export interface Projects {
  /** Those that are not archived. */
  list(): Promise<readonly Project[]>;
  /** Also archived ones. */
  find(phids: readonly string[]): Promise<readonly Project[]>;
  /** Those that a user is a member of, archived or not. */
  listOf(member: string): Promise<readonly Project[]>;
  /** By a hashtag that it has now or had under an earlier name, archived or not. */
  findByHashtag(hashtag: string): Promise<Project | undefined>;
  /** Makes a closed project and returns its PHID. `knownPhids` tells an earlier namesake from the one made by a call whose answer was lost. */
  create(name: string, members: readonly string[], knownPhids: ReadonlySet<string>): Promise<string>;
  edit(phid: string, edit: ProjectEdit): Promise<void>;
  /** Gives up a hashtag that an earlier name left behind, so that another project may have it. */
  releaseHashtag(phid: string, hashtag: string): Promise<void>;
  /** Needs the extension. */
  archive(phid: string): Promise<void>;
}

const pageSize = 100;

const projectPage = z.object({
  data: z.array(
    z.object({
      phid: z.string(),
      fields: z.object({
        name: z.string(),
        slug: z.string().nullable(),
        milestone: z.unknown(),
        depth: z.number(),
        status: z.string(),
        dateCreated: z.number(),
        policy: z.object({ edit: z.string(), join: z.string() }),
      }),
      attachments: z.object({ members: z.object({ members: z.array(z.object({ phid: z.string() })) }) }),
    }),
  ),
  cursor: z.object({ after: z.union([z.string(), z.number()]).nullable() }),
});
const edited = z.object({ object: z.object({ phid: z.string() }) });
const withHashtags = z.object({ data: z.record(z.string(), z.object({ slugs: z.array(z.string()) })) });

const closedPolicy = "admin";
const closing = [
  { type: "edit", value: closedPolicy },
  { type: "join", value: closedPolicy },
];

/** Makes the projects of a server. */
export function createProjects(conduit: Conduit): Projects {
  const search = (constraints: object): Promise<readonly Project[]> => readPages(conduit, constraints);

  return {
    list: () => search({ status: "active" }),
    find: async (phids) => (phids.length === 0 ? [] : search({ phids, status: "all" })),
    listOf: (member) => search({ members: [member], status: "all" }),
    findByHashtag: async (hashtag) => (await search({ slugs: [hashtag], status: "all" })).at(0),
    create: (name, members, knownPhids) =>
      resolveOutcome({
        write: async () => {
          const transactions = [
            { type: "name", value: name },
            { type: "icon", value: "group" },
            // Herald counts a project for a member who sees it.
            { type: "view", value: "users" },
            ...closing,
            ...(members.length === 0 ? [] : [{ type: "members.add", value: members }]),
          ];
          const result = await conduit.write("project.edit", { transactions });
          return parseResult(edited, "project.edit", result).object.phid;
        },
        findDone: async () => {
          const made = (await search({ status: "active" })).filter(
            (project) => project.name === name && project.isClosed && !knownPhids.has(project.phid),
          );
          return made.length === 1 ? made[0]?.phid : undefined;
        },
      }),
    // Each transaction sets what shall be, so that an unknown outcome is settled by doing it again.
    edit: async (phid, edit) => {
      const transactions = toTransactions(edit);
      if (transactions.length === 0) return;
      await resolveOutcome({ write: () => conduit.write("project.edit", { objectIdentifier: phid, transactions }) });
    },
    releaseHashtag: async (phid, hashtag) => {
      const result = await readAgain(() => conduit.read("project.query", { phids: [phid] }));
      const slugs = parseResult(withHashtags, "project.query", result).data[phid]?.slugs ?? [];
      const kept = slugs.filter((slug) => slug !== hashtag);
      if (kept.length === slugs.length) return;
      const transactions = [{ type: "slugs", value: kept }];
      await resolveOutcome({ write: () => conduit.write("project.edit", { objectIdentifier: phid, transactions }) });
    },
    archive: async (phid) => {
      await resolveOutcome({
        write: () => conduit.write("branchward.project.edit", { project: phid, archived: true }),
      });
    },
  };
}

function toTransactions({ name, addMembers = [], removeMembers = [], close }: ProjectEdit): readonly object[] {
  return [
    ...(removeMembers.length === 0 ? [] : [{ type: "members.remove", value: removeMembers }]),
    ...(close === true ? closing : []),
    ...(name === undefined ? [] : [{ type: "name", value: name }]),
    ...(addMembers.length === 0 ? [] : [{ type: "members.add", value: addMembers }]),
  ];
}

async function readPages(conduit: Conduit, constraints: object): Promise<readonly Project[]> {
  const projects: Project[] = [];
  let after: string | number | null = null;
  do {
    const parameters: object = {
      constraints,
      attachments: { members: true },
      order: "oldest",
      limit: pageSize,
      ...(after === null ? {} : { after: String(after) }),
    };
    const result = await readAgain(() => conduit.read("project.search", parameters));
    const page: z.infer<typeof projectPage> = parseResult(projectPage, "project.search", result);
    projects.push(...page.data.filter(isGroupLike).map(toProject));
    after = page.cursor.after;
  } while (after !== null);
  return projects;
}

type FoundProject = z.infer<typeof projectPage>["data"][number];

/** Milestones and subprojects share their members with the projects above them. */
function isGroupLike({ fields }: FoundProject): boolean {
  return fields.milestone === null && fields.depth === 0;
}

function toProject({ phid, fields, attachments }: FoundProject): Project {
  return {
    phid,
    name: fields.name,
    hashtag: fields.slug ?? undefined,
    isArchived: fields.status === "archived",
    members: attachments.members.members.map((member) => member.phid),
    isClosed: fields.policy.edit === closedPolicy && fields.policy.join === closedPolicy,
    createdAt: fields.dateCreated,
  };
}
