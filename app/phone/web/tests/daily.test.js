import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { daily } from "../page/daily.js";

const HOUR_MS = 60 * 60 * 1000;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_790_000_000_000 });
});

/** Lets promises that are settled go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

async function live(hours) {
  for (let hour = 0; hour < hours; hour += 1) {
    mock.timers.tick(HOUR_MS);
    await settle();
  }
}

function begin(work) {
  let wake;
  const end = daily(work, {
    woken: (again) => {
      wake = again;
      return () => (wake = () => undefined);
    },
  });
  return { end, wake: () => wake() };
}

test("it looks at once, and once a day for as long as it stays open", async () => {
  const work = mock.fn(async () => undefined);
  begin(work);
  await settle();
  assert.equal(work.mock.callCount(), 1);
  await live(23);
  assert.equal(work.mock.callCount(), 1);
  await live(1);
  assert.equal(work.mock.callCount(), 2);
  await live(24 * 7);
  assert.equal(work.mock.callCount(), 9);
});

test("who comes back after a day in which no timer ran has it looked at once, and before that not", async () => {
  const work = mock.fn(async () => undefined);
  const { wake } = begin(work);
  await settle();
  mock.timers.setTime(Date.now() + 23 * HOUR_MS);
  wake();
  await settle();
  const before = work.mock.callCount();
  mock.timers.setTime(Date.now() + HOUR_MS);
  wake();
  wake();
  await settle();
  assert.equal(work.mock.callCount(), before + 1);
});

test("what comes to nothing is tried again in an hour, not in a day", async () => {
  const work = mock.fn(async () => {
    if (work.mock.callCount() < 2) throw new Error("no network");
  });
  begin(work);
  await settle();
  await live(1);
  await live(1);
  assert.equal(work.mock.callCount(), 3);
  await live(20);
  assert.equal(work.mock.callCount(), 3);
});

test("a clock that is put back does not stop it", async () => {
  const work = mock.fn(async () => undefined);
  let now = 1_790_000_000_000;
  let wake;
  daily(work, { now: () => now, every: () => undefined, woken: (again) => ((wake = again), () => undefined) });
  await settle();
  now -= 365 * 24 * HOUR_MS;
  wake();
  await settle();
  assert.equal(work.mock.callCount(), 2);
});

test("it ends", async () => {
  const work = mock.fn(async () => undefined);
  const { end, wake } = begin(work);
  await settle();
  end();
  await live(48);
  wake();
  await settle();
  assert.equal(work.mock.callCount(), 1);
});
