// The door: how it is, and what to do with it.

import { app, forget, pinOf } from "./app.js";
import { ask, attempt, h, padlock, say, when } from "./dom.js";

const DONE = { lock: "Locked", unlock: "Unlocked", unlatch: "Unlatched", "lock-n-go": "Unlocked; it will lock by itself" };

export const title = "Door";

export function render() {
  const lock = app.current;
  const states = lock.states;
  const busy = app.installing;
  const move = (action, text, kind = "") =>
    h("button", {
      id: `action-${action}`, class: `big ${kind}`, disabled: busy,
      onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        await lock.ask({ ask: "move", action });
        await lock.ask({ ask: "states" });
        say(DONE[action]);
      }),
    }, text);
  return [
    h("section", { class: "card door", "data-lock": states?.lock ?? "unknown", "aria-label": "State" },
      padlock(),
      h("p", { id: "state", "aria-live": "polite" }, states?.words ?? "Not asked yet"),
      h("p", { class: "quiet", id: "state-more" }, more(states))),
    h("div", { class: "row" }, move("unlock", "Unlock", "main"), move("lock", "Lock", "main")),
    h("div", { class: "row" }, move("unlatch", "Unlatch"), move("lock-n-go", "Lock’n’go")),
    states?.battery.critical && h("p", { class: "card bad", id: "battery-critical" }, "The lock’s battery is nearly empty. Change it now."),
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
    h("label", { for: "lock-name" }, "What you call it here"), name,
    h("div", { class: "row end" },
      h("button", { id: "rename", onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        await lock.learn({ name: name.value.trim() || "Lock" });
        say("Renamed");
      }) }, "Rename"),
      h("button", { id: "set-pin", onclick: ({ currentTarget }) => attempt(currentTarget, () => changePin(lock)) }, "Change security PIN"),
      h("button", { id: "set-clock", onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        await lock.ask({ ask: "set-time", pin: await pinOf(lock), unix: Math.floor(Date.now() / 1000) });
        say("The lock’s clock is set");
      }) }, "Set its clock"),
      h("button", { id: "forget", class: "danger", onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
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
  const input = h("input", { id: "new-pin", type: "password", inputmode: "numeric", autocomplete: "off", pattern: "[0-9]{1,6}", maxlength: "6", required: true });
  const wanted = await ask({
    id: "change-pin", title: "New security PIN", yes: "Set",
    body: h("label", {}, "New PIN", h("span", { class: "hint" }, "Digits only. Whoever has it manages the lock."), input),
    read: () => Number(input.value),
  });
  await lock.ask({ ask: "set-pin", pin, new: wanted });
  lock.pin = wanted;
  say("The PIN is set");
}

