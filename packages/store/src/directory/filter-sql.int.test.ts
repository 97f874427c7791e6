import {
  attribute,
  bindFilter,
  compareByAttribute,
  createUserType,
  matchesFilter,
  ScimError,
  type AttributeRef,
  type CompareOperator,
  type FilterSyntax,
  type JsonObject,
  type ListQuery,
  type ResourceType,
  type ScimStore,
  type StoredResource,
} from "@branchward/scim";
import { arbitraryFilter, arbitraryTerm } from "@branchward/scim/testing";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTestDatabase, type TestDatabase } from "../testing.ts";
import type { DirectoryContext } from "./context.ts";
import { createDirectory } from "./directory.ts";
import { admin, groupType, internal, okta } from "./testing.ts";

const badge = "urn:example:Badge";
const type = createUserType([
  {
    id: badge,
    name: "Badge",
    description: "A badge",
    attributes: [
      attribute({ name: "number", description: "number", type: "decimal" }),
      attribute({ name: "issued", description: "issued", type: "dateTime" }),
      attribute({ name: "doors", description: "doors", multiValued: true, caseExact: true }),
      attribute({
        name: "zones",
        description: "zones",
        type: "complex",
        multiValued: true,
        subAttributes: [attribute({ name: "tags", description: "tags", multiValued: true })],
      }),
    ],
  },
]);

const someText = fc.constantFrom(
  "a",
  "A",
  "ab",
  "AB",
  "b",
  "ba",
  "ß",
  "SS",
  "ss",
  "\u00e9",
  "e\u0301",
  "\u00c9",
  "\u{1f600}",
  "\uffee",
  "İ",
  "",
  " a",
  "%",
  "_a",
  "\\",
  "'",
  '"',
  "a'b",
  "$1",
  "{}",
  "[0]",
);
const someNumber = fc.constantFrom(-1, 0, 0.1, 0.30000000000000004, 1, 2, 10, 1e21, 5e-324);
const someInstant = fc.constantFrom(
  "2026-01-01T00:00:00Z",
  "2026-01-01T01:00:00+01:00",
  "2026-01-01T00:00:00.001Z",
  "2025-12-31T23:59:59Z",
);
const ordered: readonly CompareOperator[] = ["eq", "ne", "gt", "ge", "lt", "le"];

