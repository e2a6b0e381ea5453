// Elements without markup: text of events only ever becomes a text node.

import { local, utc } from "./format";
import type { Severity } from "./types";

export type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

function fill(element: Element, attributes: Attributes, children: readonly Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(element, attributes, children);
  return element;
}

/** Puts these children in place of those there are. */
export function put(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((child): child is Node | string => Boolean(child)));
}

/** Sets a text only where it changed, so that a screen reader hears of changes alone. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** An instant in UTC, with the reader's own time on hover. */
export function when(at: number | string, suffix = "Z"): HTMLTimeElement {
  const time = new Date(at);
  const isReal = !Number.isNaN(time.getTime());
  const text = utc(at) + (isReal ? suffix : "");
  return h("time", { datetime: isReal ? time.toISOString() : null, title: local(at) }, text);
}

const SHAPES: Record<Severity, string> = {
  critical: "M5 0h6l5 5v6l-5 5H5l-5-5V5z",
  warning: "M8 1l8 14H0z",
  info: "M8 1.5a6.5 6.5 0 1 0 .01 0z",
};

/** A severity as colour, shape and word. */
export function severityTag(severity: Severity): HTMLElement {
  const shape = s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: SHAPES[severity] ?? SHAPES.info }));
  return h("span", { class: `severity ${severity}` }, shape, severity);
}

/** Puts elements by key into a parent in an order, and keeps those that are there: focus and scrolling stay. */
export function arrange<T>(
  parent: Element,
  items: readonly T[],
  key: (item: T) => string,
  make: (item: T) => HTMLElement,
  update: (element: HTMLElement, item: T) => void,
): void {
  const known = new Map<string, HTMLElement>();
  for (const element of Array.from(parent.children)) {
    if (element instanceof HTMLElement && element.dataset["key"] !== undefined) known.set(element.dataset["key"], element);
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let element = known.get(name);
    known.delete(name);
    if (element) update(element, item);
    else {
      element = make(item);
      element.dataset["key"] = name;
    }
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  for (const gone of known.values()) gone.remove();
}

/** Runs a function at most once a frame, or at once where the page is not painted. */
export function onceAFrame(run: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    const go = (): void => {
      if (!isDue) return;
      isDue = false;
      run();
    };
    if (document.hidden) queueMicrotask(go);
    else requestAnimationFrame(go);
  };
}

export async function copy(text: string, button: HTMLElement): Promise<void> {
  const label = button.dataset["label"] ?? button.textContent ?? "";
  button.dataset["label"] = label;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Browsers give the clipboard to secure origins only; the text can be marked and copied by hand.
    button.textContent = "Cannot copy here";
    const chosen = window.getSelection();
    const beside = button.parentElement?.querySelector("[data-copy]");
    if (chosen && beside) chosen.selectAllChildren(beside);
  }
  window.setTimeout(() => {
    button.textContent = label;
  }, 2_000);
}
