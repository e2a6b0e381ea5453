// Episodes as bars by rule, on a canvas: thousands of them, moved and zoomed a frame at a time.

import { type Bar, type Row, barAt, keep, layout, steps, zoom } from "./bars";
import { onceAFrame } from "./dom";
import { utc, utcDate } from "./format";
import { colour, onTheme } from "./theme";
import type { Episode, Severity } from "./types";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ROW = 36;
const TOP = 26;
const LABEL = 14;
const THICK = 14;
/** A bar that is wider has room for the dot of an info at its beginning. */
const ROOM = 12;
const STEPS = [1_000, 10_000, 60_000, 600_000, HOUR, 6 * HOUR, DAY, 7 * DAY, 30.4375 * DAY, 91.3125 * DAY, 365.25 * DAY, 5 * 365.25 * DAY, 10 * 365.25 * DAY];

export interface Timeline {
  set(episodes: readonly Episode[], fit: boolean): void;
  zoom(factor: number): void;
  move(share: number): void;
  fit(): void;
  destroy(): void;
}

export interface Callbacks {
  hover(bar: Bar | null, x: number, y: number): void;
  pick(bar: Bar): void;
  range(from: number, to: number): void;
  now(): number;
}

export function timeline(canvas: HTMLCanvasElement, callbacks: Callbacks): Timeline {
  let rows: Row[] = [];
  let whole: [number, number] = [0, 1];
  let range: [number, number] = [0, 1];
  let width = 0;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser has no canvas");
  const x = (at: number): number => ((at - range[0]) / (range[1] - range[0])) * width;
  const instant = (px: number): number => range[0] + (px / width) * (range[1] - range[0]);

  const draw = onceAFrame(() => {
    const height = TOP + rows.length * ROW + 4;
    const ratio = window.devicePixelRatio || 1;
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== tall) {
      canvas.width = wide;
      canvas.height = tall;
      canvas.style.height = `${height}px`;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    ticks(height);
    bars();
    callbacks.range(range[0], range[1]);
  });

  const ticks = (height: number): void => {
    const length = range[1] - range[0];
    const step = STEPS.find((candidate) => (candidate / length) * width > 96) ?? 50 * 365.25 * DAY;
    const line = colour("line");
    const muted = colour("muted");
    for (const at of steps(range, step)) {
      const left = Math.round(x(at)) + 0.5;
      context.fillStyle = line;
      context.fillRect(left, TOP - 6, 1, height - TOP + 6);
      context.fillStyle = muted;
      const text = step < DAY ? utc(at).slice(step < 60_000 ? 11 : 5) : utcDate(at).slice(0, step > 300 * DAY ? 4 : 10);
      // Half a date is none.
      if (left + 3 + context.measureText(text).width <= width) context.fillText(text, left + 3, 10);
    }
  };

  const bars = (): void => {
    const now = callbacks.now();
    const paths: Record<Severity, Path2D> = { info: new Path2D(), warning: new Path2D(), critical: new Path2D() };
    const text = colour("text");
    const line = colour("line");
    rows.forEach((row, index) => {
      const top = TOP + index * ROW;
      context.fillStyle = line;
      context.fillRect(0, top + ROW - 1, width, 1);
      // Where many bars share a pixel, one of them is painted.
      const painted: Record<Severity, number> = { info: -1, warning: -1, critical: -1 };
      for (const bar of row.bars) {
        const left = x(bar.from);
        if (left > width) break;
        const right = x(Math.min(bar.to, now));
        if (right < 0 && left < -8) continue;
        const path = paths[bar.severity];
        const long = Math.max(right - left, 2);
        const bottom = Math.max(left + long, painted[bar.severity]);
        if (left + long > painted[bar.severity] + 0.5) {
          path.rect(Math.max(left, -10), top + LABEL + 4, Math.min(left + long, width + 10) - Math.max(left, -10), THICK - 5);
          // Its beginning has the shape of its severity.
          if (long > ROOM || bar.severity !== "info") mark(path, bar.severity, left, top + LABEL + THICK / 2);
        }
        painted[bar.severity] = bottom;
      }
    });
    for (const severity of ["info", "warning", "critical"] as const) {
      context.fillStyle = colour(severity);
      context.fill(paths[severity]);
    }
    rows.forEach((row, index) => {
      context.fillStyle = text;
      context.fillText(row.name, 4, TOP + index * ROW + 8);
    });
  };

  const size = new ResizeObserver(() => {
    width = canvas.clientWidth;
    draw();
  });
  size.observe(canvas);
  const stopTheme = onTheme(draw);

  const barUnder = (event: { offsetX: number; offsetY: number }): Bar | null => {
    const row = rows[Math.floor((event.offsetY - TOP) / ROW)];
    if (!row) return null;
    const slack = (6 / width) * (range[1] - range[0]);
    return barAt(row, instant(event.offsetX), slack, callbacks.now());
  };

  // One pointer moves, two zoom; the page itself scrolls up and down as ever.
  const pointers = new Map<number, number>();
  let dragged = 0;
  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event.offsetX);
    dragged = 0;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) {
      callbacks.hover(barUnder(event), event.offsetX, event.offsetY);
      return;
    }
    const moved = event.offsetX - before;
    dragged += Math.abs(moved);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other === undefined) {
      const by = (-moved / width) * (range[1] - range[0]);
      range = keep([range[0] + by, range[1] + by], whole);
    } else {
      const factor = Math.abs(before - other) / Math.max(8, Math.abs(event.offsetX - other));
      range = zoom(range, instant(other), factor, whole);
    }
    pointers.set(event.pointerId, event.offsetX);
    draw();
  });
  const release = (event: PointerEvent): void => {
    pointers.delete(event.pointerId);
  };
  canvas.addEventListener("pointerup", (event) => {
    const bar = dragged < 4 ? barUnder(event) : null;
    release(event);
    if (bar) callbacks.pick(bar);
  });
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => callbacks.hover(null, 0, 0));
  canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) range = zoom(range, instant(event.offsetX), Math.exp(event.deltaY / 300), whole);
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = ((event.deltaX || event.deltaY) / width) * (range[1] - range[0]);
      range = keep([range[0] + by, range[1] + by], whole);
    } else return;
    event.preventDefault();
    draw();
  }, { passive: false });

  const fit = (): void => {
    range = [...whole];
    draw();
  };
  return {
    set(episodes, isFit) {
      rows = layout(episodes);
      const all = rows.flatMap((row) => row.bars);
      if (all.length > 0) {
        const low = all.reduce((least, bar) => Math.min(least, bar.from), Infinity);
        const high = all.reduce((most, bar) => Math.max(most, bar.to === Infinity ? callbacks.now() : bar.to), -Infinity);
        const pad = Math.max((high - low) * 0.02, 60_000);
        whole = [low - pad, high + pad];
      }
      if (isFit) range = [...whole];
      draw();
    },
    zoom(factor) {
      range = zoom(range, (range[0] + range[1]) / 2, factor, whole);
      draw();
    },
    move(share) {
      const by = share * (range[1] - range[0]);
      range = keep([range[0] + by, range[1] + by], whole);
      draw();
    },
    fit,
    destroy() {
      size.disconnect();
      stopTheme();
    },
  };
}

function mark(path: Path2D, severity: Severity, x: number, y: number): void {
  if (severity === "critical") {
    path.moveTo(x, y - 7);
    path.lineTo(x + 7, y);
    path.lineTo(x, y + 7);
    path.lineTo(x - 7, y);
  } else if (severity === "warning") {
    path.moveTo(x, y - 7);
    path.lineTo(x + 6, y + 5);
    path.lineTo(x - 6, y + 5);
  } else {
    path.moveTo(x + 4, y);
    path.arc(x, y, 4, 0, 2 * Math.PI);
  }
  path.closePath();
}
