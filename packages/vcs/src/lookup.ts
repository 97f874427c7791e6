export { createGithubHost } from "./github/host.ts";
export type { HostConnection, HostReading, SourceHost } from "./source-host.ts";
