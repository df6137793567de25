// Conversations with the lock of radio.js, in few words. What real ones say is tested against the real lock by the
// crate's own tests; this stands in where it is about what the page does with their steps.

const bytesOf = (text) => new TextEncoder().encode(text);
export const textOf = (bytes) => new TextDecoder().decode(bytes);

const write = (on, text) => ({ action: "write", on, bytes: bytesOf(text) });
const tell = (news) => ({ action: "tell", news: JSON.stringify(news) });

export const clock_is_off = () => false;

export class Conversation {
  #over = false;
  #held = false;
  #id;

  constructor({ first, id }) {
    this.#id = id;
    this.first = first;
  }

  static pair(name, pin) {
    return new Conversation({ first: write("pairing", `pair ${name} ${pin ?? "-"}`) });
  }

  static open(credentials) {
    return new Conversation({ id: textOf(credentials) });
  }

  begin() {
    return this.first;
  }

  ask() {
    return write("userData", `ask ${this.#id}`);
  }

  received(on, bytes) {
    const [word, id] = textOf(bytes).split(" ");
    switch (`${on} ${word}`) {
      case "pairing granted":
        this.#id = id;
        return { action: "store" };
      case "pairing paired":
        return tell({ news: "paired" });
      case "userData states":
        return tell({ news: "done", told: { what: "states" } });
      case "keyturner stranger":
        return this.#failed({ words: "the lock does not know you", stranger: true });
      default:
        return this.#failed({ words: `the lock says ${word}` });
    }
  }

  stored() {
    this.#held = true;
    return write("pairing", "held");
  }

  disconnected() {
    const inDoubt = this.#held;
    return this.#failed({ words: "the connection is gone", lost: true, unknownEffect: inDoubt });
  }

  #failed(facts) {
    if (this.#over) return { action: "wait" };
    this.#over = true;
    return tell({ news: "failed", ...facts });
  }

  deadline() {}

  is_over() {
    return this.#over;
  }

  credentials() {
    return bytesOf(this.#id);
  }

  lock_id() {
    return "lock";
  }

  authorization() {
    return Number(this.#id);
  }
}
