import { expect, it } from "vitest";
import { toOneLine } from "./one-line.ts";

it.each([
  ["a carriage return and an erased line", "x\r\u001b[2Kapproved", "x\ufffd\ufffd[2Kapproved"],
  ["a line of its own", "x\napproved\u2028so", "x\ufffdapproved\ufffdso"],
  ["a control sequence of one character", "x\u009b31mred", "x\ufffd31mred"],
  ["another direction of writing", "x\u202eyb", "x\ufffdyb"],
  ["a bell, a tab and nothing", "\u0007\t\u0000", "\ufffd\ufffd\ufffd"],
])("text with %s steers no terminal", (_, text, shown) => {
  expect(toOneLine(text)).toBe(shown);
});

it("other text stays as it is, whatever it is written in", () => {
  const text = "José straße e\u0301 日本語 🏳️‍🌈 a  b";
  expect(toOneLine(text)).toBe(text);
});
