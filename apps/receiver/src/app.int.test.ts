import { createLogger, listen } from "@branchward/runtime";
import { expect, it } from "vitest";
import { createApp } from "./app.ts";

it("refuses deliveries while the process ends, for the moment alone", async () => {
  const app = createApp({
    sources: new Map(),
    findAgent: async () => undefined,
    record: async () => {
      throw new Error("not to be recorded");
    },
    log: createLogger({ level: "silent" }),
    now: () => new Date(),
    closing: AbortSignal.abort(),
  });
  await using listener = await listen(app.callback(), "127.0.0.1", 0);
  const response = await fetch(`${listener.url}/hooks/github`, { method: "POST", body: "{}" });
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "2"]);
  expect(await response.json()).toMatchObject({ code: "closing" });
});
