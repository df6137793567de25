// Does something at start, and then once a day: however long the page stays open, and when somebody comes back to it
// after a night in a pocket, in which no timer ran.

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Runs `work` now, and when a day has passed since it last came to something. It is looked at every hour, and whenever
 * `woken(again)` calls `again`. Gives what ends it.
 */
export function daily(work, { woken = wakeUps, now = () => Date.now(), every = setInterval, stop = clearInterval } = {}) {
  let last = -Infinity;
  let running = false;
  const look = async () => {
    // A clock that was put back has not lived through a day; it starts anew.
    if (running || (now() >= last && now() - last < DAY_MS)) return;
    running = true;
    try {
      await work();
      last = now();
    } catch {
      // There was no network, say: in an hour, or when somebody comes back.
    } finally {
      running = false;
    }
  };
  const timer = every(look, HOUR_MS);
  const asleep = woken(look);
  look();
  return () => {
    stop(timer);
    asleep();
  };
}

function wakeUps(again) {
  const seen = () => document.visibilityState === "visible" && again();
  document.addEventListener("visibilitychange", seen);
  addEventListener("online", again);
  return () => {
    document.removeEventListener("visibilitychange", seen);
    removeEventListener("online", again);
  };
}
