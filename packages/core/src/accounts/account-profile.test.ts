import { describe, expect, it } from "vitest";
import {
  type AccountOwner,
  type KnownAttributes,
  listProfilePaths,
  planProfileChanges,
  toAccountProfile,
  USUAL_ATTRIBUTES,
} from "./account-profile.ts";
import { sshKeysSchema } from "../scim-extensions.ts";
import { planKeyRemovals } from "./lock-account.ts";

const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

const owner: AccountOwner = {
  id: "u1",
  userName: "alice",
  active: true,
  attributes: {
    name: { givenName: "Alice", familyName: "Adams" },
    displayName: "Alice Adams",
    title: "Engineer",
    emails: [{ value: "alice@example.com", type: "work", primary: true }],
    roles: [{ value: "admin" }],
    password: "secret",
    [ENTERPRISE]: { department: "R&D", manager: { value: "u2" } },
  },
};

const known: KnownAttributes = {
  user: new Set(["name", "displayName", "emails", "roles", "password", "title"]),
  extensions: new Map([[ENTERPRISE, new Set(["department"])]]),
};

describe("the profile of an account", () => {
  it("holds what the endpoint's schemas know of who the person is, and neither rights nor credentials", () => {
    expect(toAccountProfile(owner, known)).toEqual({
      externalId: "u1",
      userName: "alice",
      name: { givenName: "Alice", familyName: "Adams" },
      displayName: "Alice Adams",
      title: "Engineer",
      emails: [{ value: "alice@example.com", type: "work", primary: true }],
      [ENTERPRISE]: { department: "R&D" },
    });
    expect(Object.keys(toAccountProfile(owner, USUAL_ATTRIBUTES))).toEqual([
      "externalId",
      "userName",
      "name",
      "displayName",
      "emails",
    ]);
  });

  it("holds the user's SSH keys where the endpoint knows their extension, and again after they were taken away", () => {
    const keys = [{ value: "ssh-ed25519 AAAA alice@laptop", display: "laptop" }];
    const keyed = { ...owner, attributes: { [sshKeysSchema]: { keys } } };
    expect(toAccountProfile(keyed, known)).not.toHaveProperty([sshKeysSchema]);
    const profile = toAccountProfile(keyed, { ...known, extensions: new Map([[sshKeysSchema, new Set(["keys"])]]) });
    expect(profile).toMatchObject({ [sshKeysSchema]: { keys } });
    const path = `${sshKeysSchema}:keys`;
    expect(planKeyRemovals(profile)).toEqual([{ op: "remove", path }]);
    const { [sshKeysSchema]: _, ...closed } = profile;
    expect(planProfileChanges({ profile, actual: closed, written: [path] })).toEqual([
      { op: "replace", path, value: keys },
    ]);
  });

  it("needs no change where the endpoint has it, with additions of its own and in another order", () => {
    const profile = toAccountProfile(owner, known);
    const actual = {
      ...profile,
      id: "7",
      name: { familyName: "Adams", givenName: "Alice", formatted: "Alice Adams" },
      emails: [{ value: "alice@example.com", type: "work", primary: true, display: "x" }],
      nickName: "Al",
    };
    expect(planProfileChanges({ profile, actual, written: listProfilePaths(profile) })).toEqual([]);
  });

  it("changes what differs, takes away what we wrote and is gone, and leaves the rest", () => {
    const profile = toAccountProfile({ ...owner, userName: "alice.b", attributes: { displayName: "Alice" } }, known);
    const actual = { ...toAccountProfile(owner, known), nickName: "Al" };
    const written = ["userName", "displayName", "title", `${ENTERPRISE}:department`];
    expect(planProfileChanges({ profile, actual, written })).toEqual([
      { op: "replace", path: "userName", value: "alice.b" },
      { op: "replace", path: "displayName", value: "Alice" },
      { op: "remove", path: "title" },
      { op: "remove", path: `${ENTERPRISE}:department` },
    ]);
  });
});

describe("the keys of an account", () => {
  it("are found by what they are called, in extensions too, and only where there are any", () => {
    const ssh = "urn:example:params:scim:schemas:extension:ssh:1.0:User";
    const actual = {
      userName: "alice",
      displayName: "Key Keeper",
      x509Certificates: [{ value: "MII" }],
      sshKeys: [],
      [ssh]: { sshPublicKeys: ["ssh-ed25519 AAAA"], gpg_keys: ["x"], shell: "/bin/sh" },
    };
    expect(planKeyRemovals(actual)).toEqual([
      { op: "remove", path: "x509Certificates" },
      { op: "remove", path: `${ssh}:sshPublicKeys` },
      { op: "remove", path: `${ssh}:gpg_keys` },
    ]);
  });
});
