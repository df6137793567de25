// Keypad codes: they live on the lock, and are shown here while this page is.

import { ask, h } from "./dom.js";
import { limitsField } from "./limits.js";
import { listPage } from "./page-list.js";

export const title = "Codes";

export const render = listPage({
  noun: "code",
  list: "codes",
  heading: "Keypad codes",
  showAll: "Show codes",
  none: "There are no codes.",
  add: {
    id: "code-add",
    text: "Add a code",
    work: async (change) => change({ ask: "add-code", ...(await form("Add a code")) }, "Code added"),
  },
  form,
  fields: ["id", "name", "enabled", "limits", "code"],
  isSelf: () => false,
  about: ({ code }) => [" ", h("span", { class: "code" }, String(code))],
  removal: (name) => ({ title: `Remove the code of ${name}?`, text: "It opens nothing from then on." }),
});

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
