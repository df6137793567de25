// The door: how it is, and what to do with it.

import { app, askWithPin, forget, forgetPin, pinOf, rememberPin, setClock, showStates } from "./app.js";
import { announce, ask, attempt, h, padlock, say, when } from "./dom.js";

const DONE = { lock: "Locked", unlock: "Unlocked", unlatch: "Unlatched", "lock-n-go": "Unlocked; it will lock by itself" };
/** How the bolt is afterwards, in one of these ways. */
const AFTER = { lock: ["locked"], unlock: ["unlocked"], unlatch: ["unlatched", "unlocked"], "lock-n-go": ["unlocked", "locked"] };

export const title = "Door";

export function render() {
  const lock = app.current;
  const states = lock.states;
  const busy = app.installing;
  const move = (action, text, kind = "") =>
    h("button", {
      id: `action-${action}`, class: `big ${kind}`, disabled: busy,
      onclick: ({ currentTarget }) => attempt(currentTarget, () => perform(lock, action)),
    }, text);
  return [
    h("section", { class: "card door", "data-lock": states?.lock ?? "unknown", "aria-label": "State" },
      padlock(),
      h("p", { id: "state" }, states?.words ?? "Not asked yet"),
      h("p", { class: "quiet", id: "state-more" }, more(states))),
    h("div", { class: "row" }, move("unlock", "Unlock", "main"), move("lock", "Lock", "main")),
    h("div", { class: "row" }, move("unlatch", "Unlatch"), move("lock-n-go", "Lock’n’go")),
    states?.battery.critical && h("p", { class: "card bad", id: "battery-critical" }, "The lock’s battery is nearly empty. Change it now."),
    states?.clockOff && h("div", { class: "card", id: "clock-off" },
      h("p", {}, "The lock’s clock is wrong. Its log and every “only at certain times” go by it."),
      h("div", { class: "row end" }, clock(lock, "clock-off-set", "Set it now"))),
    states?.keypadBatteryCritical && h("p", { class: "card warn" }, "The keypad’s battery is nearly empty."),
    h("div", { class: "row end" },
      h("button", {
        id: "refresh", disabled: busy,
        onclick: ({ currentTarget }) => attempt(currentTarget, () => lock.ask({ ask: "states" })),
      }, states ? "Ask again" : "Connect"),
      lock.isConnected && h("button", { id: "disconnect", disabled: busy, onclick: () => lock.disconnect() }, "Disconnect")),
    settings(lock),
  ];
}

async function perform(lock, action) {
  try {
    await lock.ask({ ask: "move", action });
  } catch (error) {
    if (!error.unknownEffect) throw error;
    say(await whatCameOf(lock, action));
    return;
  }
  await showStates(lock);
  // The page shows it large enough.
  announce(DONE[action]);
}

/** The bolt turns by itself, whoever listens: what came of it is seen at the bolt. */
async function whatCameOf(lock, action) {
  const states = await lock.atRest().catch(() => undefined);
  if (!states) throw new Error("the connection was lost on the way and did not come back: nobody knows whether the lock has moved. Look at the door, or go nearer and ask again");
  const { lock: bolt, words } = states;
  if (!AFTER[action].includes(bolt)) throw new Error(`the connection was lost on the way, and the lock says: ${words}. Try again`);
  return `${words}. The connection was lost on the way`;
}

const clock = (lock, id, text) => h("button", {
  id, disabled: app.installing,
  onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
    await setClock(lock);
    say("The lock’s clock is set");
  }),
}, text);

function more(states) {
  if (!states) return "Connect to see how the door is.";
  const { percent, charging } = states.battery;
  const parts = [
    states.door,
    percent && `Battery ${percent} %${charging ? ", charging" : ""}`,
    states.nightMode && "Night mode",
    `as of ${when(Math.floor(states.heard / 1000))}`,
  ];
  return parts.filter(Boolean).join(" · ");
}

function settings(lock) {
  const name = h("input", { id: "lock-name", value: lock.facts.name, maxlength: "40", autocomplete: "off" });
  return h("details", { class: "card" },
    h("summary", { id: "settings" }, "This lock"),
    lock.facts.withoutPin && h("p", { class: "small", id: "without-pin" }, "No security PIN is set: whoever uses this device can manage the lock. Set one below."),
    h("label", { for: "lock-name" }, "What you call it here"), name,
    h("div", { class: "row end" },
      h("button", { id: "rename", onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        await lock.learn({ name: name.value.trim() || "Lock" });
        say("Renamed");
      }) }, "Rename"),
      h("button", { id: "set-pin", disabled: app.installing, onclick: ({ currentTarget }) => attempt(currentTarget, () => changePin(lock)) }, "Change security PIN"),
      clock(lock, "set-clock", "Set its clock"),
      h("button", { id: "forget", class: "danger", disabled: app.installing, onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        await ask({
          id: "forget-lock", title: `Remove ${lock.facts.name} here?`, yes: "Remove", danger: true,
          body: h("p", {}, "This browser forgets its key. The lock keeps this device among its people until somebody removes it there."),
        });
        await forget(lock);
        location.hash = "#/locks";
      }) }, "Remove from this browser")));
}

async function changePin(lock) {
  const pin = await pinOf(lock);
  const input = h("input", { id: "new-pin", type: "password", inputmode: "numeric", autocomplete: "off", pattern: "[0-9]{1,6}", maxlength: "6", required: true, "aria-describedby": "new-pin-hint" });
  const wanted = await ask({
    id: "change-pin", title: "New security PIN", yes: "Set",
    body: h("div", {}, h("label", { for: "new-pin" }, "New PIN"), h("p", { class: "hint", id: "new-pin-hint" }, "Digits only. Whoever has it manages the lock."), input),
    read: () => Number(input.value),
  });
  try {
    await askWithPin(lock, { ask: "set-pin", new: wanted }, { pin });
  } catch (error) {
    if (!error.unknownEffect) throw error;
    // To find out by trying would count as a wrong PIN where it is not the one.
    await forgetPin(lock);
    throw new Error("the connection was lost on the way: nobody knows whether the old PIN counts or the new one. You will be asked for it: try the new one first");
  }
  await rememberPin(lock, wanted);
  say("The PIN is set");
}
