import assert from "node:assert/strict";
import { test } from "node:test";

import { sentence, size, times, when, whenLocal, words } from "../page/dom.js";
import { describeLimits, mask } from "../page/limits.js";

test("a sentence begins with a capital and ends once", () => {
  assert.equal(sentence("the lock is busy"), "The lock is busy.");
  for (const ended of ["Done.", "Done!", "Why?", "Sending…"]) assert.equal(sentence(ended), ended);
});

test("a time that the lock did not know is said to be none", () => {
  assert.match(when(0), /not known/);
  // A lock without the time of day counts from the year 2000.
  assert.match(when(Date.UTC(2000, 0, 3) / 1000), /not known/);
  assert.match(when(Date.UTC(2026, 10, 26, 12) / 1000), /2026/);
  // In whatever zone this runs.
  assert.match(whenLocal("2026-11-26T08:30"), /26.*2026.*8:30/);
});

test("numbers for people", () => {
  assert.deepEqual([times(0), times(1), times(2)], ["0 times", "once", "2 times"]);
  assert.deepEqual([size(1), size(1024), size(1025)], ["1 KB", "1 KB", "2 KB"]);
});

test("whatever is thrown has words", () => {
  assert.equal(words("no randomness"), "no randomness");
  assert.equal(words(new Error("gone")), "gone");
  assert.equal(words({}), "[object Object]");
});

test("all seven days are the protocol's no day", () => {
  const all = [64, 32, 16, 8, 4, 2, 1];
  assert.equal(mask(all), 0);
  assert.equal(mask([64, 1]), 65);
  assert.equal(mask(all.slice(1)), 63);
});

test("limits in words say each limit once, and nothing of those that are not there", () => {
  assert.equal(describeLimits(null), "at any time");
  assert.equal(describeLimits({ days: 0 }), "at any time");
  const weekdays = { days: 124, dailyFrom: "08:00", dailyUntil: "17:00" };
  assert.equal(describeLimits(weekdays), "Mon, Tue, Wed, Thu, Fri, from 08:00, until 17:00");
  const dates = { days: 0, from: "2026-11-26T08:00", until: "2026-12-24T00:00" };
  assert.equal(describeLimits(dates), "not before 2026-11-26 08:00, not after 2026-12-24 00:00");
});