const email = fc.record({ value: someText, type: someText, primary: fc.boolean() }, { requiredKeys: ["value"] });
const zone = fc.record({ tags: fc.array(someText, { minLength: 1, maxLength: 2 }) });
const user = fc.record(
  {
    externalId: someText,
    active: fc.boolean(),
    title: someText,
    profileUrl: someText,
    name: fc.record({ familyName: someText, givenName: someText }, { requiredKeys: ["familyName"] }),
    emails: fc.array(email, { minLength: 1, maxLength: 3 }),
    [badge]: fc.record(
      {
        number: someNumber,
        issued: someInstant,
        doors: fc.array(someText, { minLength: 1, maxLength: 3 }),
        zones: fc.array(zone, { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: ["number"] },
    ),
  },
  { requiredKeys: [] },
);

const textTerm = arbitraryTerm(
  [
    "title",
    "profileUrl",
    "externalId",
    "userName",
    "name.familyName",
    "name.givenName",
    "emails",
    "emails.value",
    "emails.type",
    `${badge}:doors`,
    `${badge}:zones.tags`,
  ],
  someText,
);
const innerTerm = fc.oneof(
  arbitraryTerm(["value", "type"], someText),
  arbitraryTerm(["primary"], fc.boolean(), ["eq", "ne"]),
);
const term: fc.Arbitrary<FilterSyntax> = fc.oneof(
  textTerm,
  arbitraryTerm(["active", "emails.primary"], fc.boolean(), ["eq", "ne"]),
  arbitraryTerm([`${badge}:number`], someNumber, ordered),
  arbitraryTerm([`${badge}:issued`, "meta.created", "meta.lastModified"], someInstant, ordered),
  arbitraryTerm(["title", "name", "emails", "active", badge + ":doors"], fc.constant(null), ["eq", "ne"]),
  fc.record({ kind: fc.constant("some"), name: fc.constant("emails"), filter: arbitraryFilter(innerTerm) }),
  fc.record({
    kind: fc.constant("some"),
    name: fc.constant(`${badge}:zones`),
    filter: arbitraryFilter(arbitraryTerm(["tags"], someText)),
  }),
);

let database: TestDatabase;
let directory: ScimStore<DirectoryContext>;
let users: readonly StoredResource[];

const everything: ListQuery = {
  filter: undefined,
  sort: undefined,
  startIndex: 1,
  count: 1000,
  read: { members: "all", derived: [] },
};

beforeAll(async () => {
  database = await openTestDatabase();
  directory = createDirectory({ db: database.db });
  const drafts = fc.sample(fc.uniqueArray(user, { minLength: 60, maxLength: 60 }), { numRuns: 1, seed: 7 }).flat();
  const externalIds = new Set<unknown>();
  for (const [index, { externalId, ...attributes }] of drafts.entries()) {
    const isFree = externalId !== undefined && !externalIds.has(externalId);
    if (isFree) externalIds.add(externalId);
    const userName = `${["a", "B", "ß", "É", "\u{1f600}"][index % 5]}${index}`;
    const state = { attributes: { userName, ...attributes, ...(isFree ? { externalId } : {}) }, members: undefined };
    await directory.create(admin, type, state);
  }
  users = (await directory.list(admin, type, everything)).resources;
});
afterAll(() => database[Symbol.asyncDispose]());

function toDocument({ id, attributes, created, lastModified, members }: StoredResource): JsonObject {
  const meta = { created: created.toISOString(), lastModified: lastModified.toISOString() };
  return { id, ...attributes, meta, ...(members && { members: members.map((member) => ({ ...member })) }) };
}

/** What the directory finds and what the evaluator finds. */
async function findBoth(
  of: ResourceType,
  all: readonly StoredResource[],
  syntax: FilterSyntax,
): Promise<{ readonly found: readonly string[]; readonly expected: readonly string[] }> {
  const filter = bindFilter(of, syntax);
  const { resources } = await directory.list(admin, of, { ...everything, filter });
  const expected = all.filter((resource) => matchesFilter(filter, toDocument(resource)));
  return { found: resources.map(({ id }) => id), expected: expected.map(({ id }) => id) };
}

describe("a filter compiled to SQL", () => {
  it("finds the users that the evaluator finds, for any filter", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryFilter(term), async (syntax) => {
        const { found, expected } = await findBoth(type, users, syntax);
        expect(found).toEqual(expected);
      }),
      { numRuns: 1500 },
    );
  });

  it("finds the groups that the evaluator finds by their members, for any filter", async () => {
    const ids = users.slice(0, 4).map(({ id }) => id);
    for (let mask = 0; mask < 16; mask++) {
      const members = ids.filter((_, bit) => (mask >> bit) % 2 === 1).map((value) => ({ value }));
      const state = {
        attributes: { displayName: `group ${mask}` },
        members: { clear: false, remove: [], add: members },
      };
      await directory.create(admin, groupType, state);
    }
    const groups = (await directory.list(admin, groupType, everything)).resources;
    const [nested] = groups;
    if (nested === undefined) throw new Error("no group");
    const holder = { displayName: "holder" };
    const nesting = { clear: false, remove: [], add: [{ value: nested.id }] };
    await directory.create(admin, groupType, { attributes: holder, members: nesting });
    const all = (await directory.list(admin, groupType, everything)).resources;

    const someId = fc.constantFrom(...ids, nested.id, "no id", ids[0]?.slice(0, 8) ?? "", ids[0]?.toUpperCase() ?? "");
    const inner = fc.oneof(
      arbitraryTerm(["value"], someId),
      arbitraryTerm(["type"], fc.constantFrom("User", "group", "u", "")),
    );
    const groupTerm = fc.oneof(
      arbitraryTerm(["members", "members.value", "id"], someId),
      arbitraryTerm(["members.type"], fc.constantFrom("User", "group", "u", "")),
      arbitraryTerm(["displayName"], fc.constantFrom("GROUP 1", "group 1", "1", "holder", " group 1")),
      fc.record({ kind: fc.constant("some"), name: fc.constant("members"), filter: arbitraryFilter(inner) }),
    );
    await fc.assert(
      fc.asyncProperty(arbitraryFilter(groupTerm), async (syntax) => {
        const { found, expected } = await findBoth(groupType, all, syntax);
        expect(found).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses conditions on what is derived from other resources", async () => {
    for (const name of ["members.display", "members.$ref"]) {
      const filter = bindFilter(groupType, { kind: "compare", name, operator: "eq", literal: "x" });
      await expect(directory.list(admin, groupType, { ...everything, filter })).rejects.toThrow(ScimError);
    }
  });
});

describe("a page", () => {
  it.each([
    "userName",
    "name.familyName",
    "emails.value",
    "active",
    "id",
    "externalId",
    "meta.created",
    `${badge}:number`,
    `${badge}:doors`,
  ])("is in the order of the evaluator by %s, ties by id, either way", async (name) => {
    const found = type.findTarget(name);
    if (found?.kind !== "attribute") throw new Error("no such attribute");
    const target: AttributeRef = found;
    for (const descending of [false, true]) {
      const page = await directory.list(admin, type, { ...everything, sort: { target, descending } });
      const sign = descending ? -1 : 1;
      const expected = users.toSorted((a, b) => sign * compareByAttribute(target, toDocument(a), toDocument(b)));
      expect(page.resources.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    }
  });

  it("goes through all resources once, a part at a time", async () => {
    const seen: string[] = [];
    for (let startIndex = 1; startIndex <= users.length; startIndex += 7) {
      const page = await directory.list(admin, type, { ...everything, startIndex, count: 7 });
      expect(page.totalResults).toBe(users.length);
      seen.push(...page.resources.map(({ id }) => id));
    }
    expect(seen).toEqual(users.map(({ id }) => id));
    const beyond = await directory.list(admin, type, { ...everything, startIndex: 1000 });
    expect(beyond).toEqual({ totalResults: users.length, resources: [] });
  });

  it("holds what its client sees, and counts no more", async () => {
    const own = await directory.create(okta, type, { attributes: { userName: "seen" }, members: undefined });
    const page = await directory.list(okta, type, { ...everything, count: 1 });
    expect(page).toMatchObject({ totalResults: 1, resources: [{ id: own.id }] });
    expect((await directory.list(internal, type, { ...everything, count: 0 })).totalResults).toBe(users.length + 1);
  });
});
