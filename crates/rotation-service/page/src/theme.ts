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

export const theme = (): Theme => chosen() ?? (system.matches ? "dark" : "light");

export function apply(): void {
  document.documentElement.dataset["theme"] = theme();
  for (const listener of listeners) listener();
}

export function toggle(): void {
  const next: Theme = theme() === "dark" ? "light" : "dark";
  try {
    // What the system says anyway needs no keeping.
    if ((next === "dark") === system.matches) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    document.documentElement.dataset["theme"] = next;
    for (const listener of listeners) listener();
    return;
  }
  apply();
}

/** Pictures on a canvas are painted again when the colours change. */
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const probe = document.createElement("span");
probe.hidden = true;
document.documentElement.append(probe);

/** A colour of the style sheet as it is in the theme in force, for a canvas. */
export function colour(name: string): string {
  probe.style.setProperty("color", `var(--${name})`);
  return getComputedStyle(probe).color;
}

system.addEventListener("change", apply);
