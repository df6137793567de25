// Who may use the lock.

import { ask, attempt, h, say } from "./dom.js";
import { limitsField } from "./limits.js";
import { listPage } from "./page-list.js";

export const title = "People";
const KEYLESS = "If it has the new name, nobody has the key to it: remove it and invite again";

export const render = listPage({
  noun: "user",
  list: "users",
  heading: "People and devices",
  showAll: "Show people",
  none: "Nobody may use the lock.",
  add: { id: "user-invite", text: "Invite", work: invite },
  form,
  fields: ["id", "name", "enabled", "remote", "limits"],
  isSelf: ({ id }, lock) => id === lock.facts.authorization,
  about: ({ kind }, isSelf) => [h("span", { class: "quiet" }, ` ${kind}`), isSelf && h("span", { class: "quiet" }, ", this device")],
  removal: (name) => ({ title: `Remove ${name}?`, text: "Their key opens nothing from then on." }),
});

async function invite(change, lock) {
  const guest = await form("Invite somebody");
  const request = { ask: "invite", lock: await lock.nukiId(), ...guest };
  await change(request, "Invited", { hint: KEYLESS, also: ({ invitation }) => hand(guest.name, invitation) });
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
