/** How GitHub names the branches of its merge queues (docs.github.com, "Managing a merge queue"). */

/** `gh-readonly-queue/<base branch>/pr-<number>-<revision>`: a base may hold slashes, the last part does not. */
const queuePattern = /^gh-readonly-queue\/(.+)\/pr-[^/]+$/s;

/** The branch that the group of this temporary branch would be merged into; undefined for any other name. */
export function findQueueBase(name: string): string | undefined {
  return queuePattern.exec(name)?.[1];
}
