// Where the page begins: the Rust half, the stored locks, and which page is shown. Nothing here waits for a network.

import init, { trusts_example_keys } from "./latchkey.js";
import { app, changed, load, onChange } from "./app.js";
import { byId, h, showBusy, words } from "./dom.js";
import * as codes from "./page-codes.js";
import * as door from "./page-lock.js";
import * as locks from "./page-locks.js";
import * as log from "./page-log.js";
import * as update from "./page-update.js";
import * as users from "./page-users.js";
import { lookDaily } from "./updates.js";

const PAGES = { lock: door, codes, users, log, update, locks };

/** The page that the address names; without a lock there is one only. */
function page() {
  const name = location.hash.replace(/^#\//, "");
  return app.current ? (PAGES[name] ?? door) : locks;
}

function show() {
  const shown = page();
  const name = Object.keys(PAGES).find((key) => PAGES[key] === shown);
  const main = byId("main");
  isDue = false;
  // What is typed in survives a change elsewhere: only another page, or the same one asked anew, replaces it.
  const focused = main.contains(document.activeElement) ? document.activeElement.id : undefined;
  const opened = [...main.querySelectorAll("details[open] > summary")].map(({ id }) => id);
  const typed = [...main.querySelectorAll("input[id], textarea[id]")].filter((field) => field.value !== field.defaultValue && field.type !== "file");
  main.replaceChildren(...[shown.render(show)].flat().filter(Boolean));
  showBusy();
  if (main.dataset.page === name) {
    for (const id of opened) byId(id)?.parentElement.setAttribute("open", "");
    for (const field of typed) if (byId(field.id)) byId(field.id).value = field.value;
    if (focused) byId(focused)?.focus();
  }
  main.dataset.page = name;
  main.setAttribute("aria-busy", "false");
  byId("title").textContent = app.current && name !== "locks" ? app.current.facts.name : shown.title;
  document.title = `${shown.title} · Latchkey`;
  byId("nav").hidden = !app.current;
  for (const link of byId("nav").children) {
    if (link.id === `nav-${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("link-state").textContent = app.current?.isConnected ? "Connected" : "";
  byId("update-badge").hidden = !app.updates.has(app.current?.id) && app.interrupted?.lock !== app.current?.id;
  tellOfUpdates();
}

function tellOfUpdates() {
  const news = byId("news");
  const words = !app.installing && page() !== update && newsOfUpdates();
  news.hidden = !words;
  // Only what is new is put there: a screen reader reads it out.
  if (words && news.dataset.words !== words) news.replaceChildren(`${words} `, h("a", { href: "#/update", id: "news-update" }, "Look at it"));
  news.dataset.words = words || "";
}

function newsOfUpdates() {
  const unfinished = app.locks.find(({ id }) => id === app.interrupted?.lock);
  if (unfinished) return `The update of ${unfinished.facts.name} is not finished.`;
  const names = app.locks.filter((lock) => app.updates.has(lock.id)).map((lock) => lock.facts.name);
  return names.length > 0 && `There is an update for ${names.join(" and ")}.`;
}

let isPressed = false;
let isDue = false;

/** Shows what has changed; once nothing is pressed any more: a button that is replaced in between is not clicked. */
function refresh() {
  if (isPressed) isDue = true;
  else show();
}

function pressed({ button }) {
  isPressed = button === 0;
}

function released() {
  // Behind the click, which comes next.
  setTimeout(() => {
    isPressed = false;
    if (isDue) show();
  });
}

function turned() {
  byId("alert").hidden = true;
  show();
  byId("main").focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Has the browser keep the page for when there is no network. */
async function keep() {
  // The one script whose address this page gives to the browser.
  const policy = globalThis.trustedTypes?.createPolicy("latchkey", { createScriptURL: () => "sw.js" });
  await navigator.serviceWorker?.register(policy ? policy.createScriptURL("") : "sw.js", { type: "module", updateViaCache: "none" });
}

async function start() {
  await init({ module_or_path: "latchkey_bg.wasm" });
  await load();
  byId("example-keys").hidden = !trusts_example_keys();
  onChange(refresh);
  addEventListener("pointerdown", pressed);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, released);
  addEventListener("hashchange", turned);
  show();
  lookDaily(changed);
  keep().catch((error) => console.warn("not kept for off-line use:", words(error)));
}

start().catch((error) => {
  const alert = byId("alert");
  alert.textContent = `This page could not start: ${words(error)}. Load it again.`;
  alert.hidden = false;
  byId("main").setAttribute("aria-busy", "false");
});
