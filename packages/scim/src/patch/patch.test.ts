import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ScimError } from "../error.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import { createGroupType, createUserType } from "../schema/core-types.ts";
import { attribute, type SchemaDefinition } from "../schema/definitions.ts";
import type { Member, ResourceState } from "../store.ts";
import { applyPatch, patchNeedsMembers, toMemberDelta } from "./apply.ts";
import { maxAttributeWork, maxMemberComparisons, maxPatchOperations } from "./limits.ts";
import { patchSchema, readPatch } from "./operations.ts";

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const badge: SchemaDefinition = {
  id: "urn:example:Badge",
  name: "Badge",
  description: "A badge",
  attributes: [attribute({ name: "serial", description: "serial", mutability: "immutable" })],
};
const userType = createUserType([badge]);
const groupType = createGroupType();

const alice: JsonObject = {
  userName: "alice",
  active: true,
  name: { givenName: "Alice", familyName: "Liddell" },
  emails: [
    { value: "a@work.example", type: "work", primary: true },
    { value: "a@home.example", type: "home" },
  ],
  [enterprise]: { department: "R&D", manager: { value: "26" } },
  [badge.id]: { serial: "7" },
};

function patchUser(...operations: readonly JsonValue[]): JsonObject {
  const patch = readPatch(userType, { schemas: [patchSchema], Operations: operations });
  return applyPatch(userType, { id: "u1", attributes: alice, members: undefined }, patch).attributes;
}

function patchGroup(operations: readonly JsonValue[], members?: readonly Member[]): ResourceState {
  const patch = readPatch(groupType, { schemas: [patchSchema], Operations: operations });
  return applyPatch(groupType, { id: "g1", attributes: { displayName: "devs" }, members }, patch);
}

function refusal(run: () => unknown): string {
  try {
    return `accepted ${JSON.stringify(run())}`;
  } catch (error) {
    return error instanceof ScimError && error.status === 400 ? String(error.scimType) : String(error);
  }
}

