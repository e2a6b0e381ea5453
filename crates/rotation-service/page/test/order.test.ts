import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_FILTER, append, byNearness, byOpening, bySeverity, isNewer, matches } from "../src/order";
import type { Episode, Rule } from "../src/types";

const episode = (more: Partial<Episode>): Episode =>
  ({ episode: "e", universe: "us", rule: "r", subject: "RUT", severity: "info", open: true, opened_at: "2026-01-02T21:00:00Z", as_of: "2026-01-02T21:00:00Z", transitions: 1, ...more }) as Episode;
const rule = (name: string, nearness: number | null, hasReading = true): Rule =>
  ({ universe: "us", rule: name, nearness, reading: hasReading ? { value: 1 } : null }) as Rule;

test("the most severe stands first, then the newest", () => {
  const names = [
    episode({ episode: "old warning", severity: "warning" }),
    episode({ episode: "info", as_of: "2026-01-09T21:00:00Z" }),
    episode({ episode: "critical", severity: "critical", as_of: "2020-01-01T00:00:00Z" }),
    episode({ episode: "warning", severity: "warning", as_of: "2026-01-05T21:00:00.5Z" }),
  ].sort(bySeverity).map((one) => one.episode);
  assert.deepEqual(names, ["critical", "warning", "old warning", "info"]);
});

test("times are compared as times, not as texts", () => {
  const names = [episode({ episode: "a", opened_at: "2026-01-02T21:00:00Z" }), episode({ episode: "b", opened_at: "2026-01-02T21:00:00.25Z" })];
  assert.deepEqual(names.sort(byOpening).map((one) => one.episode), ["b", "a"]);
});

test("what has no reading stands last", () => {
  const names = [rule("none", 1, false), rule("far", 0), rule("b", 0.9), rule("a", 0.9), rule("open", 1)].sort(byNearness).map((one) => one.rule);
  assert.deepEqual(names, ["open", "a", "b", "far", "none"]);
});

test("only a further transition is news", () => {
  assert.deepEqual([isNewer(undefined, 1), isNewer(1, 1), isNewer(2, 1), isNewer(1, 2)], [true, false, false, true]);
});

test("points are kept in order, each instant once, and so many", () => {
  assert.deepEqual(append([[1, 1], [2, 2]], [3, 3], 2), [[2, 2], [3, 3]]);
  assert.deepEqual(append([[1, 1], [2, 2]], [2, 9], 5), [[1, 1], [2, 9]]);
  assert.deepEqual(append([[1, 1], [2, 2]], [1, 9], 5), [[1, 1], [2, 2]]);
});

test("a filter lets through what the service would", () => {
  const one = episode({ severity: "warning" });
  const is = (more: Partial<typeof NO_FILTER>): boolean => matches({ ...NO_FILTER, ...more }, one);
  assert.ok(is({}) && is({ rule: "r", subject: "RUT", severity: "warning", state: "open", universe: "us" }));
  assert.ok(!is({ rule: "other" }) && !is({ subject: "SPX" }) && !is({ severity: "info" }) && !is({ state: "ended" }) && !is({ universe: "eu" }));
  assert.ok(is({ from: "2026-01-02", to: "2026-01-02" }));
  assert.ok(!is({ from: "2026-01-03" }) && !is({ to: "2026-01-01" }));
});
