/** Loaded first into a child of run-program.js: ends it when its parent is killed, as `kill -9` of the child itself would. */
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.channel?.unref();
