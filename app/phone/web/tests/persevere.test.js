import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { persevere } from "../page/persevere.js";
import { PieceLength } from "../page/pieces.js";

const failure = (facts) => Object.assign(new Error("gone"), facts);
const wait = async () => undefined;

test("what got lost without consequences is done again, a few times", async () => {
  const work = mock.fn(async (tried) => {
    if (tried < 3) throw failure({ lost: true });
    return tried;
  });
  assert.equal(await persevere(work, { wait }), 3);
  const hopeless = mock.fn(async () => {
    throw failure({ lost: true });
  });
  await assert.rejects(persevere(hopeless, { wait, tries: 4 }), /gone/);
  assert.equal(hopeless.mock.callCount(), 4);
});

test("what the lock may have done, or has refused, is never done twice", async () => {
  for (const facts of [{ lost: true, unknownEffect: true }, { lost: false }, {}]) {
    const work = mock.fn(async () => {
      throw failure(facts);
    });
    await assert.rejects(persevere(work, { wait }), /gone/);
    assert.equal(work.mock.callCount(), 1);
  }
});

test("it waits longer each time", async () => {
  const waits = [];
  const work = async () => {
    throw failure({ lost: true });
  };
  await assert.rejects(persevere(work, { tries: 4, wait: async (ms) => waits.push(ms) }));
  assert.equal(waits.length, 3);
  assert.ok(waits[0] < waits[1] && waits[1] < waits[2]);
});

test("pieces become short where long ones come to nothing twice in a row, and stay so", () => {
  const pieces = new PieceLength(247);
  const long = new Uint8Array(200);
  const link = (answered) => {
    pieces.sent(long);
    if (answered) pieces.answered();
    pieces.ended();
  };
  link(false);
  link(true);
  link(false);
  assert.equal(pieces.mtu, 247);
  link(false);
  assert.equal(pieces.mtu, 23);
  pieces.sent(new Uint8Array(20));
  pieces.answered();
  assert.equal(pieces.mtu, 23);
});

test("links that break over short pieces say nothing about long ones", () => {
  const pieces = new PieceLength(247);
  for (let link = 0; link < 5; link += 1) {
    pieces.sent(new Uint8Array(20));
    pieces.ended();
  }
  assert.equal(pieces.mtu, 247);
});
