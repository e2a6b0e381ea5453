import assert from "node:assert/strict";
import { test } from "node:test";

import { type Row, barAt, keep, layout, steps, zoom } from "../src/bars";
import type { Episode } from "../src/types";

const episode = (rule: string, opened_at: string, ended_at: string | null, worst = "info"): Episode =>
  ({ episode: `${rule}${opened_at}`, universe: "us", rule, opened_at, ended_at, worst }) as Episode;

test("episodes stand in rows by rule, in order of time", () => {
  const rows = layout([episode("b", "2026-01-03T00:00:00Z", null), episode("a", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"), episode("b", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")]);
  assert.deepEqual(rows.map((row) => [row.name, row.bars.length]), [["us/a", 1], ["us/b", 2]]);
  assert.ok((rows[1]?.bars[0]?.from ?? 0) < (rows[1]?.bars[1]?.from ?? 0));
  assert.equal(rows[1]?.bars[1]?.to, Infinity);
  // An end before the beginning is none.
  assert.equal(rows[0]?.bars[0]?.to, rows[0]?.bars[0]?.from);
});

test("a zoom keeps what is under the pointer, and stays within the whole", () => {
  const [from, to] = zoom([0, 100_000], 25_000, 0.5, [0, 100_000]);
  assert.deepEqual([from, to], [12_500, 62_500]);
  assert.equal((25_000 - from) / (to - from), 0.25);
  const [low, high] = zoom([0, 100_000], 50_000, 100, [0, 100_000]);
  assert.ok(Math.abs(high - low - 110_000) < 1e-6);
  const near = zoom([0, 2_000], 1_000, 0.001, [0, 100_000]);
  assert.equal(near[1] - near[0], 1_000);
});

test("some of the whole stays in sight", () => {
  assert.deepEqual(keep([-500, -400], [0, 1_000]), [-50, 50]);
  assert.deepEqual(keep([5_000, 5_100], [0, 1_000]), [950, 1_050]);
});

test("of bars that overlap the most severe is found", () => {
  const row = layout([episode("a", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "warning"), episode("a", "2026-01-02T00:00:00Z", null)])[0] as Row;
  const now = Date.parse("2026-01-10T00:00:00Z");
  const at = (time: string): string | undefined => barAt(row, Date.parse(time), 1_000, now)?.severity;
  assert.deepEqual([at("2025-12-31T00:00:00Z"), at("2026-01-03T00:00:00Z"), at("2026-01-07T00:00:00Z"), at("2026-01-11T00:00:00Z")], [undefined, "warning", "info", undefined]);
});

test("ticks of months and years stand on their first day, those of weeks on Mondays", () => {
  const range = [Date.parse("2025-11-15T00:00:00Z"), Date.parse("2026-03-15T00:00:00Z")] as const;
  const dates = (step: number): string[] => steps(range, step).map((at) => new Date(at).toISOString().slice(0, 10));
  const day = 86_400_000;
  assert.deepEqual(dates(30.4375 * day), ["2025-12-01", "2026-01-01", "2026-02-01", "2026-03-01"]);
  assert.deepEqual(dates(365.25 * day), ["2026-01-01"]);
  assert.deepEqual(dates(7 * day).slice(0, 2), ["2025-11-17", "2025-11-24"]);
});
