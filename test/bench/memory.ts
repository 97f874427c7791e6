import { readdir, readFile } from "node:fs/promises";

/** Sum of the proportional set sizes of a process and all below it, in MB (Linux). */
export async function measureMemory(rootPid: number): Promise<number> {
  const children = new Map<number, number[]>();
  for (const name of await readdir("/proc")) {
    const stat = /^\d+$/u.test(name) ? await read(`/proc/${name}/stat`) : "";
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    if (Number.isInteger(parent)) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const pending = [rootPid];
  let kilobytes = 0;
  for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) {
    pending.push(...(children.get(pid) ?? []));
    kilobytes += Number(/^Pss:\s+(\d+)/mu.exec(await read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
  }
  return kilobytes / 1024;
}

/** Empty when the process has ended meanwhile. */
function read(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}
