/** Makes a function that runs tasks one at a time, in the order in which they came. */
export function createLock(): <Result>(task: () => Promise<Result>) => Promise<Result> {
  const state: { last: Promise<unknown> } = { last: Promise.resolve() };
  return (task) => {
    const run = state.last.then(task, task);
    state.last = run.catch(() => undefined);
    return run;
  };
}
