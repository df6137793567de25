// Who may use the lock.

import { administer, app, certain } from "./app.js";
import { ask, attempt, h, say, times, whenLocal } from "./dom.js";
import { describeLimits, limitsField } from "./limits.js";

export const title = "People";
const lists = new WeakMap();

export function render(again) {
  const lock = app.current;
  const users = lists.get(lock);
  const load = async () => {
    const { parts } = await administer({ ask: "users" });
    lists.set(lock, parts.filter(({ what }) => what === "user"));
    again();
  };
  const change = (what, done) => async () => {
    await certain(administer(what), load);
    await load();
    say(done);
  };
  return [
    h("h2", {}, "People and devices"),
    h("div", { class: "row" },
      h("button", { id: "users-load", disabled: app.installing, onclick: ({ currentTarget }) => attempt(currentTarget, load) }, users ? "Read again" : "Show people"),
      h("button", { id: "user-invite", class: "main", disabled: app.installing, onclick: ({ currentTarget }) => attempt(currentTarget, async () => {
        const guest = await form("Invite somebody");
        const { invitation } = await certain(administer({ ask: "invite", lock: await lock.nukiId(), ...guest }), load, "If it has the new name, nobody has the key to it: remove it and invite again");
        await load();
        await hand(guest.name, invitation);
      }) }, "Invite")),
    users && h("ul", { class: "list", id: "users" }, users.map((user) => row(user, lock, change))),
  ];
}

function row(user, lock, change) {
  const { id, name, enabled, remote, limits } = user;
  const self = id === lock.facts.authorization;
  const update = (changes) => ({ ask: "update-user", id, name, enabled, remote, limits, ...changes });
  const button = (key, label, work, danger) =>
    h("button", { id: `user-${id}-${key}`, class: danger && "danger", "aria-label": `${label} ${name}`, onclick: ({ currentTarget }) => attempt(currentTarget, work) }, label);
  return h("li", { id: `user-${id}` },
    h("p", {}, h("span", { class: "strong" }, name), h("span", { class: "quiet" }, ` ${user.kind}`), self && h("span", { class: "quiet" }, ", this device"), !enabled && h("span", { class: "warn" }, " switched off")),
    h("p", { class: "quiet small" }, `${describeLimits(limits)} · used ${times(user.count)}${user.lastActive ? `, last ${whenLocal(user.lastActive)}` : ""}`),
    h("div", { class: "row" },
      button("edit", "Change", async () => change(update(await form("Change", user)), "Changed")()),
      !self && button("toggle", enabled ? "Switch off" : "Switch on", change(update({ enabled: !enabled }), enabled ? "Switched off" : "Switched on")),
      !self && button("remove", "Remove", async () => {
        await ask({ id: "remove-user", title: `Remove ${name}?`, yes: "Remove", danger: true, body: h("p", {}, "Their key opens nothing from then on.") });
        await change({ ask: "remove-user", id }, "Removed")();
      }, true)));
}

function form(heading, user) {
  const name = h("input", { id: "user-name", value: user?.name ?? "", maxlength: "32", required: true, autocomplete: "off" });
  const limits = limitsField("user", user?.limits);
  return ask({
    id: "user-form", title: heading, yes: "Save",
    body: h("div", {}, h("label", {}, "Name", name), limits.element),
    read: () => ({ name: name.value, limits: limits.read() }),
  });
}

/** Shows an invitation, once. */
function hand(name, invitation) {
  const text = h("textarea", { id: "invitation-text", readonly: true, "aria-label": "Invitation" });
  text.value = invitation;
  const button = (id, label, work) => h("button", { type: "button", id, onclick: ({ currentTarget }) => attempt(currentTarget, work) }, label);
  const copy = button("invitation-copy", "Copy", async () => {
    await navigator.clipboard.writeText(invitation);
    say("Copied");
  });
  const share = navigator.share && button("invitation-share", "Pass on", () => navigator.share({ text: invitation }));
  const save = button("invitation-save", "Save as a file", () => {
    const url = URL.createObjectURL(new Blob([invitation, "\n"], { type: "text/plain" }));
    h("a", { href: url, download: `${name.replace(/[^\p{L}\p{N}]+/gu, "-")}.latchkey` }).click();
    URL.revokeObjectURL(url);
  });
  return ask({
    id: "invitation-shown", title: `Invitation for ${name}`, yes: "Done", no: "Close",
    body: h("div", {}, h("p", {}, "Whoever has this opens the door. Pass it on by a way that only they read. It is shown this once. This page takes it, and so does the command ", h("code", {}, "latchkey"), "."),
      text, h("div", { class: "row" }, copy, share, save)),
  }).catch(() => undefined);
}
