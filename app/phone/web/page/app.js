// What all pages share: the locks, which of them is looked at, and its PIN.

import { ask, h } from "./dom.js";
import { Lock } from "./lock.js";
import { badge } from "./look.js";
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

/** Forgets a lock and what was kept for its sake: its key, an install that has not ended, and its image. */
export async function forget(lock) {
  lock.disconnect();
  await store.forgetLock(lock.id);
  app.locks = app.locks.filter((other) => other !== lock);
  await endInstall(lock, true);
  if (app.current === lock) await choose(app.locks[0]);
}

/**
 * There is no install of this lock any more that could go on. Once it is `settled`, the lock waits for no update either.
 * Images that no lock waits for go.
 */
export async function endInstall(lock, settled) {
  if (app.interrupted?.lock === lock.id) {
    app.interrupted = undefined;
    await store.forgetFact("install");
  }
  if (settled && app.updates.delete(lock.id)) await badge(app.updates.size);
  await store.keepImages([...app.updates.values(), app.interrupted].map((update) => update?.digest));
}

/** What a lock takes on which no PIN was set. */
const NO_PIN = 0;

/** The security PIN: none where none was set, else the one that the lock has taken since the page was loaded, or that its owner types in now. */
export const pinOf = async (lock, why) => lock.pin ?? (lock.facts.withoutPin ? NO_PIN : askForPin(why));

/** Has the owner type in a PIN; `why` it is asked for just now. */
export function askForPin(why) {
  const input = h("input", { id: "pin", type: "password", inputmode: "numeric", autocomplete: "off", pattern: "[0-9]{0,6}", maxlength: "6", "aria-describedby": "pin-hint" });
  return ask({
    id: "pin",
    title: "Security PIN",
    yes: "Go on",
    body: h("div", {}, why && h("p", { id: "pin-why" }, why), h("label", { for: "pin" }, "The lock’s security PIN"),
      h("p", { class: "hint", id: "pin-hint" }, "Leave it empty if none was set. It is kept until you close this page."), input),
    read: () => Number(input.value || NO_PIN),
  });
}

/** Remembers, while the page lives, the PIN that the lock has taken; of none at all, that none is set, also longer. */
export async function rememberPin(lock, pin) {
  lock.pin = pin;
  const withoutPin = pin === NO_PIN;
  // What the lock has done is done, also where this cannot be stored.
  if (withoutPin !== Boolean(lock.facts.withoutPin)) await lock.learn({ withoutPin }).catch(() => undefined);
}

/** The lock has found the PIN wrong, or may have another by now: its owner is asked again. */
export async function forgetPin(lock) {
  lock.pin = undefined;
  await lock.learn({ withoutPin: false });
}

/** Asks something that takes the PIN: this one, or what [pinOf] gives. */
export async function askWithPin(lock, what, { why, pin: given } = {}) {
  const pin = given ?? (await pinOf(lock, why));
  try {
    const answer = await lock.ask({ ...what, pin });
    await rememberPin(lock, pin);
    return answer;
  } catch (error) {
    if (error.wrongPin) await forgetPin(lock);
    throw error;
  }
}

/** The same, and sets the lock's clock on the way, if that is off. */
export async function administer(lock, what) {
  const answer = await askWithPin(lock, what);
  if (lock.states?.clockOff) await setClock(lock).catch(() => undefined);
  return answer;
}

/** Sets the lock's clock by this device's. */
export async function setClock(lock, why) {
  await askWithPin(lock, { ask: "set-time", unix: Math.floor(Date.now() / 1000) }, { why });
  await showStates(lock);
}

/** Has the page show how the lock is after something was done. It is done, also where the lock cannot be asked now. */
export const showStates = (lock) => lock.ask({ ask: "states" }).catch(() => undefined);

/**
 * The answer to a change. Where the connection was lost and nobody knows whether the lock has changed, has the page show
 * what is so before it complains; where that fails too, says so.
 */
export async function certain(answer, show, hint = "Look whether it is there before you try again") {
  try {
    return await answer;
  } catch (error) {
    if (!error.unknownEffect) throw error;
    const seen = await show().then(() => true, () => false);
    const found = seen
      ? ". The list shows what the lock has now"
      : " and did not come back: nobody knows whether the lock has done it. Go nearer and read the list again";
    throw new Error(`the connection was lost on the way${found}. ${hint}`);
  }
}

/** What is to be done with a lock that has just been paired: it is asked how it is, and its clock is set if that is off. */
export async function welcome(lock) {
  await lock.ask({ ask: "states" });
  await lock.nukiId();
  // Whether it has a PIN, its owner knows and the lock does not tell: a guess would count as a wrong one where it has.
  if (lock.states.clockOff) await setClock(lock, "The lock is paired. Its clock is wrong; to set it takes the PIN.");
}
