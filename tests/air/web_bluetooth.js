// Stands between a page and Chromium's emulation of Bluetooth, in tests only; the page is the same without it.
//
// The emulation cannot push a notification, and says nothing of connections after the first. So whoever starts
// notifications here keeps one read pending, which the bridge answers with what the lock sends: Chromium then fires
// its own `characteristicvaluechanged`. And connecting and disconnecting tell the bridge, which does the same over the
// air. Everything the page sees is Chromium's own.
//
// When a connection ends, the emulation throws away what the page has under way with the device, and Chromium then
// leaves the page without Bluetooth for good. So the bridge lets everything end by `latchkeyQuiet` before it tells the
// emulation.
(() => {
  if (!navigator.bluetooth) return;
  const tell = globalThis.latchkeyBridge;
  const asked = new Map();
  const listening = new Map();
  // What is under way with each device; with those that are gone nothing is begun.
  const underWay = new Map();
  const gone = new Set();
  let last = 0;

  const ask = (what, device) =>
    new Promise((resolve, reject) => {
      last += 1;
      asked.set(last, { resolve, reject });
      tell(JSON.stringify({ id: last, what, device }));
    });

  globalThis.latchkeyAnswer = (id, error) => {
    const { resolve, reject } = asked.get(id);
    asked.delete(id);
    if (error) reject(new DOMException(error, "NetworkError"));
    else resolve();
  };

  const replace = (type, name, make) => {
    type.prototype[name] = make(type.prototype[name]);
  };

  globalThis.latchkeyQuiet = async (device) => {
    gone.add(device);
    await Promise.allSettled(underWay.get(device) ?? []);
  };

  const noted = (type, name) =>
    replace(type, name, (native) => async function (...words) {
      const device = this.service.device.id;
      if (gone.has(device)) throw new DOMException("GATT Server is disconnected.", "NetworkError");
      if (!underWay.has(device)) underWay.set(device, new Set());
      const work = native.apply(this, words);
      underWay.get(device).add(work);
      try {
        return await work;
      } finally {
        underWay.get(device).delete(work);
      }
    });
  for (const name of ["readValue", "writeValueWithResponse", "writeValueWithoutResponse", "startNotifications", "stopNotifications"])
    noted(BluetoothRemoteGATTCharacteristic, name);

  replace(Bluetooth, "requestDevice", (native) => async function requestDevice(...options) {
    const device = await native.apply(this, options);
    await ask("chosen", device.id);
    return device;
  });

  replace(BluetoothRemoteGATTServer, "connect", (native) => async function connect() {
    await ask("connect", this.device.id);
    gone.delete(this.device.id);
    return native.call(this);
  });

  replace(BluetoothRemoteGATTServer, "disconnect", (native) => function disconnect() {
    const connected = this.connected;
    native.call(this);
    if (connected) ask("disconnect", this.device.id);
  });

  const pump = async (characteristic, read, turn) => {
    try {
      while (listening.get(characteristic) === turn) await read.call(characteristic);
    } catch {
      // The connection has ended, or nobody listens any more.
      if (listening.get(characteristic) === turn) listening.delete(characteristic);
    }
  };

  const read = BluetoothRemoteGATTCharacteristic.prototype.readValue;
  replace(BluetoothRemoteGATTCharacteristic, "startNotifications", (native) => async function startNotifications() {
    await native.call(this);
    if (!listening.has(this)) {
      const turn = Symbol("turn");
      listening.set(this, turn);
      pump(this, read, turn);
    }
    return this;
  });

  replace(BluetoothRemoteGATTCharacteristic, "stopNotifications", (native) => async function stopNotifications() {
    listening.delete(this);
    await native.call(this);
    return this;
  });
})();
