import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { fetchBytes } from "../page/fetch.js";

/** Lets promises that are settled go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A server whose words are said one by one; `signal` ends it, as it does in browsers. */
function server() {
  const said = {};
  const get = async (path, { signal }) => {
    const body = new ReadableStream({
      start: (to) => {
        said.to = to;
        signal.addEventListener("abort", () => {
          said.left = true;
          to.error(signal.reason);
        });
      },
    });
    return new Response(body);
  };
  return { said, get };
}

test("what arrives is what was sent, and how far it is shows", async () => {
  const { said, get } = server();
  const seen = [];
  const fetched = fetchBytes("x", { most: 6, get, progress: (received) => seen.push(received) });
  await settle();
  said.to.enqueue(new Uint8Array([1, 2]));
  said.to.enqueue(new Uint8Array([3, 4, 5]));
  said.to.close();
  assert.deepEqual([...(await fetched)], [1, 2, 3, 4, 5]);
  assert.deepEqual(seen, [2, 5]);
});

test("a server that falls silent is given up; one that is slow is not", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { said, get } = server();
  const fetched = fetchBytes("x", { most: 100, get, idle: 1_000 });
  const ended = mock.fn();
  fetched.catch(ended);
  await settle();
  for (let piece = 0; piece < 5; piece += 1) {
    context.mock.timers.tick(999);
    said.to.enqueue(new Uint8Array([piece]));
    await settle();
  }
  assert.equal(ended.mock.callCount(), 0);
  context.mock.timers.tick(1_000);
  await assert.rejects(fetched, /says nothing/);
  assert.ok(said.left);
});

test("a server that never begins to answer is given up, too", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const get = (path, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const fetched = fetchBytes("x", { most: 1, get, idle: 1_000 });
  context.mock.timers.tick(1_000);
  await assert.rejects(fetched, /says nothing/);
});

test("more than there may be is not stored, and no refusal is taken for an answer", async () => {
  const { said, get } = server();
  const fetched = fetchBytes("x", { most: 3, get });
  await settle();
  said.to.enqueue(new Uint8Array(4));
  await assert.rejects(fetched, /more than it should/);
  assert.ok(said.left);
  await assert.rejects(fetchBytes("x", { most: 3, get: async () => new Response("no", { status: 404 }) }), /404/);
});
