// One lock as the pages know it: connects when something is asked, asks one thing at a time, remembers how the lock was.

import { Conversation } from "./latchkey.js";
import { Machine, now } from "./machine.js";
import * as radio from "./radio.js";
import * as store from "./store.js";

/** A request that came to nothing; `wrongPin` when the PIN was why. */
export class Refused extends Error {
  constructor(news) {
    super(news.words);
    this.wrongPin = news.wrongPin;
  }
}

const CONVERSATION = ["keyturner", "userData"];

export class Lock extends EventTarget {
  #device;
  #link;
  #machine;
  #asking = Promise.resolve();
  #answer;
  /** The security PIN, as long as this page lives; stored nowhere. */
  pin;
  /** What the lock last said of itself. */
  states;

  constructor(facts, device) {
    super();
    this.facts = facts;
    this.#device = device;
  }

  get id() {
    return this.facts.id;
  }

  get isConnected() {
    return Boolean(this.#machine);
  }

  /** Changes what is known of it, here and stored. */
  async learn(facts) {
    Object.assign(this.facts, facts);
    await store.changeLock(this.id, facts);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** The lock's radio. Without one that the browser remembers, the owner chooses: only from a click. */
  async device() {
    if (!radio.isSupported()) throw new Error("this browser has no Web Bluetooth; use Chrome or Edge on Android, Windows, macOS or Linux");
    this.#device ??= (await radio.known(this.facts.deviceId)) ?? (await radio.choose());
    return this.#device;
  }

  /** Asks something; gives `{ told, parts, invitation }`. One at a time, in the order asked. */
  ask(what) {
    const turn = this.#asking.then(async () => {
      const machine = await this.#connect();
      const answer = new Promise((resolve, reject) => (this.#answer = { resolve, reject, parts: [] }));
      machine.take((inner, at) => inner.ask(JSON.stringify(what), at)).catch((error) => this.#answer?.reject(error));
      return answer.finally(() => (this.#answer = undefined));
    });
    this.#asking = turn.catch(() => undefined);
    return turn;
  }

  async #connect() {
    if (this.#machine) return this.#machine;
    const device = await this.device();
    const conversation = Conversation.open(await store.credentialsOf(this.id));
    this.dispatchEvent(new Event("connecting"));
    const machine = new Machine(conversation, {
      perform: (step) => this.#perform(step),
      failed: () => this.disconnect(),
    });
    try {
      this.#link = await radio.Link.open(device, {
        channels: CONVERSATION,
        needed: CONVERSATION,
        received: (on, bytes) => machine.take((inner, at) => inner.received(on, bytes, at)),
        gone: () => machine.take((inner, at) => inner.disconnected(at)).finally(() => this.#lost(machine)),
      });
    } catch (error) {
      machine.stop();
      this.#changed();
      throw error;
    }
    this.#machine = machine;
    if (device.id !== this.facts.deviceId) await this.learn({ deviceId: device.id });
    this.#changed();
    return machine;
  }

  async #perform(step) {
    switch (step.action) {
      case "write":
        try {
          await this.#link.write(step.on, step.bytes);
        } catch {
          this.#link.close();
          return this.#machine?.inner.disconnected(now());
        }
        return undefined;
      case "tell":
        this.#hear(JSON.parse(step.news));
        return undefined;
      default:
        return undefined;
    }
  }

  #hear(news) {
    const told = news.told;
    if (told?.what === "states") {
      this.states = { ...told, heard: Date.now() };
      this.#changed();
    }
    switch (news.news) {
      case "part":
        this.#answer?.parts.push(told);
        break;
      case "done":
        this.#answer?.resolve({ told, parts: this.#answer.parts, invitation: news.invitation });
        break;
      case "failed":
        this.#answer?.reject(new Refused(news));
        if (this.#machine?.inner.is_over()) this.disconnect();
        break;
    }
  }

  #lost(machine) {
    machine.stop();
    this.#answer?.reject(new Error("the connection to the lock is gone; try again"));
    if (this.#machine !== machine) return;
    this.#machine = undefined;
    this.#link = undefined;
    this.#changed();
  }

  /** Ends the connection, if there is one. */
  disconnect() {
    this.#link?.close();
    if (this.#machine) this.#lost(this.#machine);
  }
}

/** Pairs with a lock that the owner chooses, under this name; `pin` asks for the PIN of a lock that pairs with it. */
export async function pair(name, pin) {
  if (!radio.isSupported()) throw new Error("this browser has no Web Bluetooth; use Chrome or Edge on Android, Windows, macOS or Linux");
  const device = await radio.choose();
  const events = [];
  let machine;
  let link;
  const forward = (event) => (machine ? machine.take(event) : events.push(event));
  link = await radio.Link.open(device, {
    channels: ["pairing5", "pairing", ...CONVERSATION],
    needed: CONVERSATION,
    received: (on, bytes) => forward((inner, at) => inner.received(on === "pairing5" ? "pairing" : on, bytes, at)),
    gone: () => forward((inner, at) => inner.disconnected(at)),
  });
  try {
    const fifth = link.has("pairing5");
    const conversation = Conversation.pair(name, fifth ? await pin() : undefined, now());
    let saved;
    await new Promise((resolve, reject) => {
      const perform = async (step) => {
        if (step.action === "write") {
          await link.write(step.on === "pairing" && fifth ? "pairing5" : step.on, step.bytes);
        } else if (step.action === "store") {
          saved = { id: conversation.lock_id(), authorization: conversation.authorization(), name: device.name || "Lock", deviceId: device.id };
          await store.saveLock(saved.id, saved, conversation.credentials());
          return conversation.stored(now());
        } else if (step.action === "tell") {
          const news = JSON.parse(step.news);
          if (news.news === "paired") resolve();
          if (news.news === "failed") reject(new Refused(news));
        }
        return undefined;
      };
      machine = new Machine(conversation, { perform, failed: reject });
      machine.take((inner) => inner.begin()).catch(reject);
      for (const event of events) machine.take(event).catch(reject);
    });
    return new Lock(saved, device);
  } finally {
    machine?.stop();
    link.close();
  }
}

/** Takes an invitation. The lock is chosen when something is asked of it. */
export async function accept(invitation) {
  const conversation = Conversation.invited(invitation);
  const facts = { id: conversation.lock_id(), authorization: conversation.authorization(), name: "Lock" };
  await store.saveLock(facts.id, facts, conversation.credentials());
  return new Lock(facts);
}
