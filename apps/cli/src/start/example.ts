/** What comes with the bundled example: a directory to look at, and secrets made for it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createScimClient, type ScimClient, toEqualityFilter } from "@branchward/scim";
import { parse } from "yaml";
import { z } from "zod";
import { EXAMPLE_DIR } from "../configuration-file.ts";
import { createWebhookSecret, keepSecret } from "./secrets.ts";

const schema = z.strictObject({
  users: z.array(z.strictObject({ userName: z.string(), displayName: z.string(), email: z.email() })),
  groups: z.array(z.strictObject({ displayName: z.string(), members: z.array(z.string()) })),
});

/** Variables that the example's sources take their secrets from. */
const SECRET_VARIABLES = { BRANCHWARD_AGENT_SECRET: "agent-secret", GITHUB_WEBHOOK_SECRET: "github-secret" } as const;

/** The environment with the example's secrets filled in: made once, kept 0600 in the data directory. */
export async function withExampleSecrets(
  env: Readonly<Record<string, string | undefined>>,
  dataDir: string,
): Promise<Readonly<Record<string, string | undefined>>> {
  const filled = { ...env };
  for (const [variable, file] of Object.entries(SECRET_VARIABLES)) {
    filled[variable] ??= (await keepSecret(join(dataDir, file), createWebhookSecret)).secret;
  }
  return filled;
}

/** Fills an empty directory with the example's users and groups, over SCIM as anybody would. */
export async function loadExampleDirectory(url: string, adminToken: string): Promise<void> {
  const client = createScimClient({
    url: `${url}/scim/v2`,
    token: () => adminToken,
    deadlineMs: 10_000,
    maxBytes: 1 << 20,
  });
  const { users, groups } = schema.parse(parse(await readFile(join(EXAMPLE_DIR, "directory.yaml"), "utf8")));
  const ids = new Map<string, string>();
  for (const { userName, displayName, email } of users) {
    const [found] = await client.findUsers(toEqualityFilter("userName", userName));
    const emails = [{ value: email, type: "work", primary: true }];
    const user = found ?? (await client.createUser({ userName, displayName, active: true, emails }));
    ids.set(userName, user.id);
  }
  for (const { displayName, members } of groups)
    await ensureGroup(
      client,
      displayName,
      members.map((name) => ids.get(name) ?? ""),
    );
}

async function ensureGroup(client: ScimClient, displayName: string, members: readonly string[]): Promise<void> {
  const [found] = await client.findGroups(toEqualityFilter("displayName", displayName), { excludeMembers: true });
  if (found === undefined) await client.createGroup({ displayName, members: members.map((value) => ({ value })) });
}
