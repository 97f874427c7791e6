import { describe, expect, it } from "vitest";
import { ScimError } from "../error.ts";
import type { JsonObject } from "../json.ts";
import { createUserType } from "../schema/core-types.ts";
import { attribute, type SchemaDefinition } from "../schema/definitions.ts";
import { bindFilter } from "./bind.ts";
import { compareByAttribute, matchesFilter } from "./evaluate.ts";
import { parseFilter } from "./parser.ts";

const badge: SchemaDefinition = {
  id: "urn:example:Badge",
  name: "Badge",
  description: "A badge",
  attributes: [
    attribute({ name: "number", description: "number", type: "integer" }),
    attribute({ name: "issued", description: "issued", type: "dateTime" }),
    attribute({ name: "doors", description: "doors", multiValued: true, caseExact: true }),
  ],
};
const type = createUserType([badge]);
const user: JsonObject = {
  id: "2819c223",
  externalId: "Ext-1",
  userName: "BJensen",
  active: true,
  name: { familyName: "Straße", givenName: "Barbara" },
  emails: [
    { value: "bj@work.example", type: "work", primary: true },
    { value: "bj@home.example", type: "home" },
  ],
  meta: { created: "2026-01-02T03:04:05.000Z" },
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { manager: { value: "26118915" } },
  "urn:example:Badge": { number: 7, issued: "2026-01-01T12:00:00+02:00", doors: ["North"] },
};
const matches = (text: string): boolean => matchesFilter(bindFilter(type, parseFilter(text)), user);

describe("matchesFilter", () => {
  it.each([
    'userName eq "bjensen"',
    'USERNAME EQ "BJENSEN"',
    'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "bj"',
    'name.familyName eq "STRASSE"',
    'name.familyName co "RASS"',
    'name.givenName ew "ARA"',
    'externalId eq "Ext-1"',
    'externalId ne "ext-1"',
    "active eq true",
    'active eq "True"',
    "not (active eq false)",
    "name pr",
    "emails pr",
    "emails.type pr",
    'emails co "@HOME."',
    'emails.value eq "bj@work.example"',
    'emails[type eq "work" and value ew "work.example"]',
    'emails[not (type eq "work")]',
    'emails[primary eq true].value eq "bj@work.example"',
    'emails.type ne "other"',
    'not (emails[type eq "work" and value ew "home.example"])',
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "26118915"',
    'id eq "2819c223" and manager eq "26118915"',
    'manager.value eq "26118915"',
    "title eq null",
    "userName ne null",
    'title ne "Boss"',
    'meta.created ge "2026-01-02T04:04:05+01:00"',
    'meta.created lt "2026-01-02T03:04:05.001Z"',
    "urn:example:Badge:number gt 6.5",
    "urn:example:Badge:number eq 7.0",
    'urn:example:Badge:issued eq "2026-01-01T10:00:00Z"',
    'urn:example:Badge:doors eq "North"',
    'userName gt "a" and userName lt "c"',
  ])("finds the user by %s", (text) => {
    expect(matches(text)).toBe(true);
  });

  it.each([
    'externalId eq "ext-1"',
    'userName eq "bjense"',
    "active eq false",
    "title pr",
    'title gt "a"',
    'emails.type ne "work"',
    'emails[type eq "work" and value ew "home.example"]',
    'urn:example:Badge:doors eq "north"',
    "urn:example:Badge:number lt 7",
    "not (userName pr)",
  ])("does not find the user by %s", (text) => {
    expect(matches(text)).toBe(false);
  });
});

describe("bindFilter", () => {
  it.each([
    "__proto__ pr",
    '__proto__.polluted eq "x"',
    "constructor.prototype pr",
    'constructor eq "x"',
    "toString pr",
    "name.constructor pr",
    "name.familyName.x pr",
    "emails[__proto__ pr]",
    "emails[value[type pr]]",
    "userName[value pr]",
    "unknown pr",
    "urn:unknown:userName pr",
    "urn:example:Badge pr",
    'password eq "x"',
    "password pr",
    'meta.version eq "1"',
    "meta pr",
    "active gt true",
    'active co "t"',
    'active eq "yes"',
    "userName eq 1",
    "userName gt null",
    'name eq "x"',
    'urn:example:Badge:number eq "7"',
    "urn:example:Badge:number co 7",
    'meta.created eq "yesterday"',
    'meta.created sw "2026"',
  ])("refuses %s", (text) => {
    const refusal = (): unknown => matches(text);
    expect(refusal).toThrow(ScimError);
    expect(refusal).toThrow(expect.objectContaining({ status: 400, scimType: "invalidFilter" }));
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });
});

describe("compareByAttribute", () => {
  it("sorts by the primary value, text by code point without regard to case, missing values last", () => {
    const target = type.findTarget("emails.value");
    if (target?.kind !== "attribute") throw new Error("no such attribute");
    const users: readonly JsonObject[] = [
      {},
      { emails: [{ value: "B" }] },
      { emails: [{ value: "z" }, { value: "a", primary: true }] },
      { emails: [{ value: "\u{1f600}" }] },
      { emails: [{ value: "\uffee" }] },
    ];
    const sorted = users.toSorted((left, right) => compareByAttribute(target, left, right));
    expect(sorted).toEqual([users[2], users[1], users[4], users[3], users[0]]);
  });
});
