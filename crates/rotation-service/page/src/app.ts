// What a view is given, and what all views show alike.

import { Problem } from "./api";
import { type Child, h, setText } from "./dom";
import { span } from "./format";
import type { Live } from "./live";
import type { Route } from "./route";

export interface Stage {
  root: HTMLElement;
  live: Live;
  route: Route;
  /** Ends with the view: its requests stop, its listeners go. */
  signal: AbortSignal;
}

/** Draws itself into the stage's root. */
export type Show = (stage: Stage) => void;

/** A lag beyond this is history being played, not a feed that is behind. */
const HISTORY = 7 * 86_400_000;

/** What time it is for a universe: the service's clock, or, where history is played, the newest tick's. */
export function clock(live: Live, universe: string): { at: number; isHistory: boolean } {
  const wall = Date.now() + live.skew;
  const state = live.universes.get(universe);
  const newest = state?.newest ?? state?.horizon;
  if (!newest) return { at: wall, isHistory: false };
  const at = Date.parse(newest);
  return wall - at > HISTORY ? { at, isHistory: true } : { at: wall, isHistory: false };
}

/** How long ago an instant was, kept up to date by `tick`. */
export function age(live: Live, universe: string, since: string): HTMLElement {
  const element = h("span", { class: "age", "data-since": Date.parse(since), "data-universe": universe });
  refresh(live, element);
  return element;
}

function refresh(live: Live, element: HTMLElement): void {
  const since = Number(element.dataset["since"]);
  setText(element, span(clock(live, element.dataset["universe"] ?? "").at - since));
}

export function tick(live: Live): void {
  for (const element of document.querySelectorAll<HTMLElement>("[data-since]")) refresh(live, element);
}

/** A sentence where there is nothing to show. */
export const empty = (...children: Child[]): HTMLElement => h("p", { class: "empty" }, ...children);

/** Runs a view's request; what fails is said where the data would be, with a way to try again. */
export async function load(stage: Stage, where: HTMLElement, work: () => Promise<void>): Promise<void> {
  try {
    where.setAttribute("aria-busy", "true");
    await work();
  } catch (error) {
    if (stage.signal.aborted) return;
    if (error instanceof Problem && error.status === 401) {
      stage.live.refused();
      return;
    }
    const reason = error instanceof Error ? error.message : String(error);
    const again = h("button", { type: "button", click: () => void load(stage, where, work) }, "Try again");
    where.replaceChildren(h("p", { class: "failure", role: "alert" }, `Cannot be shown: ${reason}. `, again));
  } finally {
    where.removeAttribute("aria-busy");
  }
}
