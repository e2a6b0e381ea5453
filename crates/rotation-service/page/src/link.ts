// The life of the connection as a function: what happened, and what is to be done about it. No clock, no network.

export type Phase =
  /** Nothing has been loaded yet. */
  | "starting"
  /** The stream is open, and the view behind it is still reading what it missed. */
  | "catching up"
  | "live"
  /** The stream is gone; another try is under way or due. */
  | "reconnecting"
  /** The server asks for a token. */
  | "locked";

export interface Link {
  phase: Phase;
  /** Where the stream goes on: the last id that was seen. */
  position: string;
  /** Tries since it last worked. */
  failures: number;
  /** Whether the view behind the stream has read everything. */
  caughtUp: boolean;
  /** Why it is not live, in words. */
  reason: string;
}

export type Happening =
  | { type: "loaded"; position: string; caughtUp: boolean }
  | { type: "opened" }
  | { type: "message"; id: string; event: string }
  | { type: "failed"; reason: string }
  | { type: "refused" }
  | { type: "unlocked" };

export type Action =
  | { type: "load" }
  | { type: "stream"; position: string }
  | { type: "retry"; delay: number };

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;

export const START: Link = { phase: "starting", position: "", failures: 0, caughtUp: false, reason: "" };

/** Twice as long after each failure, up to a limit, and a part of it by chance, so that not all come back at once. */
export function delay(failures: number, chance: number): number {
  const whole = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(failures - 1, 10));
  return Math.round(whole / 2 + (whole / 2) * chance);
}

const up = (link: Link): Link => ({ ...link, phase: link.caughtUp ? "live" : "catching up", failures: 0, reason: "" });

/** The next state, and what to do; `chance` is from 0 to 1. */
export function step(link: Link, what: Happening, chance: number): [Link, Action | null] {
  switch (what.type) {
    case "loaded": {
      const next = { ...link, position: what.position, caughtUp: what.caughtUp };
      return [next, { type: "stream", position: what.position }];
    }
    case "opened":
      return [up(link), null];
    case "message": {
      if (what.event === "reset") return [{ ...link, position: "", reason: "loading anew" }, { type: "load" }];
      const next = { ...link, position: what.id || link.position };
      if (what.event === "caught_up") return [up({ ...next, caughtUp: true }), null];
      return [next, null];
    }
    case "failed": {
      const failures = link.failures + 1;
      const next: Link = { ...link, phase: "reconnecting", failures, reason: what.reason };
      return [next, { type: "retry", delay: delay(failures, chance) }];
    }
    case "refused":
      return [{ ...link, phase: "locked", reason: "a token is needed" }, null];
    case "unlocked":
      return [{ ...START }, { type: "load" }];
  }
}

/** What a retry does: go on where the stream ended, or begin where nothing was loaded. */
export function resume(link: Link): Action {
  return link.position === "" ? { type: "load" } : { type: "stream", position: link.position };
}
