// How long the pieces of an upload are. Knows nothing of what is in them.

/** What every link takes. */
const MTU_MIN = 23;
/** Links in a row that ended with a long piece unanswered, before pieces are made short. */
const UNANSWERED_MOST = 2;

/** Web Bluetooth does not tell the MTU. Locks agree to the largest; where long pieces come to nothing, the smallest is taken. */
export class PieceLength {
  #longest;
  #unanswered = 0;
  #pending = false;

  constructor(longest) {
    this.#longest = longest;
  }

  get mtu() {
    return this.#unanswered >= UNANSWERED_MOST ? MTU_MIN : this.#longest;
  }

  sent(bytes) {
    if (bytes.length > MTU_MIN - 3) this.#pending = true;
  }

  answered() {
    this.#pending = false;
    if (this.#unanswered < UNANSWERED_MOST) this.#unanswered = 0;
  }

  ended() {
    if (this.#pending) this.#unanswered += 1;
    this.#pending = false;
  }
}
