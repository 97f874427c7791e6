/** For tests: the hook calls recorded with real tools (test/fixtures/vcs/README.md). */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** One hook call: what the process got. */
export interface HookRecord {
  readonly hook: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string | null;
}

const fixtures = path.join(import.meta.dirname, "../../../../test/fixtures/vcs");

/** The calls of these hooks in a scenario, in order; fails where there is no such recording. */
export function readRecords(folder: string, scenario: string, hooks: readonly string[]): readonly HookRecord[] {
  const directory = path.join(fixtures, folder);
  const file = readdirSync(directory).find((name) => name.replace(/^\d+-/, "") === `${scenario}.json`);
  if (file === undefined) throw new Error(`No recording ${folder}/${scenario}`);
  return parseRecords(readFileSync(path.join(directory, file), "utf8")).filter(({ hook }) => hooks.includes(hook));
}

function parseRecords(text: string): readonly HookRecord[] {
  return (JSON.parse(text) as { records: readonly HookRecord[] }).records;
}
