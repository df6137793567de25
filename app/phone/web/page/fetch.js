// Fetches from the update server without waiting or storing without bound, whoever answers there.

/** How long a server may say nothing, in milliseconds. */
const IDLE_MS = 30_000;

/**
 * What stands at `path`, of at most `most` bytes. `progress(received)` is told as they come. Throws when the server
 * cannot be reached, refuses, falls silent for too long, or sends more.
 */
export async function fetchBytes(path, { most, progress = () => undefined, cache = "default", get = fetch, idle = IDLE_MS }) {
  const stop = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Error("the server says nothing")), idle);
  };
  alive();
  try {
    const response = await get(path, { cache, credentials: "omit", signal: stop.signal });
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    const bytes = new Uint8Array(most);
    let received = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return bytes.subarray(0, received);
      if (received + value.length > most) throw new Error("the server sends more than it should");
      alive();
      bytes.set(value, received);
      received += value.length;
      progress(received);
    }
  } finally {
    clearTimeout(timer);
    // Nobody reads on, however it ended.
    stop.abort();
  }
}
