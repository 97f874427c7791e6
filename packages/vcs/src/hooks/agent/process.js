const { execFile } = process.getBuiltinModule("node:child_process");

const maxOutputBytes = 256 * 1024 * 1024;

/**
 * Runs a program and resolves with its exit code and what it wrote. Rejects where it could not be run or was killed.
 * @returns {Promise<{ code: number, stdout: Buffer, stderr: string }>}
 */
export async function run(program, args, { cwd, env }) {
  return await new Promise((resolve, reject) => {
    const options = { cwd, env, encoding: "buffer", maxBuffer: maxOutputBytes };
    execFile(program, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === "number") resolve({ code, stdout, stderr: stderr.toString() });
      else reject(error);
    });
  });
}

/** What the program wrote; rejects where it failed. */
export async function read(program, args, options) {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args[0]}: exit ${code}: ${stderr.trim()}`);
  return stdout;
}
