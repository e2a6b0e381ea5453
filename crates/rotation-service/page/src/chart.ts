// A line chart over time: uPlot with our colours, in UTC, redrawn when the theme or the width changes.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { figure, placesOf, unitName, utc } from "./format";
import { colour, onTheme } from "./theme";

export interface Line {
  label: string;
  unit: string | null;
  /** The name of a colour of the style sheet, without its dashes. */
  colour: string;
  dashed?: boolean;
  /** It holds from one instant to the next, instead of going there in a line. */
  stepped?: boolean;
}

export interface Chart {
  set(data: uPlot.AlignedData): void;
  destroy(): void;
}

export interface Options {
  lines: Line[];
  data: uPlot.AlignedData;
  height?: number;
  /** A part of the time that is shaded, in milliseconds; without an end it goes on. */
  window?: { from: number; to: number | null };
  /** Charts of one group show the same instant under the pointer. */
  group?: string;
}

const DAY = 86_400_000;
const stepped = uPlot.paths.stepped?.({ align: 1 });
const FONT = "12px system-ui, sans-serif";

function build(host: HTMLElement, options: Options, data: uPlot.AlignedData): uPlot {
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 }, font: FONT };
  const shade = (plot: uPlot): void => {
    if (!options.window) return;
    const { left, top, width, height } = plot.bbox;
    const clip = (x: number): number => Math.min(left + width, Math.max(left, x));
    const from = clip(plot.valToPos(options.window.from, "x", true));
    const to = options.window.to === null ? left + width : clip(plot.valToPos(options.window.to, "x", true));
    plot.ctx.save();
    plot.ctx.fillStyle = colour("shade");
    plot.ctx.fillRect(from, top, Math.max(to - from, 2), height);
    plot.ctx.fillStyle = colour("accent");
    plot.ctx.fillRect(from, top, 2, height);
    if (options.window.to !== null) plot.ctx.fillRect(to - 1, top, 2, height);
    plot.ctx.restore();
  };
  const settings: uPlot.Options = {
    width: Math.max(200, host.clientWidth),
    height: options.height ?? 220,
    ms: 1,
    tzDate: (at) => uPlot.tzDate(new Date(at), "Etc/UTC"),
    cursor: { drag: { x: true, y: false }, ...(options.group ? { sync: { key: options.group } } : {}) },
    hooks: { drawClear: [shade] },
    axes: [{ ...axis, space: 84, values: (_, ticks, __, ___, step) => ticks.map((tick) => instant(tick, step)) }, { ...axis, size: 58, values: (_, ticks) => ticks.map((tick) => figure(tick, placesOf(ticks))) }],
    series: [
      { label: "UTC", value: (_, at) => (at === null ? "–" : utc(at)) },
      ...options.lines.map((line) => ({
        label: line.unit ? `${line.label}, ${unitName(line.unit)}` : line.label,
        stroke: colour(line.colour),
        width: 2,
        spanGaps: true,
        points: { show: false },
        ...(line.dashed ? { dash: [6, 4] } : {}),
        ...(line.stepped && stepped ? { paths: stepped } : {}),
        value: (_: uPlot, value: number | null) => (value === null ? "–" : figure(value)),
      })),
    ],
  };
  return new uPlot(settings, data, host);
}

/** A tick of time: dates as dates, and within a day the time of day. */
function instant(at: number, step: number): string {
  const text = utc(at);
  return at % DAY === 0 || step >= DAY ? text.slice(0, 10) : text.slice(11);
}

export function lineChart(host: HTMLElement, options: Options): Chart {
  let data = options.data;
  let plot = build(host, options, data);
  const stopTheme = onTheme(() => {
    plot.destroy();
    plot = build(host, options, data);
  });
  const sizes = new ResizeObserver(() => {
    const width = Math.max(200, host.clientWidth);
    if (width !== plot.width) plot.setSize({ width, height: plot.height });
  });
  sizes.observe(host);
  return {
    set(next) {
      data = next;
      plot.setData(next);
    },
    destroy() {
      sizes.disconnect();
      stopTheme();
      plot.destroy();
    },
  };
}
