// One update of one lock: connects and disconnects as the Rust half says, and passes on what it tells.

import { Install, mtu_max } from "./latchkey.js";
import { Machine } from "./machine.js";
import { PieceLength } from "./pieces.js";
import { Link } from "./radio.js";

const CHANNELS = ["keyturner", "userData", "smp"];

/**
 * Installs `release` on the lock behind `device`. `show(news)` is told what goes on; for the plan it gives a promise of
 * yes or no. Gives the last news. Wipes the credentials.
 */
export async function install({ release, credentials, pin, device, show, open = Link.open }) {
  const inner = new Install(release, credentials, pin);
  credentials.fill(0);
  const pieces = new PieceLength(mtu_max());
  let link;
  let attempt = 0;
  let machine;
  try {
    return await new Promise((resolve, reject) => {
      const drop = () => {
        attempt += 1;
        link?.close();
        link = undefined;
        pieces.ended();
      };
      const connect = async () => {
        const mine = (attempt += 1);
        const current = (event) => (mine === attempt ? machine.take(event).catch(reject) : undefined);
        try {
          const opened = await open(device, {
            channels: CHANNELS,
            needed: CHANNELS,
            received: (on, bytes) => {
              if (on === "smp") pieces.answered();
              current((inner, at) => inner.received(on, bytes, at));
            },
            gone: () => {
              pieces.ended();
              current((inner, at) => inner.disconnected(at));
            },
          });
          if (mine !== attempt) return opened.close();
          link = opened;
          current((inner, at) => inner.connected(pieces.mtu, at));
        } catch {
          current((inner, at) => inner.not_connected(at));
        }
      };
      const done = () => inner.done(machine.clock());
      const move = async (write, bytes) => {
        try {
          await write(bytes);
        } catch {
          drop();
          return inner.disconnected(machine.clock());
        }
        return done();
      };
      const perform = async (step) => {
        switch (step.action) {
          case "again":
            return done();
          case "connect":
            connect();
            return undefined;
          case "disconnect":
            drop();
            return done();
          case "write":
            return move((bytes) => link.write(step.on, bytes), step.bytes);
          case "send":
            pieces.sent(step.bytes);
            return move((bytes) => link.send(step.on, bytes), step.bytes);
          case "tell": {
            const news = JSON.parse(step.news);
            if (news.news === "plan") {
              Promise.resolve(show(news)).then(
                (yes) => machine.take((inner, at) => inner.consent(yes, at)).catch(reject),
                reject,
              );
            } else {
              show(news);
            }
            if (news.news === "ended") resolve(news);
            return inner.is_over() ? undefined : done();
          }
          default:
            return undefined;
        }
      };
      machine = new Machine(inner, { perform, failed: reject });
      machine.take((inner, at) => inner.done(at)).catch(reject);
    });
  } finally {
    machine.stop();
    link?.close();
  }
}
