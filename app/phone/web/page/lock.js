// One lock as the pages know it: connects when something is asked, asks one thing at a time, remembers how the lock was.

import { Conversation, clock_is_off } from "./latchkey.js";
import { words } from "./dom.js";
import { Machine, now } from "./machine.js";
import { pause, persevere } from "./persevere.js";
import * as radio from "./radio.js";
import * as store from "./store.js";

/**
 * A request that came to nothing. `wrongPin`: the PIN was why; `lost`: the connection was; `stranger`: whoever answered
 * does not know this device; `unknownEffect`: the lock may have done it all the same.
 */
export class Refused extends Error {
  constructor({ words, wrongPin, lost, stranger, unknownEffect }) {
    super(words);
    Object.assign(this, { wrongPin, lost, stranger, unknownEffect });
  }
}

const CONVERSATION = ["keyturner", "userData"];
const UNSUPPORTED = "this browser has no Web Bluetooth; use Chrome or Edge on Android, Windows, macOS or Linux";
/** How long a bolt may take to come to rest, and how often it is asked meanwhile, in milliseconds. */
const MOTION_MS = 60_000;
const LOOK_MS = 1_000;

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
    if (!radio.isSupported()) throw new Error(UNSUPPORTED);
    this.#device ??= (await radio.known(this.facts.deviceId)) ?? (await radio.choose(this.facts.nukiId));
    return this.#device;
  }

  /** Asks something; gives `{ told, parts, invitation }`. One at a time, in the order asked. */
  ask(what) {
    const turn = this.#asking.then(() => persevere(() => this.#askOnce(what)));
    this.#asking = turn.catch(() => undefined);
    return turn;
  }

  async #askOnce(what) {
    const machine = await this.#connect();
    const answer = new Promise((resolve, reject) => (this.#answer = { resolve, reject, parts: [] }));
    machine.take((inner, at) => inner.ask(JSON.stringify(what), at)).catch((error) => this.#answer?.reject(error));
    return answer.finally(() => (this.#answer = undefined));
  }

  /** The lock's Nuki ID, eight hexadecimal digits; asked for once. */
  async nukiId() {
    if (!this.facts.nukiId) {
      const { told } = await this.ask({ ask: "config" });
      await this.learn({ nukiId: told.nukiId });
    }
    return this.facts.nukiId;
  }

  /** How lock and door are, once nothing moves. */
  async atRest() {
    const end = now() + MOTION_MS;
    for (;;) {
      const { told } = await this.ask({ ask: "states" });
      if (told.lock !== "moving" || now() > end) return told;
      await pause(LOOK_MS);
    }
  }

  async #connect() {
    if (this.#machine) return this.#machine;
    const device = await this.device();
    // Before there is a connection: one that ended meanwhile would leave whoever asks without an answer.
    if (device.id !== this.facts.deviceId) await this.learn({ deviceId: device.id });
    const credentials = await store.credentialsOf(this.id);
    const conversation = Conversation.open(credentials);
    credentials.fill(0);
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
      const heard = Date.now();
      this.states = { ...told, heard, clockOff: clock_is_off(told.unix ?? 0, heard / 1000) };
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
    // Whatever was asked and could be judged has been answered by now.
    this.#answer?.reject(new Refused({ words: "the connection to the lock is gone; try again", lost: true, unknownEffect: true }));
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

/**
 * Pairs with a lock that the owner chooses, under this name; `pin` asks for the PIN of a lock that pairs with it. Begins
 * anew when the connection is lost before the lock holds anything; when it is lost at the last word, asks the lock.
 */
export async function pair(name, pin) {
  if (!radio.isSupported()) throw new Error(UNSUPPORTED);
  const device = await radio.choose();
  let typed;
  const pinOnce = async () => (typed ??= await pin());
  return persevere(async () => {
    const attempt = { saved: undefined };
    try {
      await pairOnce(device, name, pinOnce, attempt);
    } catch (error) {
      if (!attempt.saved) throw error;
      const lock = new Lock(attempt.saved, device);
      if (!error.unknownEffect || !(await isKnown(lock))) {
        await store.forgetLock(lock.id);
        throw Object.assign(error, { unknownEffect: false });
      }
    }
    const lock = new Lock(attempt.saved, device);
    lock.pin = typed;
    // Where that cannot be stored, it is shown as perhaps paired when the page is loaded anew.
    await lock.learn({ unsure: false }).catch(() => undefined);
    return lock;
  });
}

/** Whether the lock knows who paired, where the last word of the pairing was lost. */
async function isKnown(lock) {
  try {
    await lock.ask({ ask: "states" });
    return true;
  } catch (error) {
    if (error.stranger) return false;
    const kept = "This device’s new key is kept: connect to see whether the lock knows it; if not, remove the lock here and pair again";
    throw Object.assign(new Error(`${words(error)}. ${kept}`), { lock });
  } finally {
    lock.disconnect();
  }
}

async function pairOnce(device, name, pin, attempt) {
  const events = [];
  let machine;
  const forward = (event) => (machine ? machine.take(event) : events.push(event));
  const link = await radio.Link.open(device, {
    channels: ["pairing5", "pairing", ...CONVERSATION],
    needed: CONVERSATION,
    received: (on, bytes) => forward((inner, at) => inner.received(on === "pairing5" ? "pairing" : on, bytes, at)),
    gone: () => forward((inner, at) => inner.disconnected(at)),
  });
  try {
    const fifth = link.has("pairing5");
    const conversation = Conversation.pair(name, fifth ? await pin() : undefined, now());
    await new Promise((resolve, reject) => {
      const perform = async (step) => {
        switch (step.action) {
          case "write":
            try {
              await link.write(step.on === "pairing" && fifth ? "pairing5" : step.on, step.bytes);
            } catch {
              return conversation.disconnected(now());
            }
            return undefined;
          case "store": {
            // Each pairing is a record of its own: one that comes to nothing replaces none that works.
            const [uuid, authorization] = [conversation.lock_id(), conversation.authorization()];
            attempt.saved = { id: `${uuid}-${authorization}`, uuid, authorization, name: device.name || "Lock", deviceId: device.id, unsure: true };
            await store.saveLock(attempt.saved, conversation.credentials());
            return conversation.stored(now());
          }
          case "tell": {
            const news = JSON.parse(step.news);
            if (news.news === "paired") resolve();
            if (news.news === "failed") reject(new Refused(news));
            return undefined;
          }
          default:
            return undefined;
        }
      };
      machine = new Machine(conversation, { perform, failed: reject });
      machine.take((inner) => inner.begin()).catch(reject);
      for (const event of events) machine.take(event).catch(reject);
    });
  } finally {
    machine?.stop();
    link.close();
  }
}

/** Takes an invitation. The lock is chosen when something is asked of it. */
export async function accept(invitation) {
  const conversation = Conversation.invited(invitation);
  const [uuid, authorization] = [conversation.lock_id(), conversation.authorization()];
  const nukiId = conversation.nuki_id();
  const facts = { id: `${uuid}-${authorization}`, uuid, authorization, nukiId, name: radio.nameOf(nukiId) };
  await store.saveLock(facts, conversation.credentials());
  return new Lock(facts);
}
