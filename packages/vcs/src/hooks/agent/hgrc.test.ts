import { describe, expect, it } from "vitest";
import { parseSettings } from "./hgrc.js";

describe("an hgrc", () => {
  it("gives its settings by section, the last one holding", () => {
    const text =
      "%include x\n[ui]\n# username = no\nusername = Alice <a@example.com> \nusername=Bob\n  more\n[paths]\ndefault=/x = y\n";
    expect([...parseSettings(text)]).toEqual([
      ["ui.username", "Bob"],
      ["paths.default", "/x = y"],
    ]);
  });
});
