// What happened at the door.

import { administer, app } from "./app.js";
import { attempt, h, when } from "./dom.js";

export const title = "Log";
const PAGE = 30;
const logs = new WeakMap();

export function render(again) {
  const lock = app.current;
  const log = logs.get(lock);
  const load = (start) => async () => {
    const { parts } = await administer(lock, { ask: "log", start, count: PAGE });
    const entries = parts.filter(({ what }) => what === "log-entry");
    const count = parts.find(({ what }) => what === "log-count");
    const before = start === 0 ? [] : log.entries;
    logs.set(lock, { entries: [...before, ...entries], total: count?.count, logging: count?.logging ?? true, more: entries.length === PAGE });
    again();
  };
  return [
    h("h2", {}, "Activity"),
    h("div", { class: "row" },
      h("button", { id: "log-load", class: log ? "" : "main", disabled: app.installing, onclick: ({ currentTarget }) => attempt(currentTarget, load(0)) }, log ? "Read again" : "Show activity")),
    log && !log.logging && h("p", { class: "warn" }, "The lock keeps no log at present."),
    log && h("ul", { class: "list tight", id: "log" }, log.entries.map((entry) => h("li", {},
      h("p", {}, h("span", { class: "strong" }, entry.words), entry.who && ` · ${entry.who}`),
      h("p", { class: "quiet small" }, when(entry.unix))))),
    log?.more && h("div", { class: "row" },
      h("button", { id: "log-more", disabled: app.installing, onclick: ({ currentTarget }) => attempt(currentTarget, load(log.entries.at(-1).index)) }, "Older")),
  ];
}
