// The rotation map: members around the benchmark, through time.

import { type Stage, empty, load } from "../app";
import { get } from "../api";
import { h, onceAFrame, s, when } from "../dom";
import { figure } from "../format";
import { to } from "../route";
import type { Frame, MapPoint, Quadrant, ReadingMessage, RotationMap } from "../types";

/** Of the picture, in pixels: as wide as there is room, so that its letters keep their size. */
const SIZES = [280, 700] as const;
const PAD = 42;
/** Members that are shown at first. */
const FIRST = 8;
const TAILS = [0, 4, 8, 13, 26];
const STEP = 400;
/** Frames that are kept when new ones come. */
const FRAMES = 600;
/** Of a head on the picture: members are told apart by colour, shape and name. */
const SHAPES = ["M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0", "M-5.5-5.5h11v11h-11z", "M0-7.5L7 5.5H-7z", "M0-7.5L7.5 0 0 7.5-7.5 0z"];
const COLOURS = 8;
const QUADRANTS: { name: Quadrant; x: number; y: number }[] = [
  { name: "improving", x: 0, y: 0 },
  { name: "leading", x: 1, y: 0 },
  { name: "lagging", x: 0, y: 1 },
  { name: "weakening", x: 1, y: 1 },
];

export function showMap(stage: Stage): void {
  const { root, signal, route } = stage;
  const body = h("div", {}, empty("Loading."));
  root.append(
    h("h1", {}, "Rotation map"),
    h("p", { class: "lead" }, "Relative strength against the benchmark to the right, its momentum upward: members go round clockwise."),
    body,
  );
  const query = { universe: route.query.get("universe"), rule: route.query.get("rule") };
  void load(stage, body, async () => {
    const map = await get<RotationMap>("map", query, signal);
    if (map.maps.length === 0 || map.rule === null) {
      body.replaceChildren(empty("No rule of kind ", h("code", {}, "leadership"), " is configured, so there is nothing to go round."));
    } else if (map.frames.length === 0) body.replaceChildren(chooser(map), empty("No points yet: the rule has not seen enough weeks."));
    else body.replaceChildren(chooser(map), ...picture(stage, map));
  });
}

function chooser(map: RotationMap): HTMLElement {
  const named = map.maps.map((one) => {
    const isThis = one.universe === map.universe && one.rule === map.rule;
    return h("a", { href: to("map", { universe: one.universe, rule: one.rule }), "aria-current": isThis && "true" }, `${one.universe}: ${one.rule} against ${one.benchmark}`);
  });
  return named.length > 1 ? h("nav", { class: "tabs", "aria-label": "Maps" }, ...named) : h("p", { class: "muted" }, ...named.map((link) => link.textContent));
}

