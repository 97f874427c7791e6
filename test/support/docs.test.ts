/** The documentation says what the code does: commands, options, variables, patterns, configurations, links. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { compilePattern, matchesPattern, parseConfiguration } from "@branchward/core";
import { ENVIRONMENT_VARIABLES } from "@branchward/runtime";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

const root = join(import.meta.dirname, "..", "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const pages = globSync(["*.md", "docs/**/*.md"], { cwd: root }).toSorted();
const sorted = (values: Iterable<string>): readonly string[] => [...new Set(values)].toSorted();

/** Matches of the pattern's only group. */
function listMatches(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].flatMap((match) => match[1] ?? []);
}

/** The text below a heading, up to the next one of its level or above. */
function sectionOf(text: string, heading: string): string {
  const [, after = ""] = text.split(`\n${heading}\n`);
  const level = /^#+/u.exec(heading)?.[0].length ?? 1;
  return after.split(new RegExp(`\n#{1,${level}} `, "u"))[0] ?? "";
}

/** The first cells of table rows that hold code. */
function listTerms(text: string): readonly string[] {
  return listMatches(text, /^\| `([^`]+)` \|/gmu);
}

interface Help {
  /** As its own help writes it: `wait <repository> <branch>`. */
  readonly usage: string;
  readonly options: readonly string[];
  /** True where it does nothing itself. */
  readonly isGroup: boolean;
}

const programModule = z.object({
  createProgram: z.custom<(context: unknown, argv: readonly string[]) => Promise<number>>(
    (value) => typeof value === "function",
  ),
});

/** What `--help` says of every command, by asking the program itself. */
async function readHelp(): Promise<readonly Help[]> {
  const file = pathToFileURL(join(root, "apps", "cli", "src", "program.ts")).href;
  const { createProgram } = programModule.parse(await import(file));
  async function ask(path: readonly string[]): Promise<readonly Help[]> {
    let text = "";
    const stream = { write: (part: string) => (text += part) };
    await createProgram({ stdout: stream, stderr: stream }, [...path, "--help"]);
    const names = listMatches(text.split("\nCommands:\n")[1] ?? "", /^ {2}([a-z]+)/gmu).filter(
      (name) => name !== "help",
    );
    const options = listMatches(text, /^ {2}(?:-\w, )?(--[a-z-]+(?: <[a-z]+>)?)/gmu);
    const usage = (/^Usage: branchward (.*)$/mu.exec(text)?.[1] ?? "")
      .replace("[options] ", "")
      .replace("[options]", "")
      .replace(/ ?\[command\]/u, "");
    const ownOptions = options.filter((option) => option !== "--help");
    const isGroup = names.length > 0 && (path.length === 0 || ownOptions.length === 0);
    const own = { usage: usage.trim(), options: ownOptions, isGroup };
    const below = await Promise.all(names.map((name) => ask([...path, name])));
    return [own, ...below.flat()];
  }
  return ask([]);
}

describe("docs/cli.md", () => {
  const text = read("docs/cli.md");
  const connection = listTerms(sectionOf(text, "## Connection options"));
  let commands: readonly Help[] = [];

  beforeAll(async () => {
    commands = (await readHelp()).filter((command) => !command.isGroup);
  });

  it("has a section for every command that --help shows, and for no other", () => {
    expect(commands.length).toBeGreaterThan(10);
    const documented = listMatches(text, /^### `branchward ([^`]+)`$/gmu);
    expect(documented.toSorted()).toEqual(commands.map((command) => command.usage).toSorted());
  });

  it("has every option of every command, and no other", () => {
    for (const { usage, options } of commands) {
      const section = sectionOf(text, `### \`branchward ${usage}\``);
      const shared = section.includes("[connection options](#connection-options)") ? connection : [];
      expect({ usage, options: sorted([...listTerms(section), ...shared]) }).toEqual({
        usage,
        options: sorted(options),
      });
    }
  });

  it.each(pages)("knows every command that %s shows", (page) => {
    const known = commands.map(({ usage }) => `${usage.replace(/ [<[].*$/u, "")} `);
    const shown = listMatches(read(page), /(?:npx |`)branchward ([a-z]+(?: [a-z]+)?)/gu).map((words) => `${words} `);
    const unknown = shown.filter((words) => !known.some((name) => words.startsWith(name) || name.startsWith(words)));
    expect(unknown).toEqual([]);
  });
});

describe("docs/configuration.md", () => {
  const text = read("docs/configuration.md");

  it("has every environment variable that is read, and no other", () => {
    const files = globSync("apps/*/src/**/*.ts", { cwd: root }).filter((file) => !file.endsWith(".test.ts"));
    const named = files.flatMap((file) => listMatches(read(file), /env\["([A-Z][A-Z_]+)"\]/gu));
    const ours = named.filter((name) => name.startsWith("BRANCHWARD_"));
    const documented = listTerms(sectionOf(text, "## Environment variables"));
    expect(sorted(documented)).toEqual(sorted([...ENVIRONMENT_VARIABLES, ...ours]));
  });

  it("shows patterns that match what it says they match", () => {
    const rows = [...sectionOf(text, "### Patterns").matchAll(/^\| `([^`]+)` \| (`.*?`) \| ?(.*) \|$/gmu)];
    expect(rows.length).toBeGreaterThan(10);
    for (const [, written = "", matching = "", others = ""] of rows) {
      const compiled = compilePattern(written);
      const names = { yes: listMatches(matching, /`([^`]+)`/gu), no: listMatches(others, /`([^`]+)`/gu) };
      const matches = (name: string): boolean => "pattern" in compiled && matchesPattern(compiled.pattern, name);
      expect({ written, yes: names.yes.filter(matches), no: names.no.filter(matches) }).toEqual({
        written,
        yes: names.yes,
        no: [],
      });
    }
  });
});

