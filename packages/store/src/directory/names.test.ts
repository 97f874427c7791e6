import { foldDisplayName } from "@branchward/core";
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