function picture({ live, signal }: Stage, map: RotationMap): HTMLElement[] {
  const { members } = map;
  let { frames } = map;
  const chosen = new Set(members.slice(0, FIRST));
  const svg = s("svg", { class: "map", role: "group", "aria-label": "Members by relative strength and momentum" });
  const told = h("p", { class: "told", role: "status" }, "Point at a member, or move to it with the Tab key.");
  const slider = h("input", { id: "frame", type: "range", min: 0, max: frames.length - 1, value: frames.length - 1, step: 1 });
  const play = h("button", { type: "button" }, "Play");
  const date = h("output", { for: "frame" });
  const tail = h("select", { id: "tail" }, ...TAILS.map((length) => h("option", { value: length, selected: length === 4 }, length === 0 ? "none" : `${length} points`)));
  const rows = h("tbody");
  const boxes = members.map((member, index) => {
    const box = h("input", { type: "checkbox", value: member, checked: chosen.has(member) });
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(member);
      else chosen.delete(member);
      draw();
    });
    return h("label", {}, box, symbol(index), member);
  });
  const all = (isOn: boolean) => (): void => {
    for (const box of fieldset.querySelectorAll("input")) box.checked = isOn;
    chosen.clear();
    if (isOn) for (const member of members) chosen.add(member);
    draw();
  };
  const fieldset = h("fieldset", { class: "members" }, h("legend", {}, "Members"), ...boxes,
    h("span", { class: "both" }, h("button", { type: "button", click: all(true) }, "All"), h("button", { type: "button", click: all(false) }, "None")));

  const draw = onceAFrame(() => {
    const at = Number(slider.value);
    const frame = frames[at];
    if (!frame) return;
    const shown = members.filter((member) => chosen.has(member));
    date.replaceChildren(frame.session ?? when(frame.as_of));
    slider.setAttribute("aria-valuetext", frame.session ?? frame.as_of);
    const focused = document.activeElement instanceof SVGElement ? document.activeElement.getAttribute("data-member") : null;
    const first = Math.max(0, at - Number(tail.value));
    const size = Math.max(SIZES[0], Math.min(SIZES[1], Math.floor(svg.getBoundingClientRect().width)));
    paint(svg, size, members, shown, frames, first, at, reach(frames, shown));
    for (const head of svg.querySelectorAll<SVGGElement>("[data-member]")) {
      const tell = (): void => {
        told.textContent = head.getAttribute("aria-label");
      };
      head.addEventListener("pointerenter", tell);
      head.addEventListener("focus", tell);
      if (head.getAttribute("data-member") === focused) head.focus();
    }
    rows.replaceChildren(...shown.map((member) => row(member, frame.points[member])));
  });

  let timer = 0;
  const stopPlaying = (): void => {
    window.clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  play.addEventListener("click", () => {
    if (timer) {
      stopPlaying();
      return;
    }
    if (Number(slider.value) >= frames.length - 1) slider.value = "0";
    play.textContent = "Pause";
    draw();
    timer = window.setInterval(() => {
      slider.value = String(Number(slider.value) + 1);
      if (Number(slider.value) >= frames.length - 1) stopPlaying();
      draw();
    }, STEP);
  });
  slider.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      event.preventDefault();
      play.click();
    }
  });
  slider.addEventListener("input", () => {
    stopPlaying();
    draw();
  });
  tail.addEventListener("change", draw);
  const widths = new ResizeObserver(draw);
  widths.observe(svg);

  const stop = live.listen((news) => {
    if (news.kind !== "reading" || news.message.universe !== map.universe || news.message.rule !== map.rule) return;
    const next = frameOf(news.message);
    if (!next) return;
    const wasLast = Number(slider.value) >= frames.length - 1;
    const last = frames[frames.length - 1];
    if (last && Date.parse(next.as_of) < Date.parse(last.as_of)) return;
    frames = [...(last?.as_of === next.as_of ? frames.slice(0, -1) : frames), next].slice(-FRAMES);
    slider.max = String(frames.length - 1);
    // Who looks at the present keeps looking at it; who looks at the past is left there.
    if (wasLast) slider.value = slider.max;
    draw();
  });
  signal.addEventListener("abort", () => {
    stop();
    widths.disconnect();
    window.clearInterval(timer);
  });

  const table = h("table", { class: "figures" }, h("caption", {}, "The same in figures"),
    h("thead", {}, h("tr", {}, ...["Member", "Ratio", "Momentum", "Quadrant"].map((name, index) =>
      h("th", { scope: "col", class: index === 1 || index === 2 ? "n" : null }, name)))), rows);
  return [
    h("div", { class: "controls" }, play, h("label", { for: "frame" }, "Time"), slider, date, h("label", { for: "tail" }, "Tail"), tail),
    h("div", { class: "map-and-more" }, h("div", { class: "map-frame" }, svg, told), h("div", {}, fieldset, h("div", { class: "scroll" }, table))),
  ];
}

function frameOf(message: ReadingMessage): Frame | null {
  const { points } = message;
  if (!points) return null;
  if (typeof points["as_of"] === "string") return points as Frame;
  const session = message.session ? { session: message.session } : {};
  return { as_of: message.as_of, ...session, points: points as Frame["points"] };
}

/** The largest distance from the middle among all frames of the shown members, so that the scale stays while time moves. */
function reach(frames: readonly Frame[], shown: readonly string[]): number {
  let most = 1;
  for (const frame of frames) {
    for (const member of shown) {
      const point = frame.points[member];
      if (point) most = Math.max(most, Math.abs(point.ratio - 100), Math.abs(point.momentum - 100));
    }
  }
  return most * 1.08;
}

function symbol(index: number): SVGSVGElement {
  return s("svg", { class: `member c${index % COLOURS}`, viewBox: "-9 -9 18 18", "aria-hidden": "true" }, s("path", { d: shapeOf(index) }));
}

const shapeOf = (index: number): string => SHAPES[Math.floor(index / COLOURS) % SHAPES.length] ?? "";

