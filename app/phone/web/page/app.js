// What all pages share: the locks, which of them is looked at, and its PIN.

import { ask, h } from "./dom.js";
import { Lock, Refused } from "./lock.js";
import * as store from "./store.js";

export const app = {
  locks: [],
  current: undefined,
  /** By lock id: an update that waits, as updates.js has it. */
  updates: new Map(),
  /** While an update is installed, nothing else uses the radio. */
  installing: false,
  /** An install that an owner agreed to and that has not ended: `{ lock, version, notes, digest }`. Stored, too. */
  interrupted: undefined,
};

const listeners = new Set();
export const onChange = (listener) => listeners.add(listener);
export const changed = () => listeners.forEach((listener) => listener());

export async function load() {
  app.locks = (await store.locks()).map((facts) => new Lock(facts));
  app.locks.forEach(watch);
  app.interrupted = await store.fact("install");
  const last = await store.fact("current");
  app.current = app.locks.find((lock) => lock.id === last) ?? app.locks[0];
}

function watch(lock) {
  lock.addEventListener("change", changed);
  lock.addEventListener("connecting", changed);
}

export function add(lock) {
  app.locks = [...app.locks.filter((other) => other.id !== lock.id), lock];
  watch(lock);
  return choose(lock);
}

/** As [add], for a pairing that the lock has confirmed: what this browser held of that lock before is not needed any more. */
export async function replace(lock) {
  const before = app.locks.filter((other) => other !== lock && other.facts.uuid === lock.facts.uuid);
  await add(lock);
  for (const other of before) await forget(other);
}

export async function choose(lock) {
  app.current?.disconnect();
  app.current = lock;
  if (lock) await store.saveFact("current", lock.id);
  changed();
}

export async function forget(lock) {
  lock.disconnect();
  await store.forgetLock(lock.id);
  app.locks = app.locks.filter((other) => other !== lock);
  app.updates.delete(lock.id);
  if (app.current === lock) await choose(app.locks[0]);
}

/** The security PIN: none where none was set, else what the owner typed in since the page was loaded, or does now. */
export async function pinOf(lock) {
  lock.pin ??= lock.facts.withoutPin ? NO_PIN : await askForPin();
  return lock.pin;
}

/** What a lock takes on which none was set. */
const NO_PIN = 0;

export function askForPin() {
  const input = h("input", { id: "pin", type: "password", inputmode: "numeric", autocomplete: "off", pattern: "[0-9]{0,6}", maxlength: "6", "aria-describedby": "pin-hint" });
  return ask({
    id: "pin",
    title: "Security PIN",
    yes: "Go on",
    body: h("div", {}, h("label", { for: "pin" }, "The lock’s security PIN"),
      h("p", { class: "hint", id: "pin-hint" }, "Leave it empty if none was set. It is kept until you close this page."), input),
    read: () => Number(input.value || NO_PIN),
  });
}

/** Asks something that takes the PIN; a wrong one is forgotten. Sets the lock's clock on the way, if that is off. */
export async function administer(what) {
  const lock = app.current;
  const pin = await pinOf(lock);
  const answer = await forgetIfWrong(lock, lock.ask({ ...what, pin }));
  if (lock.states?.clockOff && what.ask !== "set-time") await setClock(lock).catch(() => undefined);
  return answer;
}

/**
 * The answer to a change. Where the connection was lost and nobody knows whether the lock has changed, has the page show
 * what is so before it complains.
 */
export async function certain(answer, show, hint = "Look whether it is there before you try again") {
  try {
    return await answer;
  } catch (error) {
    if (!error.unknownEffect) throw error;
    await show();
    throw new Error(`the connection was lost on the way. The list shows what the lock has now. ${hint}`);
  }
}

async function forgetIfWrong(lock, answer) {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Refused && error.wrongPin) {
      lock.pin = undefined;
      await lock.learn({ withoutPin: false });
    }
    throw error;
  }
}

/** Sets the lock's clock by this device's. */
export async function setClock(lock) {
  const pin = await pinOf(lock);
  await forgetIfWrong(lock, lock.ask({ ask: "set-time", pin, unix: Math.floor(Date.now() / 1000) }));
  await lock.ask({ ask: "states" });
}

/** What is to be done with a lock that has just been paired: it is asked how it is, and its clock is set if it can be. */
export async function welcome(lock) {
  await lock.ask({ ask: "states" });
  await lock.nukiId();
  // A lock that came without a PIN takes none; one that has another says so, and its owner will be asked for it in time.
  const pin = lock.pin ?? NO_PIN;
  const taken = await forgetIfWrong(lock, lock.ask({ ask: "verify-pin", pin })).then(() => true, () => false);
  if (!taken) return;
  lock.pin = pin;
  if (pin === NO_PIN) await lock.learn({ withoutPin: true });
  if (lock.states.clockOff) await setClock(lock);
}
