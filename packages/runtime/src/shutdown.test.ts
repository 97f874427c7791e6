import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { join } from "node:path";
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

describe("SIGTERM", () => {
  const module = JSON.stringify(join(import.meta.dirname, "shutdown.ts"));

  /** A process that is told to end, and then waits for `rest`. */
  async function terminate(endWithinMs: number, rest: string) {
    const script = `
      const { openShutdownSignal, waitForAbort } = await import(${module});
      const signal = openShutdownSignal(${endWithinMs});
      const serving = setInterval(() => undefined, 1_000);
      console.log("ready");
      await waitForAbort(signal);
      clearInterval(serving);
      await ${rest};`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const told = text(child.stderr);
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    const [code] = await once(child, "exit");
    return { code, told: await told };
  }

  it("ends a process that waits for what never comes, and says so", async () => {
    const { code, told } = await terminate(50, "new Promise(() => setInterval(() => undefined, 1_000))");
    expect(code).toBe(1);
    expect(told).toContain("not through 0.05 s after the signal to stop");
  });

  it("keeps no process that is through", async () => {
    expect(await terminate(3_600_000, "undefined")).toEqual({ code: 0, told: "" });
  });
});
