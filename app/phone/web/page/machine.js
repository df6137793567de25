// Drives a state machine of the Rust half: one event at a time goes in, one step at a time is done, and the time that it
// asks for comes. The same for conversations and installs; what they cannot know of each other is in `perform`.

/** The page's clock, which never goes back. */
export const now = () => performance.now();

export class Machine {
  #queue = Promise.resolve();
  #timer;
  #stopped = false;

  /**
   * `inner` has `deadline()` and `tick(now)`; `perform(step)` does one step and gives the next, or nothing; `failed` gets
   * what should not have happened.
   */
  constructor(inner, { perform, failed, clock = now }) {
    this.inner = inner;
    this.perform = perform;
    this.failed = failed;
    this.clock = clock;
  }

  /** Takes an event: `take((inner, now) => inner.received("smp", bytes, now))`. Gives a promise of its last step. */
  take(event) {
    const turn = this.#queue.then(async () => {
      if (this.#stopped) return;
      let step = event(this.inner, this.clock());
      while (step && !this.#stopped) step = await this.perform(step);
      this.#arm();
    });
    this.#queue = turn.catch((error) => {
      if (!this.#stopped) this.failed(error);
    });
    return turn;
  }

  #arm() {
    clearTimeout(this.#timer);
    const deadline = this.#stopped ? undefined : this.inner.deadline();
    if (deadline === undefined || deadline === null) return;
    // Rounded up: a machine that is told the time too early does nothing and asks again.
    const wait = Math.max(0, Math.ceil(deadline - this.clock()));
    this.#timer = setTimeout(() => this.take((inner, at) => inner.tick(at)).catch(() => undefined), wait);
  }

  /** Nothing goes in any more. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
