// Elements, made without a line of HTML in strings: what a lock calls itself cannot become markup.

/** An element: `h("button", { id: "go", onclick: go, "aria-label": "Go" }, "Go")`. What is false or absent is left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A padlock whose bolt the style sheet moves. */
export function padlock() {
  const space = "http://www.w3.org/2000/svg";
  const part = (tag, attributes) => {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const svg = part("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" });
  svg.append(
    part("path", { class: "bolt", d: "M32 48V34a18 18 0 0 1 36 0v14", fill: "none", stroke: "currentColor", "stroke-width": "8" }),
    part("rect", { x: "20", y: "46", width: "60", height: "44", rx: "9", fill: "currentColor" }),
  );
  return svg;
}

let toastTimer;
/** Something that has gone well, in passing. */
export function say(text) {
  announce(text);
  byId("status").textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (byId("status").textContent = ""), 5000);
}

/** The same for those alone who do not see the page: it says elsewhere, in its own place, what they are told here. */
export function announce(text) {
  byId("live").textContent = text;
}

/** Something that has not; it stays until the next attempt. */
export function complain(text) {
  const alert = byId("alert");
  alert.textContent = text ? sentence(text) : "";
  alert.hidden = !text;
  if (text) byId("status").textContent = "";
}

/** What was said as a part of something, as a sentence. */
export const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");

/** Buttons, by id, whose work goes on. They outlive the elements, which are made anew meanwhile. */
const busy = new Set();

/** Shows which buttons are busy. Not by `disabled`, which would take the focus away from them. */
export function showBusy() {
  for (const button of document.querySelectorAll("button[id]")) {
    if (busy.has(button.id)) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  }
}

/** Runs what a control does, once at a time, and says what went wrong. */
export async function attempt(control, work) {
  const { id } = control;
  if (busy.has(id)) return undefined;
  complain("");
  busy.add(id);
  showBusy();
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Abandoned)) complain(words(error));
    return undefined;
  } finally {
    busy.delete(id);
    showBusy();
    refocus(id);
  }
}

/** Gives the focus back to who had it, where it got lost with an element that is not there any more. */
function refocus(id) {
  if (id && !document.querySelector("dialog") && (document.activeElement ?? document.body) === document.body) byId(id)?.focus();
}

/** The owner thought better of it; there is nothing to complain about. */
export class Abandoned extends Error {}

export const words = (error) => (typeof error === "string" ? error : error?.message || String(error));

/** A dialog with a form; gives what `read` makes of it, or throws `Abandoned`. */
export function ask({ title, id, body, yes, no = "Cancel", danger = false, read = () => true }) {
  return new Promise((resolve, reject) => {
    let result;
    const opener = document.activeElement?.id;
    const form = h("form", { method: "dialog" },
      h("h2", { id: `${id}-title` }, title), body,
      h("div", { class: "row end" },
        h("button", { type: "button", id: `${id}-no`, onclick: () => dialog.close() }, no),
        h("button", { type: "submit", id: `${id}-yes`, class: danger ? "danger" : "main" }, yes)));
    const dialog = h("dialog", { id: `${id}-dialog`, "aria-labelledby": `${id}-title` }, form);
    form.addEventListener("submit", () => (result = { value: read(form) }));
    dialog.addEventListener("close", () => {
      dialog.remove();
      refocus(opener);
      result ? resolve(result.value) : reject(new Abandoned());
    });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector("input, textarea, select")?.focus();
  });
}

/** A lock without the time of day counts from the year 2000. */
const CLOCK_SET = Date.UTC(2020) / 1000;

/** A moment in words. */
export function when(unix) {
  return unix < CLOCK_SET ? "Time not known: the lock’s clock was not set" : moment(new Date(unix * 1000));
}

/** The same for a time as clocks at the lock show it, `2026-11-26T08:00`. */
export const whenLocal = (text) => moment(new Date(text));

const moment = (date) => new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(date);

/** How often, for people. */
export const times = (count) => (count === 1 ? "once" : `${count} times`);

/** Bytes for people. */
export const size = (bytes) => `${Math.ceil(bytes / 1024)} KB`;
