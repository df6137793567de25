// What all pages share: the locks, which of them is looked at, and its PIN.

import { Abandoned, ask, h } from "./dom.js";
import { Lock, Refused } from "./lock.js";
import * as store from "./store.js";

export const app = {
  locks: [],
  current: undefined,
  /** By lock id: an update that waits, as updates.js has it. */
  updates: new Map(),
  /** While an update is installed, nothing else uses the radio. */
  installing: false,
};

const listeners = new Set();
export const onChange = (listener) => listeners.add(listener);
export const changed = () => listeners.forEach((listener) => listener());

export async function load() {
  app.locks = (await store.locks()).map((facts) => new Lock(facts));
  app.locks.forEach(watch);
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

/** Has the owner type in the security PIN, unless it was typed in before. */
export async function pinOf(lock) {
  lock.pin ??= await askForPin();
  return lock.pin;
}

export function askForPin() {
  const input = h("input", { id: "pin", type: "password", inputmode: "numeric", autocomplete: "off", pattern: "[0-9]{0,6}", maxlength: "6", "aria-describedby": "pin-hint" });
  return ask({
    id: "pin",
    title: "Security PIN",
    yes: "Go on",
    body: h("label", { for: "pin" }, "The lock's security PIN",
      h("span", { class: "hint", id: "pin-hint" }, "Leave it empty if none was set. It is kept until you close this page."), input),
    read: () => Number(input.value || 0),
  });
}

/** Asks something that takes the PIN; a wrong one is forgotten. */
export async function administer(what) {
  const lock = app.current;
  const pin = await pinOf(lock);
  try {
    return await lock.ask({ ...what, pin });
  } catch (error) {
    if (error instanceof Refused && error.wrongPin) lock.pin = undefined;
    throw error;
  }
}

export { Abandoned };
