// A page that shows one list of the lock's, which takes the PIN to read and to change: people, and keypad codes. Knows
// neither; what they differ in is in a `kind`.

import { administer, app, certain } from "./app.js";
import { ask, attempt, h, say, times, whenLocal, words } from "./dom.js";
import { describeLimits } from "./limits.js";

/**
 * Gives `render` of a page. `kind` has:
 * `noun`, as requests, answers and ids have it, and `list`, the same for all of them;
 * `heading`, `showAll` and `none`, words;
 * `add: { id, text, work(change, lock) }`, the button that makes a new one;
 * `form(heading, entry)`, which gives what its owner changes of one, and `fields`, what a request to update one says;
 * `about(entry, isSelf)`, what stands beside its name, and `isSelf(entry, lock)`, this device itself, which stays;
 * `removal(name)`, title and text of the question before one is removed.
 */
export function listPage(kind) {
  const lists = new WeakMap();
  return (again) => {
    const lock = app.current;
    const entries = lists.get(lock);
    const load = async () => {
      const { parts } = await administer(lock, { ask: kind.list });
      lists.set(lock, parts.filter(({ what }) => what === kind.noun));
      again();
    };
    const change = async (what, done, { hint, also } = {}) => {
      const answer = await certain(administer(lock, what), load, hint);
      await also?.(answer);
      try {
        await load();
      } catch (error) {
        throw new Error(`${done}, but the list could not be read again: ${words(error)}`);
      }
      say(done);
    };
    const button = (id, text, work, properties) =>
      h("button", { id, disabled: app.installing, onclick: ({ currentTarget }) => attempt(currentTarget, work), ...properties }, text);
    return [
      h("h2", {}, kind.heading),
      h("div", { class: "row" },
        button(`${kind.list}-load`, entries ? "Read again" : kind.showAll, load),
        button(kind.add.id, kind.add.text, () => kind.add.work(change, lock), { class: "main" })),
      entries?.length === 0 && h("p", { class: "quiet" }, kind.none),
      entries && h("ul", { class: "list", id: kind.list }, entries.map((entry) => row(kind, entry, kind.isSelf(entry, lock), { change, button }))),
    ];
  };
}

function row(kind, entry, isSelf, { change, button }) {
  const { id, name, enabled, limits, count, lastActive } = entry;
  const { noun } = kind;
  const kept = Object.fromEntries(kind.fields.map((field) => [field, entry[field]]));
  const update = (changes, done) => change({ ask: `update-${noun}`, ...kept, ...changes }, done);
  const own = (key, label, work, properties) => button(`${noun}-${id}-${key}`, label, work, { "aria-label": `${label} ${name}`, ...properties });
  const remove = async () => {
    const { title, text } = kind.removal(name);
    await ask({ id: `remove-${noun}`, title, yes: "Remove", danger: true, body: h("p", {}, text) });
    await change({ ask: `remove-${noun}`, id }, "Removed");
  };
  return h("li", { id: `${noun}-${id}` },
    h("p", {}, h("span", { class: "strong" }, name), kind.about(entry, isSelf), !enabled && h("span", { class: "warn" }, " switched off")),
    h("p", { class: "quiet small" }, `${describeLimits(limits)} · used ${times(count)}${lastActive ? `, last ${whenLocal(lastActive)}` : ""}`),
    h("div", { class: "row" },
      own("edit", "Change", async () => update(await kind.form("Change", entry), "Changed")),
      !isSelf && own("toggle", enabled ? "Switch off" : "Switch on", () => update({ enabled: !enabled }, enabled ? "Switched off" : "Switched on")),
      !isSelf && own("remove", "Remove", remove, { class: "danger" })));
}
