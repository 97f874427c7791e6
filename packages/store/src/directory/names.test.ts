import { foldDisplayName, foldName } from "@branchward/core";
import { foldCase } from "@branchward/scim";
import fc from "fast-check";
import { expect, it } from "vitest";

it("names of groups fold in plans and as uniqueness as they do in filters, but for outer space and width", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (name) => {
      fc.pre(!/[\uff01-\uffee]/u.test(name));
      expect(foldDisplayName(name)).toBe(foldCase(name.trim()));
    }),
  );
});

it("names of users fold in policy as they do in the directory", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" })), (name) => {
      expect(foldName(name)).toBe(foldCase(name));
    }),
  );
});
