import type { SourceConfiguration } from "./types.ts";

/** Whether the source's host can be asked for a branch, and its answer counts (rules A1, A4). */
export function hasAskableHost({ type, api, may }: Pick<SourceConfiguration, "type" | "api" | "may">): boolean {
  return type === "github" && api !== null && may.includes("refs");
}
