import assert from "node:assert/strict";
import { test } from "node:test";

import { type Happening, type Link, START, delay, resume, step } from "../src/link";

/** The state after all of these. */
function after(...what: Happening[]): Link {
  return what.reduce((link, one) => step(link, one, 0.5)[0], START);
}

const LOADED: Happening = { type: "loaded", position: "r5", caughtUp: true };
const OPENED: Happening = { type: "opened" };
const BROKEN: Happening = { type: "failed", reason: "gone" };

test("what was loaded is followed from where it stood", () => {
  const [link, action] = step(START, LOADED, 0);
  assert.equal(link.phase, "starting");
  assert.deepEqual(action, { type: "stream", position: "r5" });
  assert.equal(after(LOADED, OPENED).phase, "live");
});

test("until it has caught up it is not live", () => {
  const link = after({ ...LOADED, caughtUp: false }, OPENED);
  assert.equal(link.phase, "catching up");
  assert.equal(step(link, { type: "message", id: "r6", event: "caught_up" }, 0)[0].phase, "live");
  assert.equal(after({ ...LOADED, caughtUp: false }, OPENED, BROKEN, OPENED).phase, "catching up");
});

test("after a break it goes on after the last message, and not before", () => {
  const link = after(LOADED, OPENED, { type: "message", id: "r6", event: "alert" }, { type: "message", id: "", event: "horizon" }, BROKEN);
  assert.equal(link.phase, "reconnecting");
  assert.equal(link.reason, "gone");
  assert.deepEqual(resume(link), { type: "stream", position: "r6" });
  assert.equal(step(link, OPENED, 0)[0].phase, "live");
});

test("where nothing was loaded it begins with that", () => {
  assert.deepEqual(resume(after(BROKEN)), { type: "load" });
});

test("a reset loads anew, and forgets the position", () => {
  const [link, action] = step(after(LOADED, OPENED), { type: "message", id: "r9", event: "reset" }, 0);
  assert.deepEqual(action, { type: "load" });
  assert.deepEqual(resume(link), { type: "load" });
});

test("a refusal waits for a token, and a token begins from the beginning", () => {
  const [locked, nothing] = step(after(LOADED, OPENED), { type: "refused" }, 0);
  assert.deepEqual([locked.phase, nothing], ["locked", null]);
  const [link, action] = step(locked, { type: "unlocked" }, 0);
  assert.deepEqual([link, action], [START, { type: "load" }]);
});

test("waits grow to a limit, are spread by chance, and begin anew after a success", () => {
  const waits = Array.from({ length: 12 }, (_, index) => delay(index + 1, 1));
  assert.deepEqual(waits.slice(0, 6), [500, 1_000, 2_000, 4_000, 8_000, 15_000]);
  assert.equal(Math.max(...waits), 15_000);
  assert.equal(delay(3, 0), 1_000);
  const [, action] = step(after(LOADED, BROKEN, BROKEN, OPENED), BROKEN, 1);
  assert.deepEqual(action, { type: "retry", delay: 500 });
});
