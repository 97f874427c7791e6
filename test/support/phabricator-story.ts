/** A bridge in front of a Phabricator server, and people whose names are of this run alone. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { type BridgeUnderTest, startTestBridge } from "./bridge.ts";
import type { PhabricatorServer, PhabricatorUnderTest } from "./phabricator.ts";

export interface PhabricatorStory extends AsyncDisposable {
  /** In every name: a real server keeps what earlier runs made. */
  readonly run: string;
  /** Temporary, for keys. */
  readonly directory: string;
  readonly server: PhabricatorUnderTest;
  readonly scim: BridgeUnderTest;
  /** Another bridge in front of the same server, with a state of its own. */
  startAnother(): Promise<BridgeUnderTest>;
  accountOf(person: string): string;
  passwordOf(person: string): string;
  /** The id of somebody who was added. */
  idOf(person: string): string;
  branchOf(name: string): string;
  addPerson(person: string): Promise<void>;
  push(person: string, branch: string): Promise<{ readonly isAccepted: boolean; readonly output: string }>;
  /** An entitlement group of push; resolves with its id. */
  govern(branch: string, people: readonly string[]): Promise<string>;
  findProject(phid: string): Promise<FoundProject | undefined>;
  /** Ids of the members of a group as SCIM shows them, and PHIDs as the server does, each sorted. */
  listMembers(id: string): Promise<{ readonly scim: readonly string[]; readonly server: readonly string[] }>;
  findRule(project: string): Promise<{ readonly name: string; readonly repository: string }>;
}

const project = z.object({
  phid: z.string(),
  fields: z.object({ name: z.string(), policy: z.object({ edit: z.string(), join: z.string() }) }),
  attachments: z.object({ members: z.object({ members: z.array(z.object({ phid: z.string() })) }) }),
});
const projectPage = z.object({ data: z.array(project) });
const rule = z.object({ name: z.string(), repository: z.string(), project: z.string().nullable() });
const rulePage = z.object({ data: z.array(rule), after: z.number().nullable() });
const members = z.array(z.object({ value: z.string() })).default([]);

type FoundProject = z.infer<typeof project>;

/** Opens the server and starts a bridge in front of it. */
export async function openPhabricatorStory(open: PhabricatorServer["open"]): Promise<PhabricatorStory> {
  await using stack = new AsyncDisposableStack();
  const directory = await makeDirectory(stack);
  const server = stack.use(await open(directory));
  const tokenFile = join(directory, "conduit");
  await writeFile(tokenFile, server.token);
  const section = `phabricator:\n  url: ${server.url}\n  token: { file: ${tokenFile} }\n`;
  const scim = stack.use(await startTestBridge({ directory, section }));
  const owned = stack.move();
  return {
    directory,
    server,
    scim,
    startAnother: async () => startTestBridge({ directory: await makeDirectory(owned), section, isRebuild: true }),
    ...createPeople(server, scim),
    ...createLooks(server, scim),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function makeDirectory(stack: AsyncDisposableStack): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "branchward-phabricator-"));
  stack.defer(() => rm(made, { recursive: true, force: true }));
  return made;
}

function createPeople(server: PhabricatorUnderTest, scim: BridgeUnderTest) {
  const run = randomBytes(4).toString("hex");
  const ids = new Map<string, string>();
  const accountOf = (person: string): string => `${person}-${run}`;
  const passwordOf = (person: string): string => `password-of-${person}-${run}`;
  const idOf = (person: string): string => ids.get(person) ?? "";
  return {
    run,
    accountOf,
    passwordOf,
    idOf,
    branchOf: (name: string): string => `${name}-${run}`,
    async addPerson(person: string): Promise<void> {
      const emails = [{ value: `${accountOf(person)}@example.com`, primary: true }];
      ids.set(person, await scim.addUser(accountOf(person), { emails, password: passwordOf(person) }));
    },
    push: (person: string, branch: string) =>
      server.push({ account: accountOf(person), password: passwordOf(person), branch }),
    govern: (branch: string, people: readonly string[]) =>
      scim.govern({ repository: server.repository, branch, vcs: "git" }, people.map(idOf)),
  };
}

function createLooks(server: PhabricatorUnderTest, scim: BridgeUnderTest) {
  async function findProject(phid: string): Promise<FoundProject | undefined> {
    const constraints = { phids: [phid], status: "all" };
    const page = await server.call("project.search", { constraints, attachments: { members: true } });
    return projectPage.parse(page).data[0];
  }
  return {
    findProject,
    async listMembers(id: string) {
      const { json } = await scim.request("GET", `/Groups/${id}`);
      const found = await findProject(id);
      return {
        scim: members
          .parse(json["members"])
          .map(({ value }) => value)
          .toSorted(),
        server: (found?.attachments.members.members ?? []).map(({ phid }) => phid).toSorted(),
      };
    },
    async findRule(wanted: string) {
      let after: number | null = 0;
      while (after !== null) {
        const page: z.infer<typeof rulePage> = rulePage.parse(await server.call("branchward.rule.search", { after }));
        const found = page.data.find((each) => each.project === wanted);
        if (found !== undefined) return found;
        after = page.after;
      }
      throw new Error(`no rule for ${wanted}`);
    },
  };
}
