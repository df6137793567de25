// The update: what it changes, what it takes, how far it is, and how it ended.

import { app, changed, pinOf } from "./app.js";
import { ask, attempt, byId, h, say, size } from "./dom.js";
import { install } from "./install.js";
import * as store from "./store.js";
import { askWhatRuns, fetchImage, forget, look, openFile } from "./updates.js";

export const title = "Update";
/** By lock: how the last install ended. */
const outcomes = new WeakMap();
/** What goes on now: `{ lock, words, done, of }`. */
let going;

export function render() {
  const lock = app.current;
  const update = app.updates.get(lock.id);
  return [
    h("h2", {}, "Firmware"),
    h("p", { id: "running" }, lock.facts.running ? `${lock.facts.name} runs version ${plain(lock.facts.running.version)}.` : "Not asked yet what runs on this lock."),
    going?.lock === lock && progress(),
    outcome(lock),
    !going && h("div", { class: "row" },
      h("button", { id: "look", class: update ? "" : "main", onclick: ({ currentTarget }) => attempt(currentTarget, () => lookNow(lock)) }, "Look for an update")),
    update && card(lock, update),
    !going && fromFile(lock),
  ];
}

/** A version as owners know it; the build behind the plus is for engineers. */
const plain = (version) => version.replace(/\+0$/, "");

async function lookNow(lock) {
  outcomes.delete(lock);
  await askWhatRuns(lock);
  const found = await look(lock);
  changed();
  if (!found) say("The lock is up to date");
}

function card(lock, update) {
  return h("section", { class: "card", id: "update", "aria-labelledby": "update-title" },
    h("h2", { id: "update-title" }, `Version ${plain(update.version)}`),
    h("p", { class: "notes", id: "update-notes" }, update.notes ?? "Its publisher did not write down what it changes."),
    h("p", { class: "quiet small" }, size(update.size)),
    h("div", { class: "row end" },
      h("button", { id: "install", class: "main", disabled: Boolean(going), onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        begin(lock, "Downloading…");
        try {
          const release = await fetchImage(update, (done, of) => move({ done, of }));
          await run(lock, release, update.notes);
        } finally {
          end();
        }
      }) }, "Install")));
}

function fromFile(lock) {
  const input = h("input", { id: "update-file", type: "file", accept: ".bin,.img" });
  input.addEventListener("change", () => attempt(input, async () => {
    const [file] = input.files;
    if (!file) return;
    const release = await openFile(file);
    begin(lock, "Connecting…");
    try {
      await run(lock, release);
    } finally {
      end();
    }
  }));
  return h("details", { class: "card" }, h("summary", { id: "from-file" }, "Install from a file"),
    h("label", { for: "update-file" }, "A signed image", h("span", { class: "hint" }, "Works without a network."), input));
}

async function run(lock, release, notes) {
  const pin = await pinOf(lock);
  const device = await lock.device();
  lock.disconnect();
  move({ words: "Connecting…", done: undefined });
  const { good, words } = await install({
    release, pin, device, credentials: await store.credentialsOf(lock.id),
    show: (news) => (news.news === "plan" ? consent(news, notes) : tell(news)),
  });
  outcomes.set(lock, { good, words });
  end();
  if (good) {
    await forget(lock);
    await askWhatRuns(lock).catch(() => undefined);
  }
}

/** Whether the owner wants it, now that the lock has said what it would mean. */
function consent(plan, notes) {
  const { percent, charging, critical } = plan.battery;
  const battery = critical ? "nearly empty" : percent ? `${percent} %${charging ? ", charging" : ""}` : "not told";
  const facts = [
    ["From", plain(plan.from)], ["To", plain(plan.to)],
    ["To send", size(plan.size - plan.received)], ["The lock’s battery", battery],
    ["The door may not answer", `for about ${plan.awaySeconds} seconds`],
  ];
  const body = h("div", {},
    notes && h("p", { class: "notes" }, notes),
    h("dl", { id: "plan" }, facts.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    plan.earlier && h("p", { class: "warn" }, plan.earlier),
    h("p", {}, "Stay near the door. Keys and codes stay as they are; if the new version does not work, the lock goes back by itself."));
  return ask({ id: "consent", title: "Install this update?", yes: "Install", body }).catch(() => false);
}

function tell(news) {
  switch (news.news) {
    case "uploading":
      return move({ words: "Sending it to the lock…", done: news.received, of: news.size });
    case "requested":
      return move({ words: "The lock has checked it.", done: undefined });
    case "restarting":
      return move({ words: "The lock restarts. The door does not answer for a while…", done: undefined });
    case "on-trial":
      return move({ words: "The new version is being tried…", done: undefined });
    case "busy":
      return move({ words: "The lock is busy; waiting…", done: undefined });
    case "link-lost":
      return move({ words: "The connection was lost; connecting again…", done: undefined });
    default:
      return undefined;
  }
}

function begin(lock, words) {
  outcomes.delete(lock);
  going = { lock, words };
  app.installing = true;
  changed();
}

function end() {
  going = undefined;
  app.installing = false;
  changed();
}

/** Moves the bar without making the page anew. */
function move(to) {
  going = { ...going, ...to };
  const bar = byId("update-progress");
  if (!bar) return;
  byId("update-stage").textContent = going.words;
  if (going.done === undefined) bar.removeAttribute("value");
  else [bar.max, bar.value] = [going.of, going.done];
}

function progress() {
  const known = going.done !== undefined;
  return h("section", { class: "card", "aria-label": "Progress" },
    h("p", { id: "update-stage", role: "status" }, going.words),
    h("progress", { id: "update-progress", "aria-label": "Update", max: known ? going.of : 1, ...(known ? { value: going.done } : {}) }),
    h("p", { class: "quiet small" }, "Keep this page open."));
}

function outcome(lock) {
  const ended = outcomes.get(lock);
  if (!ended) return undefined;
  const words = ended.words[0].toUpperCase() + ended.words.slice(1);
  return h("p", { id: "outcome", class: `card ${ended.good ? "good" : "bad"}`, role: "status" }, words);
}
