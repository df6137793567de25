// What outlives the page, in this browser alone: paired locks, and images of updates.
//
// A lock's key is sealed (AES-GCM) under a key that WebCrypto keeps and hands to nobody, this page included. So a copy
// of the stored records is worth nothing elsewhere; script that runs in this page can still use them.

const NAME = "latchkey";
const encoder = new TextEncoder();

let opened;
function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      for (const store of ["keys", "locks", "images", "facts"]) request.result.createObjectStore(store);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(new Error("this browser keeps nothing for this page; leave private browsing"));
  });
  return opened;
}

async function run(store, mode, work) {
  const transaction = (await database()).transaction(store, mode, { durability: "strict" });
  const request = work(transaction.objectStore(store));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(new Error("this browser could not store it; free some space"));
  });
}

const get = (store, key) => run(store, "readonly", (in_) => in_.get(key));
const put = (store, key, value) => run(store, "readwrite", (in_) => in_.put(value, key));
const remove = (store, key) => run(store, "readwrite", (in_) => in_.delete(key));

/** The one key that seals the others; made when first wanted, never to be taken out. */
async function sealing() {
  const held = await get("keys", "sealing");
  if (held) return held;
  const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  // Two tabs at once: the first to store wins, and both use that.
  await run("keys", "readwrite", (in_) => in_.add(made, "sealing")).catch(() => undefined);
  return get("keys", "sealing");
}

/** Stores credentials, sealed, with `facts`, which are not secret, under `facts.id`. Wipes the bytes. */
export async function saveLock(facts, credentials) {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const additionalData = encoder.encode(facts.id);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, await sealing(), credentials);
  credentials.fill(0);
  await put("locks", facts.id, { ...facts, iv, sealed });
  globalThis.navigator?.storage?.persist?.();
}

/** The credentials of a lock; to be wiped by whoever asks. */
export async function credentialsOf(id) {
  const { iv, sealed } = (await get("locks", id)) ?? {};
  const additionalData = encoder.encode(id);
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, await sealing(), sealed));
  } catch {
    throw new Error("this lock's stored key cannot be opened; remove the lock here and pair again");
  }
}

/** Every lock, without its key. */
export async function locks() {
  const all = await run("locks", "readonly", (in_) => in_.getAll());
  return all.map(({ iv, sealed, ...facts }) => facts);
}

/** Changes what is known of a lock besides its key. */
export async function changeLock(id, facts) {
  // In one transaction: the page and its service worker may each learn something of a lock at once.
  await run("locks", "readwrite", (in_) => {
    const request = in_.get(id);
    request.onsuccess = () => request.result && in_.put({ ...request.result, ...facts }, id);
    return request;
  });
}

export const forgetLock = (id) => remove("locks", id);
export const fact = (name) => get("facts", name);
export const saveFact = (name, value) => put("facts", name, value);
export const forgetFact = (name) => remove("facts", name);
export const image = (digest) => get("images", digest);
export const saveImage = (digest, bytes) => put("images", digest, bytes);

/** Forgets every image but these. */
export async function keepImages(digests) {
  const held = await run("images", "readonly", (in_) => in_.getAllKeys());
  for (const digest of held) if (!digests.includes(digest)) await remove("images", digest);
}
