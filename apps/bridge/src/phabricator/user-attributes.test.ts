import { sshKeysSchema } from "@branchward/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Account } from "./accounts.ts";
import { findEmail, observe, toAccountEdit, toPendingAttributes, toRealName, toUserName } from "./user-attributes.ts";

const naming = { attribute: "userName", part: "whole", case: "keep" } as const;
const account: Account = {
  phid: "PHID-USER-aaaaaaaaaaaaaaaaaaaa",
  userName: "alice",
  realName: "Alice",
  email: "alice@example.com",
  isEmailVerified: true,
  isDisabled: false,
  isApproved: true,
  isBot: false,
  sshKeys: ["ssh-ed25519 AAAA laptop"],
  createdAt: 0,
};
const described = { userName: "alice", displayName: "Alice", emails: [{ value: "Alice@Example.com" }] };

describe("what of a SCIM User an account of Phabricator holds", () => {
  it("takes the most deliberate name and the primary address", () => {
    expect(toRealName({ userName: "a", displayName: "D", name: { formatted: "F" } })).toBe("D");
    expect(toRealName({ userName: "a", name: { givenName: "G", familyName: "H" } })).toBe("G H");
    expect(toRealName({ userName: "a" })).toBe("a");
    const emails = [{ value: "1@x" }, { value: "2@x", type: "work" }, { value: "3@x", primary: true }];
    expect(findEmail({ emails })).toBe("3@x");
    expect(findEmail({ emails: emails.slice(0, 2) })).toBe("2@x");
    expect(findEmail({})).toBeUndefined();
  });

  it("asks for no change where the account is as described", () => {
    expect(toAccountEdit(account, { before: described, after: described, naming })).toEqual({});
  });

  it("asks for exactly what differs, and says nothing of keys where the attributes say nothing", () => {
    const after = { ...described, userName: "Alice", active: false, password: "secret" };
    const edit = toAccountEdit(account, { before: described, after, naming });
    expect(edit).toEqual({ userName: "Alice", isDisabled: true, vcsPassword: "secret" });
  });

  it("does not compare what the server does not tell", () => {
    const { email: _email, sshKeys: _keys, ...told } = account;
    const untold = { ...told, email: undefined, sshKeys: undefined };
    expect(toAccountEdit(untold, { before: described, after: described, naming })).toEqual({});
    const moved = { ...described, emails: [{ value: "new@example.com" }] };
    expect(toAccountEdit(untold, { before: described, after: moved, naming })).toEqual({ email: "new@example.com" });
  });

  it("shows what the account is, whatever was said", () => {
    const shown = observe(
      { ...described, active: true, password: "secret" },
      { ...account, userName: "bob", realName: "Bob", email: "bob@example.com", isDisabled: true },
      naming,
    );
    expect(shown).toMatchObject({ userName: "bob", displayName: "Bob", active: false });
    expect(shown).toMatchObject({ emails: [{ value: "bob@example.com", primary: true }] });
    expect(shown).not.toHaveProperty("password");
    expect(observe({ ...described, active: true }, { ...account, isApproved: false }, naming)).toMatchObject({
      active: false,
    });
  });

  it("shows the keys of whom they let in, and again when their account is enabled", () => {
    const keys = { [sshKeysSchema]: { keys: [{ value: "ssh-ed25519 AAAA laptop" }] } };
    const active = observe(described, account, naming);
    expect(active).toMatchObject(keys);
    const disabled = { ...account, isDisabled: true };
    expect(observe({ ...active, active: false }, disabled, naming)).toMatchObject(keys);
    const taken = observe({ ...described, active: false }, disabled, naming);
    expect(taken).not.toHaveProperty([sshKeysSchema]);
    const after = { ...taken, active: true, ...keys };
    expect(toAccountEdit(disabled, { before: taken, after, naming })).toEqual({ isDisabled: false });
  });

  it("shows a user without an account as inactive and without its password", () => {
    const pending = toPendingAttributes({ ...described, active: true, password: "secret" });
    expect(pending).toMatchObject({ userName: "alice", active: false });
    expect(pending).not.toHaveProperty("password");
  });

  it("lets no name through that Phabricator or a rule could read otherwise", () => {
    const isPlain = (name: string): boolean =>
      /^\w[\w.-]{0,63}$/.test(name) && !name.endsWith(".") && !name.toLowerCase().startsWith("branchward-");
    fc.assert(fc.property(fc.string(), (name) => takes(name) === isPlain(name)));
    const look = fc.stringMatching(/^[a-z@!=#[+. \u0430\n-]{1,6}$/);
    fc.assert(fc.property(look, (name) => takes(name) === isPlain(name)));
    expect(takes("alice.b-c_1")).toBe(true);
  });

  it("shows, and then asks for nothing, whatever was described before", () => {
    const attributes = fc.record(
      {
        displayName: fc.string(),
        emails: fc.array(fc.record({ value: fc.string(), primary: fc.boolean() })),
        active: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(attributes, fc.boolean(), (said, isDisabled) => {
        const found = { ...account, isDisabled };
        const shown = observe({ userName: "alice", ...said }, found, naming);
        expect(toAccountEdit(found, { before: shown, after: shown, naming })).toEqual({});
      }),
    );
  });
});

function takes(userName: string): boolean {
  try {
    return toUserName(naming, { userName }) === userName;
  } catch {
    return false;
  }
}
