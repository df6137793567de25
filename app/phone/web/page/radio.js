// Web Bluetooth: a link to one lock that takes bytes and brings bytes. Knows nothing of what they mean.

import { gatt_names } from "./latchkey.js";

let table;
const names = () => (table ??= JSON.parse(gatt_names()));

export const isSupported = () => Boolean(navigator.bluetooth);

/** An attempt to connect that fails sooner than this had reached something, in milliseconds. */
const QUICK_MS = 3_000;
/** How long a lock may take to answer anything, in milliseconds: ATT's own limit (Core Specification, Vol 3 Part F, 3.3.3). */
const ANSWER_MS = 30_000;
const NAME_START = "Nuki_";

/** What a lock calls itself on air. */
export const nameOf = (nukiId) => NAME_START + nukiId;

/** Has the owner choose a lock: this one, or any. Only from a click. */
export function choose(nukiId) {
  const { unused, pairing, pairing5, keyturner, smp } = names();
  const services = [pairing.service, pairing5.service, keyturner.service, smp.service];
  const any = [{ namePrefix: NAME_START }, ...[unused, ...services].map((service) => ({ services: [service] }))];
  return navigator.bluetooth.requestDevice({ filters: nukiId ? [{ name: nameOf(nukiId) }] : any, optionalServices: services });
}

/** A lock that this page may use already, where the browser tells. */
export async function known(deviceId) {
  const devices = (await navigator.bluetooth?.getDevices?.()) ?? [];
  return devices.find((device) => device.id === deviceId);
}

/** A connection. `received(channel, bytes)` and `gone()` are called from the first subscription on. */
export class Link {
  #device;
  #characteristics = new Map();
  #gone;
  #ended = false;
  #breaks;
  /** Fails when the connection breaks. */
  #broken = new Promise((_, reject) => (this.#breaks = () => reject(new DOMException("the connection broke", "NetworkError"))));

  /** Connects and subscribes to what the lock has of `channels`; those of `needed` it must have. */
  static async open(device, { channels, needed, received, gone }) {
    const link = new Link();
    link.#device = device;
    link.#broken.catch(() => undefined);
    const ended = () => link.#end(gone);
    link.#gone = ended;
    device.addEventListener("gattserverdisconnected", ended, { once: true });
    let reached = false;
    const begun = performance.now();
    try {
      const server = await link.#unlessBroken(device.gatt.connect());
      reached = true;
      const services = new Map();
      for (const channel of channels) {
        const { service: uuid, characteristic: id } = names()[channel];
        try {
          if (!services.has(uuid)) services.set(uuid, await link.#unlessBroken(server.getPrimaryService(uuid)));
          const characteristic = await link.#unlessBroken(services.get(uuid).getCharacteristic(id));
          characteristic.addEventListener("characteristicvaluechanged", ({ target: { value } }) => {
            if (!link.#ended) received(channel, new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice());
          });
          await link.#unlessBroken(characteristic.startNotifications());
          link.#characteristics.set(channel, characteristic);
        } catch (error) {
          if (error.name !== "NotFoundError" || needed.includes(channel)) throw error;
        }
      }
      return link;
    } catch (error) {
      link.close();
      const words = `the lock could not be reached (${error.message}); go nearer and try again`;
      // Out of reach is one thing, and takes a while to be found out; a connection that breaks is another.
      const broke = reached || performance.now() - begun < QUICK_MS;
      throw Object.assign(new Error(words), { lost: broke && error.name === "NetworkError" });
    }
  }

  /** The work's outcome, unless the connection breaks or nobody answers: browsers have waited on then. */
  #unlessBroken(work) {
    let timer;
    const silence = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new DOMException("nobody answers", "NetworkError")), ANSWER_MS);
    });
    return Promise.race([work, this.#broken, silence]).finally(() => clearTimeout(timer));
  }

  has(channel) {
    return this.#characteristics.has(channel);
  }

  /** Writes as a request; the browser makes a long write of what does not fit one. */
  write(channel, bytes) {
    return this.#unlessBroken(this.#characteristic(channel).writeValueWithResponse(bytes));
  }

  send(channel, bytes) {
    return this.#unlessBroken(this.#characteristic(channel).writeValueWithoutResponse(bytes));
  }

  #characteristic(channel) {
    const found = this.#characteristics.get(channel);
    if (!found || this.#ended) throw new Error("the connection to the lock is gone");
    return found;
  }

  #end(gone) {
    if (this.#ended) return;
    this.#ended = true;
    this.#breaks();
    gone();
  }

  /** Ends the connection; `gone` is not called for it. */
  close() {
    this.#ended = true;
    this.#breaks();
    this.#device.removeEventListener("gattserverdisconnected", this.#gone);
    this.#device.gatt.disconnect();
  }
}
