import { describe, expect, it } from "vitest";
import { onReloadSignal } from "./shutdown.ts";

describe("SIGHUP", () => {
  it("asks to read the configuration again, each time, until the process goes down", () => {
    const asked: string[] = [];
    const closing = new AbortController();
    onReloadSignal(() => void asked.push("read"), closing.signal);
    process.emit("SIGHUP", "SIGHUP");
    process.emit("SIGHUP", "SIGHUP");
    expect(asked).toHaveLength(2);
    closing.abort();
    process.emit("SIGHUP", "SIGHUP");
    expect([asked.length, process.listenerCount("SIGHUP")]).toEqual([2, 0]);
  });
});