describe("a PATCH of attributes", () => {
  it.each<[string, JsonValue, JsonObject]>([
    ["replaces a value", { op: "replace", path: "title", value: "Boss" }, { ...alice, title: "Boss" }],
    ["reads op and names in any case", { OP: "Replace", Path: "TITLE", Value: "Boss" }, { ...alice, title: "Boss" }],
    ["takes booleans as text", { op: "Replace", path: "active", value: "False" }, { ...alice, active: false }],
    ["takes a value without a path", { op: "replace", value: { active: "false" } }, { ...alice, active: false }],
    [
      "keeps text as it is on other attributes",
      { op: "add", path: "title", value: "True" },
      { ...alice, title: "True" },
    ],
    [
      "takes dotted and URN keys without a path",
      { op: "add", value: { "name.givenName": "Al", [`${enterprise}:department`]: "Ops", nickName: "Al" } },
      {
        ...alice,
        name: { givenName: "Al", familyName: "Liddell" },
        [enterprise]: { department: "Ops", manager: { value: "26" } },
        nickName: "Al",
      },
    ],
    [
      "leaves the parts of a complex value that are not named",
      { op: "replace", path: "name", value: { givenName: "Al", familyName: null } },
      { ...alice, name: { givenName: "Al" } },
    ],
    [
      "takes a whole extension",
      { op: "replace", path: enterprise, value: { department: "Ops" } },
      { ...alice, [enterprise]: { department: "Ops", manager: { value: "26" } } },
    ],
    [
      "takes a list of one for a single value",
      { op: "add", path: `${enterprise}:manager`, value: [{ value: "27" }] },
      { ...alice, [enterprise]: { department: "R&D", manager: { value: "27" } } },
    ],
    [
      "takes a bare id for an object that has a value",
      { op: "add", path: `${enterprise}:manager`, value: "27" },
      { ...alice, [enterprise]: { department: "R&D", manager: { value: "27" } } },
    ],
    [
      "appends to a list, and a new primary value replaces the old one",
      { op: "add", path: "emails", value: [{ value: "new@example", primary: true }] },
      {
        ...alice,
        emails: [
          { value: "a@work.example", type: "work", primary: false },
          { value: "a@home.example", type: "home" },
          { value: "new@example", primary: true },
        ],
      },
    ],
    ["adds nothing twice", { op: "add", path: "emails", value: { value: "a@home.example", type: "home" } }, alice],
    [
      "changes a selected value",
      { op: "replace", path: 'emails[type eq "WORK"].value', value: "b@work.example" },
      {
        ...alice,
        emails: [
          { value: "b@work.example", type: "work", primary: true },
          { value: "a@home.example", type: "home" },
        ],
      },
    ],
    [
      "makes the selected value that an addition lacks",
      { op: "Add", path: 'emails[type eq "Other"].value', value: "c@example" },
      {
        ...alice,
        emails: [
          { value: "a@work.example", type: "work", primary: true },
          { value: "a@home.example", type: "home" },
          { type: "Other", value: "c@example" },
        ],
      },
    ],
    [
      "makes a selected value the primary one in place of another",
      { op: "replace", path: 'emails[type eq "home"].primary', value: "True" },
      {
        ...alice,
        emails: [
          { value: "a@work.example", type: "work", primary: false },
          { value: "a@home.example", type: "home", primary: true },
        ],
      },
    ],
    [
      "changes a part of every value",
      { op: "replace", path: "emails.type", value: "other" },
      {
        ...alice,
        emails: [
          { value: "a@work.example", type: "other", primary: true },
          { value: "a@home.example", type: "other" },
        ],
      },
    ],
    [
      "removes a selected value",
      { op: "remove", path: 'emails[type eq "work"]' },
      { ...alice, emails: [{ value: "a@home.example", type: "home" }] },
    ],
    [
      "removes the values listed",
      { op: "remove", path: "emails", value: [{ value: "a@work.example" }] },
      { ...alice, emails: [{ value: "a@home.example", type: "home" }] },
    ],
    ["does nothing for a removal that finds nothing", { op: "remove", path: 'emails[type eq "x"]' }, alice],
    [
      "repeats what is read-only without a path, as Okta does",
      { op: "replace", value: { id: "u1", userName: "alice" } },
      alice,
    ],
  ])("%s", (_, operation, expected) => {
    expect(patchUser(operation)).toEqual(expected);
  });

  it("removes attributes and extensions, and holds no empty ones", () => {
    const { emails: _, [enterprise]: __, ...rest } = alice;
    expect(patchUser({ op: "remove", path: "emails" }, { op: "remove", path: enterprise })).toEqual(rest);
    expect(
      patchUser(
        { op: "remove", path: "emails[type pr]" },
        { op: "remove", path: `${enterprise}:department` },
        { op: "replace", path: `${enterprise}:manager`, value: null },
      ),
    ).toEqual(rest);
  });

  it("applies operations in order, each to what the last one left", () => {
    const emails = patchUser(
      { op: "remove", path: 'emails[value eq "a@work.example"]' },
      { op: "remove", path: 'emails[value eq "a@home.example"]' },
      { op: "add", path: "emails", value: [{ value: "z@example" }] },
    )["emails"];
    expect(emails).toEqual([{ value: "z@example" }]);
  });

  it("leaves the given resource as it is", () => {
    const before = structuredClone(alice);
    patchUser({ op: "replace", path: "name.givenName", value: "X" }, { op: "remove", path: "emails" });
    refusal(() => patchUser({ op: "remove", path: "emails" }, { op: "replace", path: "nonsense", value: 1 }));
    expect(alice).toEqual(before);
  });

  it.each<[string, JsonValue]>([
    ["invalidPath", { op: "replace", path: "nonsense", value: 1 }],
    ["invalidPath", { op: "replace", value: { nonsense: 1 } }],
    ["invalidPath", { op: "replace", path: "__proto__.polluted", value: 1 }],
    ["invalidPath", { op: "replace", path: "constructor.prototype.polluted", value: 1 }],
    ["invalidPath", { op: "add", value: JSON.parse('{"__proto__": {"polluted": 1}}') }],
    ["invalidPath", { op: "replace", path: 'name[givenName eq "Alice"]', value: {} }],
    ["invalidPath", { op: "replace", path: 'emails[type eq "work"].nonsense', value: 1 }],
    ["invalidPath", { op: "replace", path: "(".repeat(100_000), value: 1 }],
    ["invalidPath", { op: "replace", path: 7, value: 1 }],
    ["invalidFilter", { op: "replace", path: "emails[nonsense pr]", value: {} }],
    ["invalidPath", { op: "replace", path: "name", value: { nonsense: "x" } }],
    ["invalidPath", { op: "replace", path: "name", value: JSON.parse('{"__proto__": "x"}') }],
    ["invalidValue", { op: "replace", path: "emails.primary", value: true }],
    ["noTarget", { op: "replace", path: 'emails[type eq "x"].value', value: "y" }],
    ["noTarget", { op: "add", path: 'emails[type co "x"].value', value: "y" }],
    ["noTarget", { op: "remove" }],
    ["mutability", { op: "replace", path: "id", value: "u1" }],
    ["mutability", { op: "replace", value: { id: "other" } }],
    ["mutability", { op: "replace", path: "groups", value: [] }],
    ["mutability", { op: "replace", path: "meta.created", value: "x" }],
    ["mutability", { op: "replace", path: `${badge.id}:serial`, value: "8" }],
    ["mutability", { op: "remove", path: badge.id }],
    ["invalidValue", { op: "remove", path: "userName" }],
    ["invalidValue", { op: "replace", path: "userName", value: " " }],
    ["invalidValue", { op: "replace", path: "userName" }],
    ["invalidValue", { op: "replace", path: "active", value: "yes" }],
    ["invalidValue", { op: "replace", path: "userName", value: { a: 1 } }],
    ["invalidValue", { op: "replace", path: "userName", value: "a\0b" }],
    ["invalidValue", { op: "replace", path: "name", value: "Alice" }],
    ["invalidValue", { op: "replace", value: "x" }],
    [
      "invalidValue",
      { op: "add", path: "emails", value: Array.from({ length: 1001 }, (_, value) => ({ value: String(value) })) },
    ],
    ["invalidSyntax", { op: "move", path: "title", value: 1 }],
    ["invalidSyntax", { path: "title", value: 1 }],
    ["invalidSyntax", "replace"],
  ])("is refused as %s", (scimType, operation) => {
    expect(refusal(() => patchUser(operation))).toBe(scimType);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it.each<[string, unknown]>([
    ["no body", undefined],
    ["a list", []],
    ["no operations", { schemas: [patchSchema] }],
    ["empty operations", { schemas: [patchSchema], Operations: [] }],
    ["no schema", { Operations: [{ op: "remove", path: "title" }] }],
  ])("is refused as invalidSyntax with %s", (_, body) => {
    expect(refusal(() => readPatch(userType, body))).toBe("invalidSyntax");
  });

  it("is refused where it asks for too much work", () => {
    const removals = (count: number): JsonValue[] =>
      Array.from({ length: count }, () => ({ op: "remove", path: "title" }));
    const emails = Array.from({ length: 500 }, (_, value) => ({ value: String(value) }));
    const additions = (count: number): JsonValue[] =>
      Array.from({ length: count }, () => ({ op: "add", path: "emails", value: emails }));
    expect(refusal(() => patchUser(...removals(maxAttributeWork)))).toMatch("accepted");
    expect(refusal(() => patchUser(...removals(maxAttributeWork + 1)))).toBe("invalidSyntax");
    expect(refusal(() => patchUser(...additions(3)))).toMatch("accepted");
    expect(refusal(() => patchUser(...additions(4)))).toBe("invalidSyntax");
    const selection = Array.from({ length: 50 }, () => "type pr").join(" or ");
    const selections = Array.from({ length: 40 }, () => ({ op: "remove", path: `emails[${selection}]` }));
    expect(refusal(() => patchUser(...selections))).toBe("invalidSyntax");
  });

  it("is refused where it makes the resource too long", () => {
    const title = "x".repeat(200_000);
    expect(refusal(() => patchUser({ op: "replace", path: "title", value: title }))).toMatch("accepted");
    const operations = ["title", "nickName"].map((path) => ({ op: "replace", path, value: title }));
    expect(refusal(() => patchUser(...operations))).toBe("invalidValue");
  });
});

describe("a PATCH of members", () => {
  it("is a delta that needs no members", () => {
    const operations = [
      { op: "remove", path: 'members[value eq "a"]' },
      { op: "remove", path: 'members[value eq "b" or value eq "c"]' },
      { op: "Remove", path: "members", value: [{ value: "d" }] },
      { op: "remove", path: "members", value: { value: "e" } },
      { op: "remove", value: { members: [{ value: "f" }] } },
      { op: "add", path: "members", value: [{ value: "x", $ref: null, display: "X", type: "User" }, { value: "a" }] },
      { op: "add", value: { members: [{ value: "y" }] } },
    ];
    const patch = readPatch(groupType, { schemas: [patchSchema], Operations: operations });
    expect(patchNeedsMembers(groupType, patch)).toBe(false);
    expect(patchGroup(operations).members).toEqual({
      clear: false,
      remove: ["b", "c", "d", "e", "f"],
      add: [{ value: "x", type: "User" }, { value: "a" }, { value: "y" }],
    });
  });

  it("is known without the group where it is of members alone, and the same as with it", () => {
    const read = (operations: readonly JsonValue[]) =>
      readPatch(groupType, { schemas: [patchSchema], Operations: operations });
    const operations = [
      { op: "add", path: "members", value: [{ value: "x" }, { value: "a" }] },
      { op: "remove", path: 'members[value eq "x"]' },
    ];
    const delta = toMemberDelta(groupType, read(operations));
    expect(delta).toEqual({ clear: false, remove: ["x"], add: [{ value: "a" }] });
    expect(delta).toEqual(patchGroup(operations).members);
    const rename = { op: "replace", path: "displayName", value: "x" };
    expect(toMemberDelta(groupType, read([...operations, rename]))).toBeUndefined();
    expect(toMemberDelta(groupType, read([{ op: "remove", path: "members[type pr]" }]))).toBeUndefined();
  });

  it("needs the members to select them otherwise", () => {
    const operations = [{ op: "remove", path: 'members[type eq "Group"]' }];
    const patch = readPatch(groupType, { schemas: [patchSchema], Operations: operations });
    expect(patchNeedsMembers(groupType, patch)).toBe(true);
    const members = [
      { value: "u", type: "User" },
      { value: "g", type: "Group" },
    ];
    expect(patchGroup(operations, members).members).toEqual({ clear: false, remove: ["g"], add: [] });
  });

  it("empties the group when told to, and not for a removal that names nobody", () => {
    const emptied = { clear: true, remove: [], add: [] };
    expect(patchGroup([{ op: "replace", path: "members", value: [] }]).members).toEqual(emptied);
    expect(patchGroup([{ op: "replace", value: { members: [] } }]).members).toEqual(emptied);
    expect(patchGroup([{ op: "remove", path: "members" }]).members).toEqual(emptied);
    const untouched = { clear: false, remove: [], add: [] };
    expect(patchGroup([{ op: "remove", path: "members", value: [] }]).members).toEqual(untouched);
    expect(patchGroup([{ op: "remove", path: "members", value: null }]).members).toEqual(untouched);
    expect(patchGroup([{ op: "replace", path: "displayName", value: "x" }]).members).toBeUndefined();
  });

  it.each<[string, JsonValue]>([
    ["invalidValue", { op: "add", path: "members", value: [{ display: "x" }] }],
    ["invalidValue", { op: "add", path: "members", value: [null] }],
    ["invalidValue", { op: "add", path: "members", value: [{ value: 7 }] }],
    ["mutability", { op: "replace", path: 'members[value eq "a"].display', value: "x" }],
    ["mutability", { op: "replace", path: "members.value", value: "x" }],
    ["invalidPath", { op: "replace", path: 'members[value eq "a"]', value: { value: "b" } }],
  ])("is refused as %s", (scimType, operation) => {
    expect(refusal(() => patchGroup([operation]))).toBe(scimType);
  });

  it("is bounded in operations, and in those that look at every member", () => {
    const byId = Array.from({ length: maxPatchOperations }, () => ({ op: "remove", path: 'members[value eq "a"]' }));
    expect(refusal(() => patchGroup(byId))).toMatch("accepted");
    expect(refusal(() => patchGroup([...byId, { op: "remove", path: "members" }]))).toBe("invalidSyntax");
    const byType = Array.from({ length: maxMemberComparisons + 1 }, () => ({ op: "remove", path: "members[type pr]" }));
    expect(refusal(() => patchGroup(byType, []))).toBe("invalidSyntax");
    expect(refusal(() => patchGroup(byType.slice(1), []))).toMatch("accepted");
  });

  it("has the effect of its operations one after another on a set", () => {
    const id = fc.constantFrom("a", "b", "c", "d");
    const operation = fc.record({ op: fc.constantFrom("add", "remove", "replace"), ids: fc.uniqueArray(id) });
    fc.assert(
      fc.property(fc.uniqueArray(id), fc.array(operation, { minLength: 1, maxLength: 6 }), (current, operations) => {
        const expected = operations.reduce<ReadonlySet<string>>((set, { op, ids }) => {
          if (op === "add") return set.union(new Set(ids));
          return op === "remove" ? set.difference(new Set(ids)) : new Set(ids);
        }, new Set(current));
        const { members } = patchGroup(
          operations.map(({ op, ids }) => ({ op, path: "members", value: ids.map((value) => ({ value })) })),
        );
        if (members === undefined) throw new Error("no delta");
        const base = new Set(members.clear ? [] : current);
        const actual = base.difference(new Set(members.remove)).union(new Set(members.add.map(({ value }) => value)));
        expect([...actual].toSorted()).toEqual([...expected].toSorted());
        expect(members.add.filter(({ value }) => members.remove.includes(value))).toEqual([]);
      }),
    );
  });
});
