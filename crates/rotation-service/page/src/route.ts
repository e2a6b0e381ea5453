// Where in the page we are, as the part of the address after `#`.

export type View = "now" | "map" | "rules" | "episode" | "history";

export interface Route {
  view: View;
  /** Of the episode, on its page. */
  id: string;
  query: URLSearchParams;
}

const VIEWS: readonly string[] = ["now", "map", "rules", "history"];

export function parse(hash: string): Route {
  const text = hash.replace(/^#\/?/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  const query = new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1));
  if (path.startsWith("episode/")) return { view: "episode", id: decode(path.slice("episode/".length)), query };
  return { view: VIEWS.includes(path) ? (path as View) : "now", id: "", query };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Slashes and colons stay as they are, so that an address can be read. */
export function toEpisode(id: string): string {
  return `#/episode/${encodeURIComponent(id).replaceAll("%2F", "/").replaceAll("%3A", ":")}`;
}

export function to(view: View, query: Record<string, string> = {}): string {
  const kept = Object.entries(query).filter(([, value]) => value !== "");
  const text = new URLSearchParams(kept).toString();
  return `#/${view}${text ? `?${text}` : ""}`;
}
