import { describe, expect, it } from "vitest";
import { AppError, NotFoundError, UnavailableError, UpstreamError } from "./errors.ts";

describe("errors", () => {
  it("have a code of their class that the thrower may make more precise", () => {
    expect(new NotFoundError("no branch").code).toBe("not_found");
    expect(new NotFoundError("no branch", { code: "unknown_branch" })).toMatchObject({
      name: "NotFoundError",
      code: "unknown_branch",
      retry: "never",
      expose: true,
      details: {},
    });
  });

  it("say whether to try again, and keep to themselves what an upstream said", () => {
    expect(new UnavailableError("database away").retry).toBe("backoff");
    const cause = new Error("socket");
    const error = new UpstreamError("429", { retry: { afterMs: 5_000 }, cause });
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: "upstream_failed", retry: { afterMs: 5_000 }, expose: false, cause });
  });
});
