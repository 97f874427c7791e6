/**
 * Our filter and PATCH engines beside those of the registry, where these are known to be right: texts in small letters,
 * values that are there. The inputs are small, since one of the oracles takes exponential time.
 */
import {
  bindFilter,
  createScimProvider,
  createUserType,
  isJsonObject,
  matchesFilter,
  parseFilter,
} from "@branchward/scim";
import { arbitraryFilter, arbitraryTerm, createMemoryStore, printFilter } from "@branchward/scim/testing";
import fc from "fast-check";
import { scimPatch, type ScimPatchOperation, type ScimResource } from "scim-patch";
import { compileFilter } from "scim-query-filter-parser";
import { filter as compileOther, parse } from "scim2-parse-filter";
import { describe, expect, it } from "vitest";
import { patch, user } from "./scim-client.ts";

const type = createUserType();
const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 3 });
/** A run must not hang where an oracle does. */
const bounded = { interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false } as const;

const person = fc.record({ userName: text, title: text, nickName: text, displayName: text });
const term = arbitraryTerm(["userName", "title", "nickName", "displayName"], text, ["eq", "ne", "co", "sw", "ew"]);

const withoutNot = arbitraryFilter(term).filter((syntax) => !printFilter(syntax).includes("not ("));

describe("a filter", () => {
  it.each([
    // It fails on most negations.
    ["scim-query-filter-parser", compileFilter, withoutNot],
    ["scim2-parse-filter", (written: string) => compileOther(parse(written)), arbitraryFilter(term)],
  ])("matches what %s matches", (_, compile, filters) => {
    fc.assert(
      fc.property(filters, fc.array(person, { minLength: 1, maxLength: 5 }), (syntax, people) => {
        const written = printFilter(syntax);
        const ours = bindFilter(type, parseFilter(written));
        const theirs = compile(written);
        expect(people.map((one) => matchesFilter(ours, one))).toEqual(people.map((one) => theirs(one)));
      }),
      bounded,
    );
  });

  it.each(['title pr and userName eq "a" or nickName eq "b"', 'title eq "a" or nickName eq "b" and userName eq "c"'])(
    "binds and before or as the others do: %s",
    (written) => {
      fc.assert(
        fc.property(person, (one) => {
          const ours = matchesFilter(bindFilter(type, parseFilter(written)), one);
          expect(ours).toBe(compileFilter(written)(one));
          expect(ours).toBe(compileOther(parse(written))(one));
        }),
      );
    },
  );
});

const simplePath = fc.constantFrom("title", "nickName", "name.givenName", "name.familyName", "displayName");
const mailType = fc.constantFrom("work", "home");
const operation: fc.Arbitrary<ScimPatchOperation> = fc.oneof(
  fc.record({ op: fc.constantFrom("add", "replace"), path: simplePath, value: text }),
  fc.record({ op: fc.constant("remove"), path: simplePath }),
  fc.record({ op: fc.constantFrom("add", "replace"), value: fc.record({ title: text, nickName: text }) }),
  fc.record({
    op: fc.constant("replace"),
    path: fc.constant("emails"),
    value: fc.uniqueArray(fc.record({ type: mailType, value: text }), { selector: (mail) => mail.type, minLength: 1 }),
  }),
  fc.record({ op: fc.constant("remove"), path: mailType.map((kind) => `emails[type eq "${kind}"]`) }),
);

/** Without what the engines keep differently: metadata, and what is empty. */
function toContent(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toContent);
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).flatMap(([name, held]) => {
    const content = toContent(held);
    const isEmpty =
      content === undefined || (typeof content === "object" && content !== null && Object.keys(content).length === 0);
    return isEmpty || ["id", "meta", "schemas"].includes(name) ? [] : [[name, content] as const];
  });
  return Object.fromEntries(entries);
}

describe("a PATCH", () => {
  it("makes what scim-patch makes", async () => {
    const operations = fc.array(operation, { minLength: 1, maxLength: 6 });
    const mails = fc.constant([
      { type: "work", value: "w" },
      { type: "home", value: "h" },
    ]);
    const start = fc.record({ title: text, name: fc.record({ givenName: text, familyName: text }), emails: mails });
    await fc.assert(
      fc.asyncProperty(start, operations, async (attributes, wanted) => {
        const provider = createScimProvider({
          store: createMemoryStore(),
          types: [type],
          baseUrl: () => "https://scim.example",
          maxResults: 1,
        });
        const send = (method: string, path: string, body: unknown) =>
          provider.handle({ method, path, query: new URLSearchParams(), headers: {}, body, context: undefined });
        await send("POST", "/Users", user("u", attributes));
        const { body } = await send("PATCH", "/Users/1", patch(...wanted));
        const now = new Date(0);
        const meta = { resourceType: "User", created: now, lastModified: now, location: "" };
        const resource: ScimResource = Object.assign(
          { schemas: [], meta },
          { userName: "u" },
          structuredClone(attributes),
        );
        const theirs = wanted.reduce((held, each) => tolerate(held, each), resource);
        expect(toContent(body)).toEqual(toContent(theirs));
      }),
      bounded,
    );
  });
});

/** The removal of what is not there is an error to the oracle and no change to us and to RFC 7644 §3.5.2.2. */
function tolerate(held: ScimResource, each: ScimPatchOperation): ScimResource {
  try {
    return scimPatch(held, [each], { mutateDocument: false });
  } catch (error) {
    if (each.op === "remove") return held;
    throw error;
  }
}
