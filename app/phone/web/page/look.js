// Asks the update server for an update of what runs, and tells the owner of those that there are. The server is told
// which hardware and version is asked about, and nothing else. The page and its service worker both do so by this.

import { fetchBytes } from "./fetch.js";

/** More than any answer has, in bytes: notes of a release are at most 4 KB. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** The update for what runs, as the server has it; undefined where there is none. Throws when it cannot be asked. */
export async function look({ vendor, class: hardware, version, counter }, { get = fetch } = {}) {
  const query = new URLSearchParams({ vendor, class: hardware, version, counter });
  let answer;
  try {
    // Not from the browser's store: the server says itself when nothing has changed.
    const bytes = await fetchBytes(`/owner/v1/update?${query}`, { most: ANSWER_BYTES_MAX, cache: "no-cache", get });
    answer = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new Error("the update server cannot be asked now; try again when there is a network");
  }
  return answer?.update ?? undefined;
}

/** Says on the page's icon for how many locks there is an update. */
export const badge = (count, on = globalThis) => (count > 0 ? on.navigator?.setAppBadge?.(count) : on.navigator?.clearAppBadge?.());

/**
 * Tells of `updates`, by lock id, on the page's icon; and, once of each, by a notification, where the owner allows that
 * and has not `seen` them. `store` has the locks, and remembers what was told; `worker` is the page's registration.
 */
export async function tell(updates, { store, worker, seen = false, on = globalThis }) {
  await badge(updates.size, on);
  if (seen || !worker || on.Notification?.permission !== "granted") return;
  const isNews = ({ id, told }) => updates.has(id) && updates.get(id).digest !== told;
  const news = (await store.locks()).filter(isNews);
  if (news.length === 0) return;
  const body = `There is an update for ${news.map(({ name }) => name).join(" and ")}.`;
  await worker.showNotification("Update for your lock", { body, tag: "update", icon: "icon-192.png" });
  for (const { id } of news) await store.changeLock(id, { told: updates.get(id).digest });
}