function say(member: string, point: MapPoint): string {
  return `${member}: ratio ${figure(point.ratio, 2)}, momentum ${figure(point.momentum, 2)}, ${point.quadrant ?? "in no quadrant yet"}`;
}

function row(member: string, point: MapPoint | undefined): HTMLElement {
  const cells = point ? [figure(point.ratio, 2), figure(point.momentum, 2), point.quadrant ?? "none yet"] : ["–", "–", "no point"];
  return h("tr", {}, h("th", { scope: "row" }, member), ...cells.map((text, index) => h("td", { class: index < 2 ? "n" : null }, text)));
}

function paint(svg: SVGSVGElement, size: number, members: readonly string[], shown: readonly string[], frames: readonly Frame[], first: number, at: number, most: number): void {
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  const half = size / 2;
  const inner = half - PAD;
  const x = (ratio: number): number => half + ((ratio - 100) / most) * inner;
  const y = (momentum: number): number => half - ((momentum - 100) / most) * inner;
  const areas = QUADRANTS.map(({ name, x: right, y: below }) => {
    const left = PAD + right * inner;
    const top = PAD + below * inner;
    const label = s("text", { x: right ? size - PAD - 8 : PAD + 8, y: below ? size - PAD - 10 : PAD + 22, "text-anchor": right ? "end" : "start", class: "quadrant-name" }, name);
    return s("g", { class: `quadrant ${name}`, "aria-hidden": "true" }, s("rect", { x: left, y: top, width: inner, height: inner }), label);
  });
  const ticks = [-most, -most / 2, 0, most / 2, most].flatMap((tick) => [
    s("text", { class: "tick", x: x(100 + tick), y: size - PAD + 18, "text-anchor": "middle" }, figure(100 + tick, 1)),
    s("text", { class: "tick", x: PAD - 5, y: y(100 + tick) + 4, "text-anchor": "end" }, tick === -most ? "" : figure(100 + tick, most < 10 ? 1 : 0)),
  ]);
  const axes = s("g", { class: "axes", "aria-hidden": "true" },
    s("path", { d: `M${PAD} ${half}H${size - PAD}M${half} ${PAD}V${size - PAD}` }), ...ticks,
    s("text", { class: "axis-name", x: half, y: size - 2, "text-anchor": "middle" }, "ratio →"),
    s("text", { class: "axis-name", x: PAD, y: PAD - 10, "text-anchor": "start" }, "momentum ↑"));
  const paths: SVGElement[] = [];
  const heads: SVGElement[] = [];
  const labels: [number, number][] = [];
  for (const member of shown) {
    const index = members.indexOf(member);
    const points = frames.slice(first, at + 1).map((frame) => frame.points[member]).filter((point) => point !== undefined);
    const now = frames[at]?.points[member];
    const line = points.map((point, step) => `${step ? "L" : "M"}${x(point.ratio).toFixed(1)} ${y(point.momentum).toFixed(1)}`).join("");
    paths.push(s("path", { class: `tail c${index % COLOURS}`, d: line, "aria-hidden": "true" }),
      ...points.slice(0, -1).map((point) => s("circle", { class: `bead c${index % COLOURS}`, cx: x(point.ratio).toFixed(1), cy: y(point.momentum).toFixed(1), r: 2, "aria-hidden": "true" })));
    if (!now) continue;
    const [left, top] = [x(now.ratio), y(now.momentum)];
    const isRight = left > size - 90;
    // A name gives way to those that stand there already.
    const isFree = (low: number): boolean => !labels.some(([x, y]) => Math.abs(x - left) < 44 && Math.abs(y - low) < 13);
    const low = top + 4 + ([0, 13, -13, 26, -26, 39].find((by) => isFree(top + 4 + by)) ?? 0);
    labels.push([left, low]);
    heads.push(s("g", { class: `head c${index % COLOURS}`, "data-member": member, tabindex: 0, role: "img", "aria-label": say(member, now), transform: `translate(${left.toFixed(1)} ${top.toFixed(1)})` },
      s("title", {}, say(member, now)), s("circle", { class: "halo", r: 14 }), s("path", { d: shapeOf(index) }),
      s("text", { x: isRight ? -10 : 10, y: (low - top).toFixed(1), "text-anchor": isRight ? "end" : "start" }, member)));
  }
  svg.replaceChildren(...areas, axes, ...paths, ...heads);
}
