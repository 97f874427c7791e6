import type { Principal } from "./types.ts";

const clientShape = /^[a-z][a-z0-9-]{0,39}$/;

/** Reads `group:name`, `group:client/name`, `user:userName` or `bot:userName`; undefined for any other text. */
export function parsePrincipal(reference: string): Principal | undefined {
  const [, kind, rest = ""] = /^(group|user|bot):(.{1,512})$/s.exec(reference) ?? [];
  if (kind === "user" || kind === "bot") return { kind, reference, userName: rest };
  if (kind !== "group") return undefined;
  const slash = rest.indexOf("/");
  if (slash < 0) return { kind, reference, client: null, name: rest };
  const [client, name] = [rest.slice(0, slash), rest.slice(slash + 1)];
  return clientShape.test(client) && name !== "" ? { kind, reference, client, name } : undefined;
}
