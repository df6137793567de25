// The update: what it changes, what it takes, how far it is, and how it ended.

import { app, changed, endInstall, forgetPin, pinOf, rememberPin } from "./app.js";
import { announce, ask, attempt, byId, h, say, sentence, size } from "./dom.js";
import { install } from "./install.js";
import * as store from "./store.js";
import { askWhatRuns, canBeTold, digestOf, fetchImage, lookFor, openFile, openKept, wantToBeTold } from "./updates.js";

export const title = "Update";
/** By lock: how the last install ended. */
const outcomes = new WeakMap();
/** What goes on now: `{ lock, words, done, of }`. */
let going;

export function render() {
  const lock = app.current;
  const update = app.updates.get(lock.id);
  const interrupted = app.interrupted?.lock === lock.id && !going;
  return [
    h("h2", {}, "Firmware"),
    h("p", { id: "running" }, lock.facts.running ? `${lock.facts.name} runs version ${plain(lock.facts.running.version)}.` : "Not asked yet what runs on this lock."),
    going?.lock === lock && progress(),
    outcome(lock),
    interrupted && goOn(lock, app.interrupted),
    !going && h("div", { class: "row" },
      h("button", { id: "look", class: update || interrupted ? "" : "main", onclick: ({ currentTarget }) => attempt(currentTarget, () => lookNow(lock)) }, "Look for an update")),
    update && !(interrupted && app.interrupted.digest === update.digest) && card(lock, update),
    !going && fromFile(lock),
    !going && canBeTold() && h("div", { class: "card", id: "tell-me" },
      h("p", {}, "This page looks for updates when it is opened and once a day. It can also tell you while you do something else."),
      h("div", { class: "row end" }, h("button", { id: "notify", onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        await wantToBeTold();
        changed();
        say("You will be told of updates");
      }) }, "Tell me of updates"))),
  ];
}

/** With versions as owners know them; the build behind the plus is for engineers. */
export const plain = (words) => words.replace(/(\d)\+0\b/g, "$1");

async function lookNow(lock) {
  outcomes.delete(lock);
  await askWhatRuns(lock);
  const found = await lookFor(lock);
  changed();
  if (found) announce(`There is version ${plain(found.version)}`);
  else say("The lock is up to date");
}

function card(lock, { version, notes, size: bytes, digest, ...rest }) {
  return h("section", { class: "card", id: "update", "aria-labelledby": "update-title" },
    h("h2", { id: "update-title" }, `Version ${plain(version)}`),
    h("p", { class: "notes", id: "update-notes" }, notes ?? "Its publisher did not write down what it changes."),
    h("p", { class: "quiet small" }, size(bytes)),
    !going && h("div", { class: "row end" }, starter("install", "Install", lock, "Downloading…", async () => {
      const release = await fetchImage({ version, notes, size: bytes, digest, ...rest }, (done, of) => move({ done, of }));
      return { release, version, notes, digest };
    })));
}

/** A button that begins an install of what `bring` brings. */
function starter(id, text, lock, words, bring) {
  return h("button", { id, class: "main", disabled: Boolean(going), onclick: ({ currentTarget }) => attempt(currentTarget, () => go(lock, words, bring)) }, text);
}

/** An install of this lock that the page was taken away from. Its owner has agreed to it before. */
function goOn(lock, { version, notes, digest }) {
  return h("section", { class: "card", id: "interrupted", "aria-labelledby": "interrupted-title" },
    h("h2", { id: "interrupted-title" }, "The update is not finished"),
    h("p", {}, `This page was closed or loaded anew while version ${plain(version)} was on its way to the lock. What the lock has, it keeps.`),
    h("div", { class: "row end" },
      h("button", { id: "leave-it", onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        await endInstall(lock, true);
        changed();
      }) }, "Leave it"),
      starter("go-on", "Go on", lock, "Connecting…", async () => ({ release: await openKept(digest), version, notes, digest, agreed: true }))));
}

