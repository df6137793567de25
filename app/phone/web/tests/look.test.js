import assert from "node:assert/strict";
import { test } from "node:test";

import { look, notification, untold } from "../page/look.js";

const RUNNING = { vendor: "v", class: "c", version: "1.0.0+0", counter: 1, image: "aa", floor: 1, confirmed: true };
const UPDATE = { version: "2.0.0+0", digest: "bb" };
const answers = (body, ok = true) => async () => ({ ok, json: async () => body });

test("the server is told hardware, version and counter, and nothing else", async () => {
  let asked;
  const get = async (url, options) => {
    asked = { url: new URL(url, "http://server"), options };
    return { ok: true, json: async () => ({ update: UPDATE }) };
  };
  assert.deepEqual(await look(RUNNING, { get }), UPDATE);
  assert.equal(asked.url.pathname, "/owner/v1/update");
  assert.deepEqual(Object.fromEntries(asked.url.searchParams), { vendor: "v", class: "c", version: "1.0.0+0", counter: "1" });
  assert.equal(asked.options.credentials, "omit");
});

test("no update is no update, whatever else the answer is", async () => {
  for (const body of [{ update: null }, {}, null]) assert.equal(await look(RUNNING, { get: answers(body) }), undefined);
});

test("a server that is away, refuses or talks nonsense cannot be asked now", async () => {
  const away = async () => {
    throw new TypeError("Failed to fetch");
  };
  const nonsense = async () => ({ ok: true, json: async () => JSON.parse("<html>") });
  for (const get of [away, answers({}, false), nonsense]) await assert.rejects(look(RUNNING, { get }), /cannot be asked now/);
});

test("each update is news once for each lock", async () => {
  const facts = new Map();
  const store = { fact: async (name) => facts.get(name), saveFact: async (name, value) => facts.set(name, value) };
  const ids = async (updates) => (await untold(new Map(Object.entries(updates)), store)).map(([id]) => id);
  assert.deepEqual(await ids({ home: UPDATE }), ["home"]);
  assert.deepEqual(await ids({ home: UPDATE }), []);
  assert.deepEqual(await ids({ home: UPDATE, shed: UPDATE }), ["shed"]);
  assert.deepEqual(await ids({ home: { ...UPDATE, digest: "cc" }, shed: UPDATE }), ["home"]);
  assert.deepEqual(await ids({}), []);
  assert.match(notification(["Home", "Shed"])[1].body, /Home and Shed/);
});
