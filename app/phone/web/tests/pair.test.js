import "./stand-ins/hook.js";

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { anew, lock } from "./stand-ins/radio.js";
import { faults, kept } from "./stand-ins/store.js";

const { pair } = await import("../page/lock.js");

const NO_PIN = () => assert.fail("a lock of the first generations pairs without a PIN");

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  anew();
  kept.clear();
  faults.save = undefined;
});

/** What comes of it, however often it waits. */
async function outcome(work) {
  let over = false;
  const ended = work.then((value) => ({ value }), (error) => ({ error })).finally(() => (over = true));
  while (!over) {
    mock.timers.tick(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return ended;
}

/** The lock knows who is paired, and this browser has the one key to it. */
function assertPaired({ value, error }) {
  assert.equal(error, undefined);
  const [[id, record], ...others] = kept;
  assert.deepEqual(others, []);
  assert.equal(value.id, id);
  assert.equal(record.unsure, false);
  assert.deepEqual([...lock.known], [String(record.authorization)]);
  assert.equal(lock.open.size, 0, "connections are closed");
}

test("who pairs is known to the lock, and the lock here", async () => {
  const paired = await outcome(pair("Web app", NO_PIN));
  assertPaired(paired);
  assert.equal(paired.value.pin, undefined);
  assert.deepEqual(lock.heard, ["pair Web app -", "held"]);
});

test("wherever the connection breaks, once or twice, it ends with one key that the lock knows", async () => {
  const places = [0, 1].flatMap((word) => [false, true].map((answered) => ({ word, answered })));
  for (const losses of [...places.map((place) => [place]), ...places.flatMap((first) => places.map((second) => [first, second]))]) {
    anew({ losses: [...losses] });
    kept.clear();
    assertPaired(await outcome(pair("Web app", NO_PIN)));
  }
});

test("a last word that got lost is not said again before the lock was asked", async () => {
  anew({ losses: [{ word: 1, answered: true }] });
  assertPaired(await outcome(pair("Web app", NO_PIN)));
  assert.deepEqual(lock.heard, ["pair Web app -", "held", "ask 1"]);
});

test("what nobody can find out is kept, in doubt, and said to be", async () => {
  for (const answered of [false, true]) {
    anew({ losses: [{ word: 1, answered, then: () => (lock.away = true) }] });
    kept.clear();
    const { error } = await outcome(pair("Web app", NO_PIN));
    assert.match(error.message, /could not be reached.*key is kept.*remove the lock here and pair again/);
    const [[id, record]] = kept;
    assert.equal(error.lock.id, id);
    assert.equal(record.unsure, true);
  }
});

test("what the lock refuses at last leaves nothing here", async () => {
  anew({ refuses: "no" });
  const { error } = await outcome(pair("Web app", NO_PIN));
  assert.match(error.message, /the lock says no/);
  assert.equal(kept.size, 0);
  assert.equal(lock.open.size, 0);
});

test("the lock does not hear that its key is held where it could not be stored", async () => {
  faults.save = new Error("this browser could not store it");
  const { error } = await outcome(pair("Web app", NO_PIN));
  assert.match(error.message, /could not store it/);
  assert.deepEqual(lock.heard, ["pair Web app -"]);
  assert.equal(kept.size, 0);
  assert.equal(lock.known.size, 0);
});

test("a lock of the 5th generation is told the PIN, which its owner types once however often it begins anew", async () => {
  anew({ fifth: true, losses: [{ word: 0, answered: true }, { word: 0, answered: false }] });
  const pin = mock.fn(async () => 654_321);
  const paired = await outcome(pair("Web app", pin));
  assertPaired(paired);
  assert.equal(pin.mock.callCount(), 1);
  assert.equal(paired.value.pin, 654_321);
  assert.deepEqual(lock.heard, ["pair Web app 654321", "pair Web app 654321", "held"]);
});

test("who thinks better of it at the PIN has paired with nothing", async () => {
  anew({ fifth: true });
  const { error } = await outcome(pair("Web app", () => Promise.reject(new Error("thought better of it"))));
  assert.match(error.message, /thought better/);
  assert.deepEqual([lock.heard, lock.open.size, kept.size], [[], 0, 0]);
});
