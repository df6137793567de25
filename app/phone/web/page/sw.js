// Keeps the page for when there is no network: all its files, of one version, or none of them. And looks for updates
// once a day while the page is closed, where the browser has it do so and the owner wants to be told.
//
// Which files these are, and the version that stands for all their bytes, `cargo xtask web` writes down. A new version
// is fetched whole beside the old one, and takes its place when no page shows the old one any more. What locks and
// servers say never comes in here.

import { FILES, VERSION } from "./files.js";
import { look, tell } from "./look.js";
import * as store from "./store.js";

const CACHE = `latchkey-${VERSION}`;

self.addEventListener("install", (event) => {
  const requests = FILES.map((name) => new Request(name, { cache: "no-cache" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)));
});

self.addEventListener("activate", (event) => {
  const others = (names) => names.filter((name) => name.startsWith("latchkey-") && name !== CACHE);
  event.waitUntil(
    caches.keys().then((names) => Promise.all(others(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const scope = new URL(self.registration.scope);
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const kept = caches.open(CACHE).then((cache) => cache.match(request, { ignoreSearch: true }));
  event.respondWith(kept.then((response) => response ?? fetch(request)));
});

self.addEventListener("periodicsync", (event) => {
  if (event.tag === "updates") event.waitUntil(lookWhileClosed());
});

async function lookWhileClosed() {
  const locks = (await store.locks()).filter(({ running }) => running);
  const looked = await Promise.allSettled(locks.map(async ({ id, running }) => [id, await look(running)]));
  const answers = looked.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  await tell(new Map(answers.filter(([, update]) => update)), { store, worker: self.registration });
  // The browser tries again soon where not every lock could be asked about.
  const failed = looked.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const there = new URL("#/update", self.registration.scope).href;
  event.waitUntil(self.clients.matchAll({ type: "window" }).then(async ([open]) => {
    if (!open) return self.clients.openWindow(there);
    await open.navigate(there);
    return open.focus();
  }));
});
