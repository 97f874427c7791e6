import { Socket } from "node:net";

/**
 * A socket that sends in one piece what is written within one turn of the event loop. For pg, which corks its socket for
 * each statement: a system call, and waking the server, cost as much as a small statement does.
 */
export class BatchedSocket extends Socket {
  #isHeld = false;

  override cork(): void {
    super.cork();
    if (this.#isHeld) return;
    this.#isHeld = true;
    super.cork();
    process.nextTick(() => {
      this.#isHeld = false;
      this.uncork();
    });
  }
}
