import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Machine } from "../page/machine.js";

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A machine whose steps are what it is given, and whose time is `clock.now`. */
function machine({ steps = {}, deadline = () => undefined, failed = assert.fail } = {}) {
  const done = [];
  const clock = { now: 0 };
  const inner = { deadline, tick: (at) => `tick at ${at}` };
  const perform = async (step) => {
    done.push(step);
    await settle();
    return steps[step];
  };
  const made = new Machine(inner, { perform, failed, clock: () => clock.now });
  return { made, done, clock };
}

test("events are taken one after the other, each with all its steps", async () => {
  const { made, done } = machine({ steps: { a: "a2", a2: "a3" } });
  await Promise.all([made.take(() => "a"), made.take(() => "b")]);
  assert.deepEqual(done, ["a", "a2", "a3", "b"]);
});

test("the time that it asks for comes, and not too early", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const deadlines = [1_000.4, undefined];
  const { made, done, clock } = machine({ deadline: () => deadlines.shift() });
  await made.take(() => undefined);
  clock.now = 1_000;
  context.mock.timers.tick(1_000);
  await settle();
  assert.deepEqual(done, []);
  clock.now = 1_001;
  context.mock.timers.tick(1);
  await settle();
  assert.deepEqual(done, ["tick at 1001"]);
});

test("a step that should not have failed is told, and the next event is taken all the same", async () => {
  const failed = mock.fn();
  const { made, done } = machine({ failed });
  await assert.rejects(made.take(() => {
    throw new Error("odd");
  }));
  await made.take(() => "on");
  assert.equal(failed.mock.callCount(), 1);
  assert.deepEqual(done, ["on"]);
});

test("once stopped, nothing goes in any more and nothing is told", async () => {
  const failed = mock.fn();
  const { made, done } = machine({ failed, deadline: () => 0 });
  made.stop();
  await made.take(() => assert.fail());
  await settle();
  assert.deepEqual(done, []);
  assert.equal(failed.mock.callCount(), 0);
});
