// What is done again when a connection breaks, and what is not.

/** How often something is tried whose connection gets lost without consequences. */
const TRIES = 4;
/** How long a lock is left alone after a connection was lost, in milliseconds: times the number of the attempt. */
const PAUSE_MS = 500;

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Does `work`, and again while nothing but the connection fails and the lock is certain to be as it was. */
export async function persevere(work, { tries = TRIES, wait = pause } = {}) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await work(tried);
    } catch (error) {
      if (!error.lost || error.unknownEffect || tried >= tries) throw error;
      await wait(PAUSE_MS * tried);
    }
  }
}
