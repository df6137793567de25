// Whether there are updates, who is told of them, and their images. What the server answers is believed only as far as
// the image's own signatures go.

import { app } from "./app.js";
import { daily } from "./daily.js";
import { words } from "./dom.js";
import { fetchBytes } from "./fetch.js";
import { Release } from "./latchkey.js";
import { badge, look, tell } from "./look.js";
import * as store from "./store.js";

const DAY_MS = 24 * 60 * 60 * 1000;
/** The longest image that any lock holds. */
const IMAGE_BYTES_MAX = 384 * 1024;

/** Asks the lock what runs on it, over Bluetooth; the answer is stored. */
export async function askWhatRuns(lock) {
  const { told } = await lock.ask({ ask: "running" });
  await lock.learn({ running: told });
}

/** Asks the server for an update of this lock; gives it, if there is one. Throws when the server cannot be asked. */
export async function lookFor(lock) {
  const { running } = lock.facts;
  if (!running) return undefined;
  const update = await look(running);
  // It may have been removed while the server was asked.
  if (!app.locks.includes(lock)) return undefined;
  if (update) app.updates.set(lock.id, update);
  else app.updates.delete(lock.id);
  await badge(app.updates.size);
  return update;
}

/** Looks for updates of all locks now, and once a day while the page is open. `changed` is told when there is news. */
export function lookDaily(changed) {
  const known = () => [...app.updates].map(([id, { digest }]) => id + digest).join();
  return daily(async () => {
    const before = known();
    const looked = await Promise.allSettled(app.locks.map(lookFor));
    if (known() !== before) changed();
    // Who looks at the page sees it there.
    await tell(app.updates, { store, worker: await registration(), seen: document.visibilityState === "visible" });
    const failed = looked.find(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
  });
}

/** The page's registration, if there is one. */
const registration = () => navigator.serviceWorker?.getRegistration();

/** Whether the owner has yet to say if the browser may notify. */
export const canBeTold = () => globalThis.Notification?.permission === "default";

/** Asks for that; also to look daily while the page is closed, where the browser does that for installed pages. */
export async function wantToBeTold() {
  if ((await Notification.requestPermission()) !== "granted") throw new Error("the browser does not allow notifications for this page; its settings decide that");
  const worker = await registration();
  await worker?.periodicSync?.register("updates", { minInterval: DAY_MS }).catch(() => undefined);
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
  if (digestOf(release) !== digest) throw new Error("this is another image than the one that the server named, and was not kept; look for the update anew");
  return release;
}

async function download({ image_path: path, size }, progress) {
  if (!(size > 0 && size <= IMAGE_BYTES_MAX)) throw new Error("the server offers an update that no lock has room for; tell who runs it");
  const bytes = await fetchBytes(path, { most: size, progress: (received) => progress(received, size) }).catch((error) => {
    throw new Error(`the update could not be fetched (${words(error)}); try again when there is a good network`);
  });
  if (bytes.length !== size) throw new Error("the download broke off; try again");
  return bytes;
}

/** An image that the owner brings as a file; kept, so that an install can go on when the page is loaded anew. */
export async function openFile(file) {
  if (file.size > IMAGE_BYTES_MAX) throw new Error("the file is larger than any lock has room for; choose the right one");
  const bytes = new Uint8Array(await file.arrayBuffer());
  const release = Release.check(bytes.slice());
  await store.saveImage(digestOf(release), bytes);
  return release;
}

/** The image of an install that was interrupted. */
export async function openKept(digest) {
  const stored = await store.image(digest);
  if (!stored) throw new Error("this browser does not have the image any more; look for the update anew");
  return checked(stored, digest);
}

/** What engineers signed, by which an image is known. */
export const digestOf = (release) => JSON.parse(release.about()).image;