function fromFile(lock) {
  const input = h("input", { id: "update-file", type: "file", accept: ".bin,.img", "aria-describedby": "update-file-hint" });
  input.addEventListener("change", () => attempt(input, async () => {
    const [file] = input.files;
    if (!file) return;
    // What it is shows before anything goes on.
    const release = await openFile(file);
    await go(lock, "Connecting…", async () => ({ release, version: JSON.parse(release.about()).version, digest: digestOf(release) }));
  }));
  return h("details", { class: "card" }, h("summary", { id: "from-file" }, "Install from a file"),
    h("label", { for: "update-file" }, "A signed image"), h("p", { class: "hint", id: "update-file-hint" }, "Works without a network."), input);
}

async function go(lock, words, bring) {
  begin(lock, words);
  const awake = await keepAwake();
  try {
    await run(lock, await bring());
  } finally {
    awake?.release();
    end();
  }
}

async function run(lock, { release, version, notes, digest, agreed }) {
  const pin = await pinOf(lock);
  const device = await lock.device();
  lock.disconnect();
  move({ words: "Connecting…", done: undefined });
  const about = JSON.parse(release.about());
  const consented = async (plan) => {
    if (!agreed && !(await consent(plan, notes))) return false;
    app.interrupted = { lock: lock.id, version, notes, digest };
    await store.saveFact("install", app.interrupted);
    return true;
  };
  const { good, words, wrongPin } = await install({
    release, pin, device, credentials: await store.credentialsOf(lock.id),
    show: (news) => (news.news === "plan" ? consented(news) : tell(news)),
  });
  await endInstall(lock, good);
  if (wrongPin) await forgetPin(lock);
  if (good) {
    await rememberPin(lock, pin);
    // As the lock has just said.
    await lock.learn({ running: { ...lock.facts.running, ...about, confirmed: true } });
  }
  outcomes.set(lock, { good, words: sentence(plain(words)) });
  end();
  announce(outcomes.get(lock).words);
}

/** A phone that goes to sleep takes its radio along. Where the browser cannot help that, the owner can. */
const keepAwake = () => navigator.wakeLock?.request("screen").catch(() => undefined);

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
    notes && h("p", { class: "notes", id: "plan-notes" }, notes),
    h("dl", { id: "plan" }, facts.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    plan.earlier && h("p", { class: "warn" }, sentence(plan.earlier)),
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

const hold = (event) => event.preventDefault();

function begin(lock, words) {
  outcomes.delete(lock);
  going = { lock, words };
  app.installing = true;
  addEventListener("beforeunload", hold);
  announce(words);
  changed();
}

function end() {
  going = undefined;
  app.installing = false;
  removeEventListener("beforeunload", hold);
  changed();
}

/** Moves the bar without making the page anew. */
function move(to) {
  if (to.words && to.words !== going.words) announce(to.words);
  going = { ...going, ...to };
  const bar = byId("update-progress");
  if (!bar) return;
  byId("update-stage").textContent = going.words;
  byId("update-share").textContent = share();
  if (going.done === undefined) bar.removeAttribute("value");
  else [bar.max, bar.value] = [going.of, going.done];
}

function progress() {
  const known = going.done !== undefined;
  return h("section", { class: "card", "aria-label": "Progress" },
    h("p", { id: "update-stage" }, going.words),
    h("progress", { id: "update-progress", "aria-labelledby": "update-stage", max: known ? going.of : 1, ...(known ? { value: going.done } : {}) }),
    h("p", { class: "quiet small" }, h("span", { id: "update-share" }, share()), "Keep this page open."));
}

const share = () => (going.done === undefined ? "" : `${size(going.done)} of ${size(going.of)}. `);

function outcome(lock) {
  const ended = outcomes.get(lock);
  return ended && h("p", { id: "outcome", class: `card ${ended.good ? "good" : "bad"}` }, ended.words);
}
