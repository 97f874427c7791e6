import { expect, it } from "vitest";
import { parseInstant } from "./instant.ts";

it.each([
  ["2026-12-31", "2026-12-31T00:00:00.000Z"],
  ["2026-12-31T18:00:00Z", "2026-12-31T18:00:00.000Z"],
  ["2026-12-31T18:00+02:00", "2026-12-31T16:00:00.000Z"],
  ["2026-12-31T18:00:00.250Z", "2026-12-31T18:00:00.250Z"],
  ["2028-02-29T00:00:00Z", "2028-02-29T00:00:00.000Z"],
])("%s is an instant", (text, instant) => {
  expect(parseInstant(text)?.toISOString()).toBe(instant);
});

it.each([
  "2026-02-30",
  "2026-02-30T00:00:00Z",
  "2026-02-29T12:00:00+01:00",
  "2026-13-01",
  "2026-12-31T25:00:00Z",
  "2026-12-31T18:00:00",
  "2026-12-31 18:00:00Z",
  "31.12.2026",
  "5",
  "tomorrow",
  "",
])("%j is none", (text) => {
  expect(parseInstant(text)).toBeUndefined();
});
