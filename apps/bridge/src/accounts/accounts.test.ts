import { sshKeysSchema } from "@branchward/core";
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findNameProblem, toAccountName } from "./account-name.ts";
import { toPasswordHash } from "./password.ts";
import { findKeyProblem, listKeys } from "./ssh-keys.ts";

/** A public key as ssh-keygen writes it. */
function toLine(type: string, ...fields: readonly Buffer[]): string {
  const parts = [Buffer.from(type), ...fields].flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return [length, field];
  });
  return `${type} ${Buffer.concat(parts).toString("base64")}`;
}

function toEd25519(): string {
  const { publicKey } = generateKeyPairSync("ed25519");
  return toLine("ssh-ed25519", publicKey.export({ type: "spki", format: "der" }).subarray(-32));
}

describe("an account's name", () => {
  const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
  const attributes = {
    userName: "Alice.Smith@example.com",
    externalId: "00u1",
    emails: [{ value: "first@example.com" }, { value: "Alice@example.com", primary: true }],
    [enterprise]: { department: "payments", employeeNumber: "42" },
  };

  it.each([
    ["userName", "local", "keep", "Alice.Smith"],
    ["userName", "local", "lower", "alice.smith"],
    ["externalId", "whole", "keep", "00u1"],
    ["emails.value", "local", "lower", "alice"],
    [`${enterprise}:employeeNumber`, "whole", "keep", "42"],
    [`${enterprise}:department`, "whole", "keep", "payments"],
  ] as const)("is made of %s (%s, %s)", (attribute, part, letters, name) => {
    expect(toAccountName({ attribute, part, case: letters }, attributes)).toBe(name);
  });

  it("is refused, with the attribute and the character, where one cannot be made", () => {
    const naming = { attribute: "userName", part: "whole", case: "keep" } as const;
    expect(() => toAccountName(naming, attributes)).toThrow('userName makes no account name: "@" (U+0040)');
    expect(() => toAccountName({ ...naming, attribute: "nickName" }, attributes)).toThrow("nickName is needed");
  });

  it("is never more than one word of a configuration, of a shell and of a password file", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        const isSafe = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$/u.test(name) && !/^branchward-/iu.test(name);
        expect(findNameProblem(name) === undefined).toBe(isSafe);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("an SSH key", () => {
  it("is taken without its comment", () => {
    const key = toEd25519();
    expect(listKeys({ userName: "a", [sshKeysSchema]: { keys: [{ value: `${key} alice@laptop` }] } })).toEqual([key]);
  });

  it.each([
    ["options before it", `restrict ${toEd25519()}`],
    ["a second line", `${toEd25519()}\n${toEd25519()}`],
    ["a key of another type within", toEd25519().replace("ssh-ed25519", "ecdsa-sha2-nistp256")],
    ["a key that is cut short", toEd25519().slice(0, -8)],
    ["a type that is broken", toLine("ssh-dss", Buffer.alloc(128), Buffer.alloc(20))],
    ["too short an RSA modulus", toLine("ssh-rsa", Buffer.from([1, 0, 1]), Buffer.alloc(129, 1))],
    ["nothing in it", ""],
  ])("is refused with %s", (_, text) => {
    expect(findKeyProblem(text)).toBeTypeOf("string");
  });
});

describe("a password", () => {
  it("is kept as bcrypt, and as the same hash when it comes again", async () => {
    const hash = await toPasswordHash("correct horse", undefined);
    expect(hash).toMatch(/^\$2[aby]\$\d{2}\$[./A-Za-z0-9]{53}$/u);
    expect(await toPasswordHash("correct horse", hash)).toBe(hash);
    expect(await toPasswordHash("battery staple", hash)).not.toBe(hash);
  });

  it.each([
    ["is short", "short"],
    ["has more bytes than bcrypt looks at", "ä".repeat(37)],
    ["holds a line break", "password\nroot:x"],
  ])("is refused when it %s", async (_, password) => {
    await expect(toPasswordHash(password, undefined)).rejects.toMatchObject({ status: 400 });
  });
});
