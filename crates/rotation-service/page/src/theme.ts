// Light or dark: as the system says, unless the reader said otherwise.

type Theme = "light" | "dark";

const KEY = "rotation.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function chosen(): Theme | null {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : null;
  } catch {
    return null;
  }
}

const wanted = (): Theme => chosen() ?? (system.matches ? "dark" : "light");
const known = new Map<string, string>();
const probe = document.createElement("span");

/** What is in force. */
export const theme = (): Theme => (document.documentElement.dataset["theme"] === "dark" ? "dark" : "light");

export function apply(now = wanted()): void {
  document.documentElement.dataset["theme"] = now;
  known.clear();
  for (const listener of listeners) listener();
}

export function toggle(): void {
  const next: Theme = theme() === "dark" ? "light" : "dark";
  try {
    // What the system says anyway needs no keeping.
    if ((next === "dark") === system.matches) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // A browser that keeps nothing has the choice until the page is closed.
  }
  apply(next);
}

/** Pictures on a canvas are painted again when the colours change. */
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A colour of the style sheet as it is in the theme in force, for a canvas. */
export function colour(name: string): string {
  let found = known.get(name);
  if (found === undefined) {
    probe.style.setProperty("color", `var(--${name})`);
    found = getComputedStyle(probe).color;
    known.set(name, found);
  }
  return found;
}

probe.hidden = true;
document.body.append(probe);
system.addEventListener("change", () => apply());
