/** Plans one change against the database given, and prints milliseconds, the peak of its memory in MB, and the milliseconds that its processor worked. */
import { readFile } from "node:fs/promises";
import { parsePolicy } from "@branchward/core";
import { connectDatabase, makePolicyPlan } from "@branchward/store";
import { benchPolicy, CHANGES } from "./plan.ts";

const [, , url = "", change = ""] = process.argv;
await using connection = connectDatabase({ url, max: 2, onError: () => undefined });
const parsed = parsePolicy(CHANGES[change]?.(benchPolicy("")) ?? "", "branchward.yaml");
if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
const [startedAt, usedBefore] = [performance.now(), process.cpuUsage()];
const { plan } = await makePolicyPlan(connection.db, { policy: parsed.policy, endpoints: ["directory"] });
const ms = performance.now() - startedAt;
const { user, system } = process.cpuUsage(usedBefore);
if (plan.branches === 0) throw new Error("nothing was planned");
const status = await readFile("/proc/self/status", "utf8");
const peakKb = Number(/^VmHWM:\s+(\d+)/mu.exec(status)?.[1] ?? 0);
process.stdout.write(`${ms} ${peakKb / 1024} ${(user + system) / 1_000}`);
