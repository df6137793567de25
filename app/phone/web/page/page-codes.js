// Keypad codes: they live on the lock, and are shown here while this page is.

import { administer, app, certain } from "./app.js";
import { ask, attempt, h, say, times, whenLocal } from "./dom.js";
import { describeLimits, limitsField } from "./limits.js";

export const title = "Codes";
const lists = new WeakMap();

export function render(again) {
  const lock = app.current;
  const codes = lists.get(lock);
  const load = async () => {
    const { parts } = await administer({ ask: "codes" });
    lists.set(lock, parts.filter(({ what }) => what === "code"));
    again();
  };
  const change = (what, done) => async () => {
    await certain(administer(what), load);
    await load();
    say(done);
  };
  return [
    h("h2", {}, "Keypad codes"),
    h("div", { class: "row" },
      h("button", { id: "codes-load", disabled: app.installing, onclick: ({ currentTarget }) => attempt(currentTarget, load) }, codes ? "Read again" : "Show codes"),
      h("button", { id: "code-add", class: "main", disabled: app.installing, onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        const code = await form("Add a code");
        await change({ ask: "add-code", name: code.name, code: code.code, limits: code.limits }, "Code added")();
      }) }, "Add a code")),
    codes && codes.length === 0 && h("p", { class: "quiet" }, "There are no codes."),
    codes && h("ul", { class: "list", id: "codes" }, codes.map((code) => row(code, change))),
  ];
}

function row(code, change) {
  const { id, name, enabled, limits } = code;
  const update = (changes) => ({ ask: "update-code", id, name, enabled, limits, code: code.code, ...changes });
  const button = (key, label, work, danger) =>
    h("button", { id: `code-${id}-${key}`, class: danger && "danger", "aria-label": `${label} ${name}`, onclick: ({ currentTarget }) => attempt(currentTarget, work) }, label);
  return h("li", { id: `code-${id}` },
    h("p", {}, h("span", { class: "strong" }, name), " ", h("span", { class: "code" }, String(code.code)), !enabled && h("span", { class: "warn" }, " switched off")),
    h("p", { class: "quiet small" }, `${describeLimits(limits)} · used ${times(code.count)}${code.lastActive ? `, last ${whenLocal(code.lastActive)}` : ""}`),
    h("div", { class: "row" },
      button("edit", "Change", async () => change(update(await form("Change the code", code)), "Code changed")()),
      button("toggle", enabled ? "Switch off" : "Switch on", change(update({ enabled: !enabled }), enabled ? "Switched off" : "Switched on")),
      button("remove", "Remove", async () => {
        await ask({ id: "remove-code", title: `Remove the code of ${name}?`, yes: "Remove", danger: true, body: h("p", {}, "It opens nothing from then on.") });
        await change({ ask: "remove-code", id }, "Code removed")();
      }, true)));
}

function form(heading, code) {
  const name = h("input", { id: "code-name", value: code?.name ?? "", maxlength: "20", required: true, autocomplete: "off" });
  const number = h("input", {
    id: "code-code", value: code?.code ?? "", inputmode: "numeric", pattern: "(?!12)[1-9]{6}", maxlength: "6", required: true,
    autocomplete: "off", title: "Six digits from 1 to 9, not beginning with 12",
  });
  const limits = limitsField("code", code?.limits);
  return ask({
    id: "code-form", title: heading, yes: "Save",
    body: h("div", {},
      h("label", {}, "Whose", name),
      h("label", {}, "Code", h("span", { class: "hint" }, "Six digits from 1 to 9, not beginning with 12"), number),
      limits.element),
    read: () => ({ name: name.value, code: Number(number.value), limits: limits.read() }),
  });
}
