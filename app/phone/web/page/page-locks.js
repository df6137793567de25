// All locks of this browser, and how one comes in: by pairing, or by an invitation.

import { add, app, askForPin, choose, replace, welcome } from "./app.js";
import { Abandoned, attempt, h, say, words } from "./dom.js";
import { accept, pair } from "./lock.js";
import { isSupported } from "./radio.js";

export const title = "Your locks";
/** More than any invitation has, however its lines are broken. */
const INVITATION_BYTES_MAX = 4_096;

export function render() {
  return [
    app.locks.length > 0 && h("h2", {}, "Your locks"),
    app.locks.length > 0 && h("ul", { class: "list", id: "locks" }, app.locks.map(row)),
    !isSupported() && h("p", { class: "card bad", id: "unsupported" },
      "This browser has no Web Bluetooth, so it cannot reach a lock. Chrome and Edge on Android, Windows, macOS and Linux have it."),
    pairing(), invitation(),
  ];
}

function row(lock) {
  const here = lock === app.current;
  return h("li", {},
    h("p", { class: "strong" }, lock.facts.name, here && h("span", { class: "quiet" }, " (shown)"), lock.facts.unsure && h("span", { class: "warn" }, " perhaps not paired")),
    lock.facts.running && h("p", { class: "quiet small" }, `Firmware ${lock.facts.running.version}`),
    h("div", { class: "row end" },
      h("button", { id: `lock-${lock.id}`, "aria-label": `Show ${lock.facts.name}`, onclick: async () => {
        await choose(lock);
        location.hash = "#/lock";
      } }, "Show")));
}

function pairing() {
  const name = h("input", { id: "pair-name", value: "Web app", maxlength: "32", autocomplete: "off", required: true });
  const form = h("form", { class: "card", "aria-labelledby": "pair-title" },
    h("h2", { id: "pair-title" }, "Add a lock"),
    h("p", {}, "Hold the lock’s button for five seconds, until its light says that it waits. Then pair, and choose the lock from the browser’s list."),
    h("label", { for: "pair-name" }, "How the lock lists this device"), name,
    h("div", { class: "row end" }, h("button", { id: "pair", class: "main", type: "submit" }, "Pair")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form.querySelector("#pair"), async () => {
      say("Pairing…");
      const lock = await pair(name.value, askForPin).catch(keepUnsure);
      // Paired is paired, and shown to be, whatever the lock says next.
      await replace(lock);
      arrive("Paired");
      await welcome(lock).catch((error) => {
        throw error instanceof Abandoned ? error : new Error(`the lock is paired, but could not be made ready: ${words(error)}`);
      });
    });
  });
  return form;
}

function invitation() {
  const text = h("textarea", { id: "invitation", autocomplete: "off", spellcheck: "false", required: true, placeholder: "latchkey:…" });
  const file = h("input", { id: "invitation-file", type: "file", accept: ".latchkey,.txt" });
  file.addEventListener("change", () => attempt(file, async () => {
    const [given] = file.files;
    if (given?.size > INVITATION_BYTES_MAX) throw new Error("this file is no invitation; choose the one that you were given");
    if (given) text.value = await given.text();
  }));
  const form = h("form", { class: "card", "aria-labelledby": "accept-title" },
    h("h2", { id: "accept-title" }, "Have you been invited?"),
    h("label", { for: "invitation" }, "The invitation, all of it"), text,
    h("label", { for: "invitation-file" }, "Or the file that you were given"), file,
    h("div", { class: "row end" }, h("button", { id: "accept", type: "submit" }, "Accept")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form.querySelector("#accept"), async () => {
      await add(await accept(text.value));
      arrive("Accepted");
    });
  });
  return form;
}

/** A pairing of which nobody knows whether the lock holds it is shown among the locks, so that it can be tried. */
async function keepUnsure(error) {
  if (error.lock) await add(error.lock);
  throw error;
}

function arrive(words) {
  say(words);
  location.hash = "#/lock";
}
