// What a browser keeps, in memory.

/** By lock id. */
export const kept = new Map();
export const facts = new Map();
/** Digests. */
export const images = new Set();
export const faults = { save: undefined };

export async function saveLock(facts, credentials) {
  if (faults.save) throw faults.save;
  kept.set(facts.id, { ...facts, credentials });
}

export const credentialsOf = async (id) => kept.get(id).credentials.slice();
export const forgetLock = async (id) => kept.delete(id);

export async function changeLock(id, facts) {
  if (kept.has(id)) Object.assign(kept.get(id), facts);
}

export const saveFact = async (name, value) => facts.set(name, value);
export const forgetFact = async (name) => facts.delete(name);

export async function keepImages(digests) {
  for (const digest of images) if (!digests.includes(digest)) images.delete(digest);
}
