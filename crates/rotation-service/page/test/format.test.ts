import assert from "node:assert/strict";
import { test } from "node:test";

import { figure, measure, placesOf, rows, signed, span, utc, words } from "../src/format";

test("figures have the places that tell something", () => {
  const shown = [10, -2.5, 0.0312, 0.00042, 12345.678, 1234567, -0.0000001, NaN].map((value) => figure(value));
  assert.deepEqual(shown, ["10", "−2.50", "0.031", "0.00042", "12\u202f345.7", "1\u202f234\u202f567", "0.00000", "–"]);
  assert.deepEqual([signed(0.5), signed(-0.5), signed(0.001), signed(-0.001)], ["+0.50", "−0.50", "0.00", "0.00"]);
});

test("ticks of an axis have as many places as they need", () => {
  const tenths = [0, 0.1, 0.2, 0.1 + 0.2];
  const shown = [[0, 5, 10], [0, 2.5, 5, 7.5], tenths, [4.25, 4.5], [0, 0.025, 0.05], [1e-9, 2e-9], [3]].map(placesOf);
  assert.deepEqual(shown, [0, 1, 1, 2, 3, 6, 2]);
});

test("figures stand with their units", () => {
  assert.deepEqual([measure(10, "sessions"), measure(4.9, "percent"), measure(8, "basis_points"), measure(1, ""), measure(1, "sessions"), measure(-1, "bp")], ["10\u00a0sessions", "4.90\u00a0%", "8\u00a0bp", "1", "1\u00a0session", "−1\u00a0bp"]);
});

test("times are in UTC, without seconds that say nothing", () => {
  assert.deepEqual([utc("2026-01-15T21:00:00Z"), utc("2026-01-15T23:30:05.250-05:00"), utc("never")], ["2026-01-15 21:00", "2026-01-16 04:30:05", "–"]);
});

test("lengths of time have at most two units", () => {
  const shown = [0, 59_999, 60_000, 95_000, 3_600_000, 5_400_000, 86_400_000, 90_000_000, 40 * 86_400_000, -5].map(span);
  assert.deepEqual(shown, ["0 s", "59 s", "1 min", "1 min 35 s", "1 h", "1 h 30 min", "1 d", "1 d 1 h", "40 d", "0 s"]);
});

test("evidence becomes rows, however deep it is", () => {
  const found = rows({ length: 10, ok: true, since: { end: "2008-06-06" }, tail: [1, 2.5], parts: [{ rule: "a" }, { rule: "b" }], none: [] });
  assert.deepEqual(found, [["length", "10"], ["ok", "yes"], ["since.end", "2008-06-06"], ["tail", "1, 2.5"], ["parts[1].rule", "a"], ["parts[2].rule", "b"], ["none", "none"]]);
  assert.equal(words("small_cap_led"), "small cap led");
});
