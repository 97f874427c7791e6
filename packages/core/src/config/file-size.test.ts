import { describe, expect, it } from "vitest";
import { MAX_CONFIGURATION_BYTES } from "./file-size.ts";
import { parseConfiguration } from "./parse-configuration.ts";

describe("the size of a configuration", () => {
  it("counts in bytes, and is told with its limit where it is above", () => {
    const comment = "policy: [] #";
    const largest = comment + "\u00e9".repeat((MAX_CONFIGURATION_BYTES - comment.length) / 2);
    expect(Buffer.byteLength(largest)).toBe(MAX_CONFIGURATION_BYTES);
    expect(parseConfiguration(largest, "branchward.yaml")).toHaveProperty("configuration");
    expect(parseConfiguration(`${largest}x`, "branchward.yaml")).toMatchObject({
      problems: [{ line: 1, message: "the file has 1000001 bytes; a configuration has at most 1000000" }],
    });
  });
});
