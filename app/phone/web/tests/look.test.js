import assert from "node:assert/strict";
import { test } from "node:test";

import { look, tell } from "../page/look.js";

const RUNNING = { vendor: "v", class: "c", version: "1.0.0+0", counter: 1, image: "aa", floor: 1, confirmed: true };
const UPDATE = { version: "2.0.0+0", digest: "bb" };
const answers = (body, status = 200) => async () => new Response(body, { status });

test("the server is told hardware, version and counter, and nothing else", async () => {
  let asked;
  const get = async (url, options) => {
    asked = { url: new URL(url, "http://server"), options };
    return Response.json({ update: UPDATE });
  };
  assert.deepEqual(await look(RUNNING, { get }), UPDATE);
  assert.equal(asked.url.pathname, "/owner/v1/update");
  assert.deepEqual(Object.fromEntries(asked.url.searchParams), { vendor: "v", class: "c", version: "1.0.0+0", counter: "1" });
  assert.equal(asked.options.credentials, "omit");
});

test("no update is no update, whatever else the answer is", async () => {
  for (const body of ['{"update":null}', "{}", "null"]) assert.equal(await look(RUNNING, { get: answers(body) }), undefined);
});

test("a server that is away, refuses, talks nonsense or without end cannot be asked now", async () => {
  const away = async () => {
    throw new TypeError("Failed to fetch");
  };
  const refuses = answers("{}", 503);
  const nonsense = answers("<html>");
  const endless = answers(new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(10_000).fill(32)) }));
  for (const get of [away, refuses, nonsense, endless]) await assert.rejects(look(RUNNING, { get }), /cannot be asked now/);
});

/** A browser with two locks, and what it shows. */
function browser(permission = "granted") {
  const locks = [{ id: "home", name: "Home" }, { id: "shed", name: "Shed" }];
  const shown = [];
  const store = {
    locks: async () => locks,
    changeLock: async (id, facts) => Object.assign(locks.find((lock) => lock.id === id), facts),
  };
  const worker = { showNotification: async (title, { body }) => shown.push(body) };
  const badge = { count: 0 };
  const navigator = { setAppBadge: (count) => (badge.count = count), clearAppBadge: () => (badge.count = 0) };
  const on = { navigator, Notification: { permission } };
  return { shown, badge, worker, tell: (updates, options) => tell(new Map(Object.entries(updates)), { store, worker, on, ...options }) };
}

test("each update is news once for each lock", async () => {
  const { shown, badge, tell } = browser();
  await tell({ home: UPDATE });
  assert.match(shown.pop(), /update for Home\./);
  await tell({ home: UPDATE });
  assert.deepEqual(shown, []);
  await tell({ home: UPDATE, shed: UPDATE });
  assert.match(shown.pop(), /update for Shed\./);
  const newer = { ...UPDATE, digest: "cc" };
  await tell({ home: newer, shed: newer });
  assert.match(shown.pop(), /Home and Shed/);
  assert.equal(badge.count, 2);
  await tell({});
  assert.deepEqual(shown, []);
  assert.equal(badge.count, 0);
});

test("who sees the page, or wants no notifications, gets none, and a badge all the same", async () => {
  for (const [permission, options] of [["granted", { seen: true }], ["denied", {}], ["default", {}], ["granted", { worker: undefined }]]) {
    const { shown, badge, tell } = browser(permission);
    await tell({ home: UPDATE }, options);
    assert.deepEqual([shown, badge.count], [[], 1]);
  }
});

test("what could not be shown has not been told", async () => {
  const { shown, worker, tell } = browser();
  const { showNotification } = worker;
  worker.showNotification = async () => {
    throw new TypeError("no active worker");
  };
  await assert.rejects(tell({ home: UPDATE }));
  worker.showNotification = showNotification;
  await tell({ home: UPDATE });
  assert.equal(shown.length, 1);
});
