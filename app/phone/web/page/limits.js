// A part of a form: when somebody may use the lock.

import { h } from "./dom.js";

const DAYS = [["Mon", 64], ["Tue", 32], ["Wed", 16], ["Thu", 8], ["Fri", 4], ["Sat", 2], ["Sun", 1]];

/** `{ element, read }` for a form; ids begin with `prefix`. */
export function limitsField(prefix, limits) {
  const input = (name, type, label, value) => {
    const element = h("input", { id: `${prefix}-${name}`, type, value: value ?? "" });
    return { element, label: h("label", {}, label, element) };
  };
  const from = input("from", "datetime-local", "Not before", limits?.from);
  const until = input("until", "datetime-local", "Not after", limits?.until);
  const dailyFrom = input("daily-from", "time", "Each day from", limits?.dailyFrom);
  const dailyUntil = input("daily-until", "time", "until", limits?.dailyUntil);
  const days = DAYS.map(([name, bit]) => {
    const box = h("input", { type: "checkbox", id: `${prefix}-${name.toLowerCase()}`, checked: !limits || limits.days === 0 || (limits.days & bit) !== 0 });
    return { bit, box, label: h("label", { class: "check" }, box, name) };
  });
  const limited = h("input", { type: "checkbox", id: `${prefix}-limited`, checked: Boolean(limits) });
  const rest = h("div", { hidden: !limits },
    h("div", { class: "row" }, from.label, until.label),
    h("div", { class: "row" }, dailyFrom.label, dailyUntil.label),
    h("div", { class: "days", role: "group", "aria-label": "Days" }, days.map(({ label }) => label)));
  limited.addEventListener("change", () => (rest.hidden = !limited.checked));
  return {
    element: h("fieldset", {}, h("legend", {}, "When"), h("label", { class: "check" }, limited, "Only at certain times"), rest),
    read: () => limited.checked ? {
      from: from.element.value || null,
      until: until.element.value || null,
      days: mask(days.filter(({ box }) => box.checked).map(({ bit }) => bit)),
      dailyFrom: dailyFrom.element.value || null,
      dailyUntil: dailyUntil.element.value || null,
    } : null,
  };
}

/** The protocol's mask, in which no day at all is every day. */
export function mask(bits) {
  return bits.length === DAYS.length ? 0 : bits.reduce((sum, bit) => sum | bit, 0);
}

/** Limits in words. */
export function describeLimits(limits) {
  if (!limits) return "at any time";
  const date = (text) => text.replace("T", " ");
  const days = limits.days === 0 ? "" : DAYS.filter(([, bit]) => limits.days & bit).map(([name]) => name).join(", ");
  const parts = [
    days,
    limits.dailyFrom && `from ${limits.dailyFrom}`, limits.dailyUntil && `until ${limits.dailyUntil}`,
    limits.from && `not before ${date(limits.from)}`, limits.until && `not after ${date(limits.until)}`,
  ];
  return parts.filter(Boolean).join(", ") || "at any time";
}
