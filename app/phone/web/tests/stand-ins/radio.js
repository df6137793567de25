// A lock in reach, and connections to it that break where they are told to.

import { textOf } from "./latchkey.js";

/**
 * `fifth`: it pairs as the 5th generation does. `known`: ids that open it. `heard`: all that arrived. `losses`: after how
 * many more words a connection breaks, one for each; `answered` says whether what breaks is the word's way or its answer's.
 * `refuses` is said instead of "paired". `away`: nothing connects. `open`: the connections that nobody has closed.
 */
export const lock = {};

export function anew(facts = {}) {
  Object.assign(lock, { fifth: false, known: new Set(), heard: [], losses: [], refuses: undefined, away: false, open: new Set(), granted: 0, ...facts });
}

export const isSupported = () => true;
export const choose = async () => ({ id: "device", name: "Nuki_1" });
export const known = choose;
export const nameOf = (id) => `Nuki_${id}`;

export class Link {
  #granted;
  #words = 0;
  #loss = lock.losses.shift();

  static async open(device, { channels, received, gone }) {
    if (lock.away) throw new Error("the lock could not be reached; go nearer and try again");
    const link = new Link();
    Object.assign(link, { channels, received, gone });
    lock.open.add(link);
    return link;
  }

  has(channel) {
    return this.channels.includes(channel) && channel === (lock.fifth ? "pairing5" : "pairing");
  }

  async write(on, bytes) {
    const breaks = this.#loss && this.#words === this.#loss.word;
    this.#words += 1;
    if (breaks && !this.#loss.answered) return this.#break();
    const answer = this.#hear(on, textOf(bytes));
    if (breaks) return this.#break();
    queueMicrotask(() => this.received(...answer));
    return undefined;
  }

  #break() {
    this.#loss.then?.();
    queueMicrotask(this.gone);
    throw new Error("the connection broke");
  }

  /** What the lock says to it, and where. */
  #hear(on, text) {
    lock.heard.push(text);
    const [word, id] = text.split(" ");
    const say = (words) => [on, new TextEncoder().encode(words)];
    if (word === "pair") {
      this.#granted = String((lock.granted += 1));
      return say(`granted ${this.#granted}`);
    }
    if (word === "held") {
      if (lock.refuses) return say(lock.refuses);
      lock.known.add(this.#granted);
      return say("paired");
    }
    return lock.known.has(id) ? say("states") : ["keyturner", say("stranger")[1]];
  }

  close() {
    lock.open.delete(this);
  }
}
