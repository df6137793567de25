// Whether there are updates, and the images of them. The server is told which hardware and version is asked about, and
// nothing else; what it answers is believed only as far as the image's own signatures go.

import { app } from "./app.js";
import { Release } from "./latchkey.js";
import * as store from "./store.js";

const DAY_MS = 24 * 60 * 60 * 1000;
/** The longest image that any lock holds. */
const IMAGE_BYTES_MAX = 384 * 1024;

/** Asks the lock what runs on it, over Bluetooth; the answer is stored. */
export async function askWhatRuns(lock) {
  const { told } = await lock.ask({ ask: "running" });
  await lock.learn({ running: told });
}

/** Asks the server for an update of this lock. Gives whether there is one; throws when the server cannot be asked. */
export async function look(lock) {
  const { running } = lock.facts;
  if (!running) return false;
  const { vendor, class: hardware, version, counter } = running;
  const query = new URLSearchParams({ vendor, class: hardware, version, counter });
  let answer;
  try {
    const response = await fetch(`/owner/v1/update?${query}`, { credentials: "omit" });
    if (!response.ok) throw new Error();
    answer = await response.json();
  } catch {
    throw new Error("the update server cannot be asked now; try again when there is a network");
  }
  const update = answer?.update;
  if (update) app.updates.set(lock.id, update);
  else app.updates.delete(lock.id);
  return Boolean(update);
}

/** Looks for updates of all locks now, and once a day while the page is open. `changed` is told when there is one. */
export async function lookDaily(changed) {
  const found = await Promise.allSettled(app.locks.map(look));
  if (found.some(({ value }) => value)) changed();
  setTimeout(() => lookDaily(changed), DAY_MS);
}

/** The image of an update: stored, or fetched now. Its signatures are checked either way. */
export async function fetchImage(update, progress) {
  const stored = await store.image(update.digest);
  if (stored) return checked(stored, update.digest);
  const bytes = await download(update, progress);
  const release = checked(bytes, update.digest);
  await store.saveImage(update.digest, bytes);
  return release;
}

function checked(bytes, digest) {
  const release = Release.check(bytes.slice());
  if (JSON.parse(release.about()).image !== digest) throw new Error("the server sent another image than the one it named; nothing was kept");
  return release;
}

async function download({ image_path: path, size }, progress) {
  if (!(size > 0 && size <= IMAGE_BYTES_MAX)) throw new Error("the update is larger than any lock has room for");
  const response = await fetch(path, { credentials: "omit" }).catch(() => undefined);
  if (!response?.ok) throw new Error("the update cannot be fetched now; try again when there is a network");
  const bytes = new Uint8Array(size);
  let received = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (received + value.length > size) throw new Error("the server sent more than it said; nothing was kept");
    bytes.set(value, received);
    received += value.length;
    progress(received, size);
  }
  if (received !== size) throw new Error("the download broke off; try again");
  return bytes;
}

/** An image that the owner brings as a file. */
export async function openFile(file) {
  if (file.size > IMAGE_BYTES_MAX) throw new Error("the file is larger than any lock has room for; choose the right one");
  return Release.check(new Uint8Array(await file.arrayBuffer()));
}

/** The update has arrived, or never will: its image is not needed any more. */
export async function forget(lock) {
  const update = app.updates.get(lock.id);
  app.updates.delete(lock.id);
  if (update && ![...app.updates.values()].some(({ digest }) => digest === update.digest)) await store.forgetImage(update.digest);
}
