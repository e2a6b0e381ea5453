// The arithmetic of the timeline: which bars there are, what is in sight, where the ticks stand.

import { rank } from "./order";
import type { Episode, Severity } from "./types";

export interface Bar {
  from: number;
  /** Infinite while it is open. */
  to: number;
  severity: Severity;
  episode: Episode;
}

export interface Row {
  name: string;
  bars: Bar[];
}

const DAY = 86_400_000;
/** The least time in sight, in milliseconds. */
const SHORTEST = 1_000;

/** Rows by rule, in order of their names; in a row, in order of time. */
export function layout(episodes: readonly Episode[]): Row[] {
  const rows = new Map<string, Bar[]>();
  for (const episode of episodes) {
    const name = `${episode.universe}/${episode.rule}`;
    const bars = rows.get(name) ?? [];
    rows.set(name, bars);
    const from = Date.parse(episode.opened_at);
    bars.push({ from, to: episode.ended_at === null ? Infinity : Math.max(from, Date.parse(episode.ended_at)), severity: episode.worst, episode });
  }
  for (const bars of rows.values()) bars.sort((a, b) => a.from - b.from);
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, bars]) => ({ name, bars }));
}

/** The time between two instants as it is after a zoom around a point that stays where it is. */
export function zoom(range: [number, number], at: number, factor: number, whole: [number, number]): [number, number] {
  const length = Math.min(Math.max((range[1] - range[0]) * factor, SHORTEST), (whole[1] - whole[0]) * 1.1);
  const share = (at - range[0]) / (range[1] - range[0]);
  return keep([at - share * length, at + (1 - share) * length], whole);
}

/** Keeps some of the whole in sight. */
export function keep([from, to]: [number, number], whole: [number, number]): [number, number] {
  const length = to - from;
  const low = whole[0] - length / 2;
  const high = whole[1] + length / 2;
  if (from < low) return [low, low + length];
  if (to > high) return [high - length, high];
  return [from, to];
}

/** The bar at an instant of a row: of those there, the most severe, then the latest. */
export function barAt(row: Row, at: number, slack: number, now: number): Bar | null {
  let found: Bar | null = null;
  for (const bar of row.bars) {
    if (bar.from > at + slack) break;
    if (Math.min(bar.to, now) < at - slack && bar.from < at - slack) continue;
    if (!found || rank(bar.severity) >= rank(found.severity)) found = bar;
  }
  return found;
}

/** Where the ticks of an axis stand; steps of months and years stand on their first day. */
export function steps([from, to]: readonly [number, number], step: number): number[] {
  const found: number[] = [];
  if (step <= 7 * DAY) {
    // Weeks begin on Mondays; 1970 did on a Thursday.
    const base = step === 7 * DAY ? 4 * DAY : 0;
    for (let at = base + Math.ceil((from - base) / step) * step; at <= to; at += step) found.push(at);
    return found;
  }
  const months = Math.round(step / (30.4375 * DAY));
  const start = new Date(from);
  let month = Math.ceil((start.getUTCFullYear() * 12 + start.getUTCMonth()) / months) * months;
  for (;;) {
    const at = Date.UTC(Math.floor(month / 12), month % 12, 1);
    if (at > to) return found;
    if (at >= from) found.push(at);
    month += months;
  }
}
