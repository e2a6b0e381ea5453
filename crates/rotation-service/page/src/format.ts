// Figures, units and times as they are shown.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const two = (n: number): string => String(n).padStart(2, "0");

/** A figure with as many places as tell something, a true minus and thin spaces between thousands. */
export function figure(value: number, places?: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const shown = places ?? (Number.isInteger(value) ? 0 : size >= 1_000 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 3 : 5);
  const text = size.toFixed(shown);
  const [whole = "0", rest] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
  const isZero = Number(text) === 0;
  return (value < 0 && !isZero ? "\u2212" : "") + grouped + (rest ? `.${rest}` : "");
}

const MOST_PLACES = 6;

/** As many places as the ticks of an axis have: what stands beside a line is where it is. */
export function placesOf(ticks: number[]): number {
  const [a, b] = ticks;
  if (a === undefined || b === undefined) return 2;
  const near = Math.abs(b - a) / 1_000;
  let places = 0;
  while (places < MOST_PLACES && ticks.some((tick) => Math.abs(Number(tick.toFixed(places)) - tick) > near)) places += 1;
  return places;
}

const UNITS: Record<string, string> = {
  percent: "%",
  pct: "%",
  basis_points: "bp",
  standard_deviations: "σ",
};

/** A unit's sign, or its name in words. */
export function unitName(unit: string | null | undefined): string {
  if (!unit) return "";
  return UNITS[unit] ?? unit.replaceAll("_", " ");
}

/** A figure with its unit. */
export function measure(value: number, unit: string | null | undefined): string {
  const plural = unitName(unit);
  const name = Math.abs(value) === 1 && plural.length > 2 ? plural.replace(/s$/, "") : plural;
  return name ? `${figure(value)}\u00a0${name}` : figure(value);
}

/** With its sign, also where it is positive. */
export function signed(value: number, places = 2): string {
  return (Number(value.toFixed(places)) > 0 ? "+" : "") + figure(value, places);
}

/** `2026-01-15 21:00:00`, in UTC; what has no seconds shows none. */
export function utc(at: number | string): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return "–";
  const date = `${time.getUTCFullYear()}-${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())}`;
  const seconds = time.getUTCSeconds();
  const clock = `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}${seconds ? `:${two(seconds)}` : ""}`;
  return `${date} ${clock}`;
}

export const utcDate = (at: number | string): string => utc(at).slice(0, 10);

/** The same instant where the reader is. */
export function local(at: number | string): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return "";
  return `${time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" })} local time`;
}

/** A length of time in at most two units. */
export function span(milliseconds: number): string {
  const size = Math.max(0, milliseconds);
  const parts = (a: number, unit: string, b: number, small: string): string =>
    b > 0 ? `${a} ${unit} ${b} ${small}` : `${a} ${unit}`;
  if (size < MINUTE) return `${Math.floor(size / SECOND)} s`;
  if (size < HOUR) return parts(Math.floor(size / MINUTE), "min", Math.floor((size % MINUTE) / SECOND), "s");
  if (size < DAY) return parts(Math.floor(size / HOUR), "h", Math.floor((size % HOUR) / MINUTE), "min");
  if (size < 14 * DAY) return parts(Math.floor(size / DAY), "d", Math.floor((size % DAY) / HOUR), "h");
  return `${Math.floor(size / DAY)} d`;
}

/** Names of the configuration as words: `small_cap_led` is "small cap led". */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

/** Evidence as rows: nested keys joined with a dot, lists of plain values in one line. */
export function rows(value: unknown, prefix = ""): [string, string][] {
  if (Array.isArray(value)) {
    const isPlain = value.every((item) => typeof item !== "object" || item === null);
    if (isPlain) return [[prefix, value.map(plain).join(", ") || "none"]];
    return value.flatMap((item, index) => rows(item, `${prefix}[${index + 1}]`));
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => rows(inner, prefix ? `${prefix}.${key}` : key));
  }
  return [[prefix, plain(value)]];
}

function plain(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? figure(value) : String(value).replace("-", "\u2212");
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}