describe("docs/architecture.md", () => {
  const text = read("docs/architecture.md");
  const readAll = (pattern: string): string =>
    globSync(pattern, { cwd: root })
      .filter((file) => !file.endsWith(".test.ts"))
      .map(read)
      .join("\n");

  it("has every route below /v1, and no other", () => {
    const served = listMatches(readAll("apps/api/src/routes/*.ts"), /path: "(\/v1\/[^"]+)"/gu);
    const documented = listMatches(sectionOf(text, "## Routes"), /(\/v1\/[^\s`]+)/gu);
    expect(served.length).toBeGreaterThan(10);
    expect(sorted(documented)).toEqual(sorted(served.map((path) => path.replaceAll(/:(\w+)/gu, "{$1}"))));
  });

  it("has every table and view, and no other", () => {
    const made = listMatches(readAll("packages/store/migrations/*.sql"), /^create (?:table|view) (\w+)/gmu);
    const cells = listMatches(sectionOf(text, "## Tables"), /^\| (`[^|]+) \|/gmu);
    expect(sorted(cells.flatMap((cell) => listMatches(cell, /`(\w+)`/gu)))).toEqual(sorted(made));
  });
});

describe("docs/dashboard.md", () => {
  it("has the picture of every page", () => {
    const drawn = globSync("docs/images/*-1280-light.png", { cwd: root }).map((file) => basename(file));
    expect(drawn.length).toBeGreaterThan(5);
    expect(sorted(listMatches(read("docs/dashboard.md"), /src="images\/([^"]+)"/gu))).toEqual(sorted(drawn));
  });
});

describe("every page", () => {
  const examples = pages.flatMap((page) =>
    listMatches(read(page), /^```yaml\n(.*?)^```$/gmsu)
      .filter((block) => /^(sources|policy):/mu.test(block))
      .map((block) => ({ page, block })),
  );

  it("shows configurations that are valid", () => {
    expect(examples.length).toBeGreaterThan(1);
    for (const { page, block } of examples) {
      const parsed = parseConfiguration(block, page);
      expect("problems" in parsed ? parsed.problems : []).toEqual([]);
    }
  });

  it.each(pages)("%s links to files and headings that are there", (page) => {
    const links = listMatches(read(page), /\]\(([^)\s]+)\)/gu).filter((link) => !/^https?:/u.test(link));
    expect(links.filter((link) => !leadsSomewhere(page, link))).toEqual([]);
  });

  it.each(pages)("%s shows pictures that are there, for light and for dark", (page) => {
    const text = read(page);
    const light = listMatches(text, /<img [^>]*src="([^"]+)"/gu);
    const dark = listMatches(text, /<source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)"/gu);
    expect(dark).toEqual(light.map((file) => file.replace("-light.", "-dark.")));
    expect([...light, ...dark].filter((file) => !leadsSomewhere(page, file))).toEqual([]);
  });

  it.each(pages)("%s names scripts that package.json has", (page) => {
    const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(read("package.json")));
    expect(listMatches(read(page), /npm run ([a-z:]+)/gu).filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

function leadsSomewhere(page: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? page : join(dirname(page), path);
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || listAnchors(read(target)).includes(anchor);
}

/** The anchors that GitHub makes of headings. */
function listAnchors(text: string): readonly string[] {
  return listMatches(text, /^#+ (.*)$/gmu).map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
