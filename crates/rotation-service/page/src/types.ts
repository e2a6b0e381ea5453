// The shapes of /api/v1. Times are RFC 3339 in UTC; points begin with milliseconds since 1970.

export type Severity = "info" | "warning" | "critical";
export type State = "opened" | "escalated" | "eased" | "resolved" | "confirmed" | "corrected" | "retracted";

export interface Episode {
  episode: string;
  universe: string;
  rule: string;
  kind: string;
  subject: string;
  direction?: "up" | "down";
  severity: Severity;
  worst: Severity;
  notify: "page" | "chat" | "digest";
  state: State;
  rung?: string;
  open: boolean;
  since: string;
  opened_at: string;
  as_of: string;
  ended_at: string | null;
  resolve_reason?: string;
  value: number;
  peak: number;
  threshold: number;
  unit: string;
  headline: string;
  transitions: number;
  parent?: string;
  replay: boolean;
  spark: [number, number][];
}

export interface Contribution {
  input: string;
  strength: number;
  weight: number;
  contribution: number;
  why: string;
}

export interface Regime {
  rule: string;
  state: string;
  score: number;
  since: string | null;
  as_of: string;
  contributions: Contribution[];
}

export interface UniverseState {
  name: string;
  calendar: string;
  horizon: string | null;
  newest: string | null;
  lag_seconds: number | null;
  sources: { partition: number; horizon: string; excluded: boolean }[];
  stale: string[];
  rules: number;
  open: number;
  regime: Regime | null;
}

export interface Now {
  version: string;
  instance: string;
  now: string;
  caught_up: boolean;
  position: string;
  /** What keeps the service from reading, in words. */
  notes: string[];
  universes: UniverseState[];
  open: Episode[];
}

export interface Episodes {
  episodes: Episode[];
  next: string | null;
  total: number;
}

/** What the page reads of an event; the rest is shown as it is. */
export interface CloudEvent {
  id: string;
  type: string;
  time: string;
  data: {
    universe: string;
    rule: string;
    episode: string;
    transition: number;
    state: State;
    severity: Severity;
    notify?: string;
    rung?: string;
    as_of: string;
    detected_at?: string;
    value: number;
    peak: number;
    threshold: number;
    unit: string;
    headline: string;
    reverses?: string;
    resolve_reason?: string;
    close_status?: string;
    runbook?: string;
    evidence?: Record<string, unknown>;
    quality?: { present: number; expected: number; stale: string[]; capped_from?: string };
  };
}

export type Pair = [number, number];
export type Reading = [number, number, number];

export interface EpisodeDetail {
  episode: Episode;
  events: CloudEvent[];
  window: { from: string; to: string | null };
  reading: { unit: string; points: Reading[] };
  series: { name: string; unit: string | null; points: Pair[] }[];
  parts: Episode[];
  explain: string;
}

export interface Explained {
  identical: boolean | null;
  text: string;
}

export interface Rule {
  universe: string;
  rule: string;
  kind: string;
  clock: string;
  subject: string;
  unit: string;
  open: number;
  about: string;
  missing: string | null;
  reading: { as_of: string; session?: string; value: number; threshold: number; distance: number; open: boolean } | null;
  nearness: number | null;
  points: Reading[];
}

export interface Readings {
  unit: string;
  points: Reading[];
}

export interface RegimePoints {
  points: { as_of: string; score: number; state: string; contributions: Contribution[] }[];
}

export type Quadrant = "leading" | "weakening" | "lagging" | "improving";

export interface MapPoint {
  ratio: number;
  momentum: number;
  quadrant: Quadrant | null;
}

export interface Frame {
  as_of: string;
  session?: string;
  points: Record<string, MapPoint>;
}

export interface RotationMap {
  maps: { universe: string; rule: string; benchmark: string }[];
  universe: string | null;
  rule: string | null;
  benchmark: string | null;
  members: string[];
  frames: Frame[];
}

/** The events of the stream. */
export interface AlertMessage {
  episode: Episode;
  event: CloudEvent;
}

export interface ReadingMessage {
  universe: string;
  rule: string;
  kind: string;
  as_of: string;
  session?: string;
  value: number;
  threshold: number;
  distance: number;
  unit: string;
  open: boolean;
  regime?: Regime;
  points?: Frame | Frame["points"];
}
