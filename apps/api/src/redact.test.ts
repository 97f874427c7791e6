import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { redact } from "./redact.ts";

describe("a body shown", () => {
  it.each([
    [{ secret: "x" }, { secret: "[redacted]" }],
    [
      { hook: { config: { client_secret: "x", apiKey: 7 } } },
      { hook: { config: { client_secret: "[redacted]", apiKey: "[redacted]" } } },
    ],
    [{ tokens: ["a", "b"] }, { tokens: "[redacted]" }],
    [
      { has_token: true, token: null },
      { has_token: true, token: null },
    ],
    [{ access_tokens_url: "https://api.github.com/x" }, { access_tokens_url: "https://api.github.com/x" }],
    [[{ message: "use ghp_0123456789abcdefghij0123" }], [{ message: "use [redacted]" }]],
    ["https://alice:pw@git.example.com/a.git", "https://[redacted]@git.example.com/a.git"],
    ["clone from ssh://git:k3y@host/x now", "clone from ssh://[redacted]@host/x now"],
    ["https://x.example/?a=1&access_token=abc&b=2", "https://x.example/?a=1&access_token=[redacted]&b=2"],
    ["mail alice@example.com", "mail alice@example.com"],
    [
      { ref: "refs/heads/secret-project", id: 3 },
      { ref: "refs/heads/secret-project", id: 3 },
    ],
  ])("%j as %j", (value, shown) => {
    expect(redact(value)).toEqual(shown);
  });

  it("never holds what stands under a key that names a secret, however deep", () => {
    const key = fc.constantFrom("password", "webhookSecret", "x-hub-signature", "Authorization", "private_key");
    fc.assert(
      fc.property(key, fc.uuid(), fc.array(fc.constantFrom("a", "b"), { maxLength: 5 }), (name, secret, path) => {
        const body = path.reduce<unknown>((inner, step) => ({ [step]: [inner] }), { [name]: { value: secret } });
        expect(JSON.stringify(redact(body))).not.toContain(secret);
      }),
    );
  });
});
