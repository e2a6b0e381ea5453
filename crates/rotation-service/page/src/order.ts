// Orders and merges of what is shown.

import type { Episode, Rule, Severity } from "./types";

const RANK: Record<Severity, number> = { critical: 2, warning: 1, info: 0 };

export const rank = (severity: Severity): number => RANK[severity] ?? 0;

/** Most severe first, then newest. */
export function bySeverity(a: Episode, b: Episode): number {
  return rank(b.severity) - rank(a.severity) || Date.parse(b.as_of) - Date.parse(a.as_of) || byName(a.episode, b.episode);
}

/** Newest opening first. */
export function byOpening(a: Episode, b: Episode): number {
  return Date.parse(b.opened_at) - Date.parse(a.opened_at) || byName(a.episode, b.episode);
}

/** What fires next first; what has no reading last. */
export function byNearness(a: Rule, b: Rule): number {
  const known = Number(b.reading !== null) - Number(a.reading !== null);
  return known || (b.nearness ?? -1) - (a.nearness ?? -1) || byName(a.universe, b.universe) || byName(a.rule, b.rule);
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether an episode with so many transitions tells more than what is known of it. */
export function isNewer(known: number | undefined, transitions: number): boolean {
  return known === undefined || transitions > known;
}

/** Adds a point at the end of points in order of time; replaces the last one of the same time, drops older ones. */
export function append<P extends readonly [number, ...number[]]>(points: readonly P[], point: P, most: number): P[] {
  const last = points[points.length - 1];
  if (last && point[0] < last[0]) return [...points];
  const kept = last && point[0] === last[0] ? points.slice(0, -1) : points;
  return [...kept, point].slice(-most);
}

/** What the history is narrowed to. */
export interface Filter {
  universe: string;
  rule: string;
  subject: string;
  severity: string;
  state: string;
  /** Dates in UTC, both included. */
  from: string;
  to: string;
}

export const NO_FILTER: Filter = { universe: "", rule: "", subject: "", severity: "", state: "", from: "", to: "" };

const DAY = 86_400_000;

/** Whether an episode that arrives live belongs to a filtered list; the server decides the rest. */
export function matches(filter: Filter, episode: Episode): boolean {
  const opened = Date.parse(episode.opened_at);
  return (
    (!filter.universe || filter.universe === episode.universe) &&
    (!filter.rule || filter.rule === episode.rule) &&
    (!filter.subject || filter.subject === episode.subject) &&
    (!filter.severity || filter.severity === episode.severity) &&
    (!filter.state || (filter.state === "open") === episode.open) &&
    (!filter.from || opened >= Date.parse(filter.from)) &&
    (!filter.to || opened < Date.parse(filter.to) + DAY)
  );
}
