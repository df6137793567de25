import "./stand-ins/hook.js";

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { facts, images, kept } from "./stand-ins/store.js";

const { administer, app, askWithPin, certain, forget, setClock, welcome } = await import("../page/app.js");

const PIN = 4711;

beforeEach(() => {
  for (const store of [facts, images, kept]) store.clear();
  Object.assign(app, { locks: [], current: undefined, updates: new Map(), interrupted: undefined });
});

/** A lock with this PIN, as pages have it. `asked` is what it heard. */
function lock(id, { pin = 0, clockOff = false, ...facts } = {}) {
  const asked = [];
  const made = {
    id, facts: { ...facts }, states: undefined, asked, disconnect: mock.fn(),
    learn: async (news) => Object.assign(made.facts, news),
    nukiId: async () => "1A2B3C4D",
    ask: async (what) => {
      asked.push(what);
      if (what.pin !== undefined && what.pin !== pin) throw Object.assign(new Error("the PIN is wrong"), { wrongPin: true });
      if (what.ask === "set-time") clockOff = false;
      if (what.ask === "states") made.states = { clockOff };
      return { parts: [] };
    },
  };
  return made;
}

const kinds = ({ asked }) => asked.map(({ ask }) => ask);

test("a PIN is remembered once the lock has taken it, and a wrong one is not", async () => {
  const home = lock("home", { pin: PIN });
  await assert.rejects(askWithPin(home, { ask: "users" }, { pin: 1 }), /wrong/);
  assert.equal(home.pin, undefined);
  await askWithPin(home, { ask: "users" }, { pin: PIN });
  assert.equal(home.pin, PIN);
  await askWithPin(home, { ask: "users" });
  assert.equal(home.asked.at(-1).pin, PIN);
});

test("that no PIN is set is remembered for longer, until the lock finds none wrong", async () => {
  const home = lock("home");
  await askWithPin(home, { ask: "users" }, { pin: 0 });
  assert.equal(home.facts.withoutPin, true);
  const meanwhile = lock("home", { pin: PIN, withoutPin: true });
  await assert.rejects(askWithPin(meanwhile, { ask: "users" }), /wrong/);
  assert.equal(meanwhile.facts.withoutPin, false);
});

test("a clock that is off is set on the way, and one that cannot be keeps nobody from what was asked", async () => {
  const home = lock("home", { withoutPin: true, clockOff: true });
  home.states = { clockOff: true };
  await administer(home, { ask: "users" });
  assert.deepEqual(kinds(home), ["users", "set-time", "states"]);
  home.states = { clockOff: true };
  const { ask } = home;
  home.ask = async (what) => {
    if (what.ask === "set-time") throw new Error("not now");
    return { ...(await ask(what)), parts: ["answer"] };
  };
  assert.deepEqual((await administer(home, { ask: "users" })).parts, ["answer"]);
});

test("a lock that was just paired is asked how it is, and no PIN is guessed", async () => {
  const home = lock("home", { pin: PIN });
  await welcome(home);
  assert.deepEqual(kinds(home), ["states"]);
  const fifth = Object.assign(lock("fifth", { pin: PIN, clockOff: true }), { pin: PIN });
  await welcome(fifth);
  assert.deepEqual(kinds(fifth), ["states", "set-time", "states"]);
});

test("a clock that was set is set, also where the lock cannot be asked any more", async () => {
  const home = lock("home", { withoutPin: true });
  const { ask } = home;
  home.ask = async (what) => (what.ask === "states" ? Promise.reject(new Error("away")) : ask(what));
  await setClock(home);
  assert.deepEqual(kinds(home), ["set-time"]);
});

test("a change in doubt is looked at; where that fails too, nobody is said to know", async () => {
  const lost = () => Promise.reject(Object.assign(new Error("gone"), { lost: true, unknownEffect: true }));
  const show = mock.fn(async () => undefined);
  await assert.rejects(certain(lost(), show), /The list shows what the lock has now\. Look whether/);
  assert.equal(show.mock.callCount(), 1);
  const away = async () => {
    throw new Error("the lock could not be reached");
  };
  await assert.rejects(certain(lost(), away, "Remove it"), /nobody knows whether.*read the list again\. Remove it/);
  await assert.rejects(certain(Promise.reject(new Error("refused")), show), /^Error: refused$/);
  assert.equal(show.mock.callCount(), 1);
  assert.equal(await certain(Promise.resolve("done"), show), "done");
});

test("a lock that is removed leaves nothing behind, and others keep what is theirs", async () => {
  const badges = [];
  const icon = { setAppBadge: async (count) => badges.push(count), clearAppBadge: async () => badges.push(0) };
  Object.defineProperty(globalThis, "navigator", { value: icon, configurable: true });
  const [home, shed] = [lock("home"), lock("shed")];
  const begin = (of, digest) => {
    app.interrupted = { lock: of.id, digest };
    facts.set("install", app.interrupted);
  };
  for (const one of [home, shed]) kept.set(one.id, {});
  app.locks = [home, shed];
  app.updates = new Map([["home", { digest: "both" }], ["shed", { digest: "both" }]]);
  for (const digest of ["both", "file"]) images.add(digest);
  begin(home, "file");
  await forget(home);
  assert.deepEqual([...kept.keys()], ["shed"]);
  assert.equal(app.interrupted, undefined);
  assert.equal(facts.has("install"), false);
  assert.deepEqual([...images], ["both"]);
  assert.deepEqual(app.locks, [shed]);
  assert.equal(home.disconnect.mock.callCount(), 1);

  begin(shed, "both");
  app.locks.push(home);
  await forget(home);
  assert.equal(app.interrupted.lock, "shed");
  assert.ok(facts.has("install") && images.has("both"));
  await forget(shed);
  assert.deepEqual([kept.size, facts.has("install"), images.size, app.locks.length], [0, false, 0, 0]);
  assert.deepEqual(badges, [1, 0], "what the page's icon says follows");
});
