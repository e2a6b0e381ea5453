// Rules: how far each is from firing, the nearest first.

import { type Stage, empty, load } from "../app";
import { get } from "../api";
import { type Chart, lineChart } from "../chart";
import { type Child, arrange, h, onceAFrame, put, when } from "../dom";
import { figure, measure, words } from "../format";
import { append, byNearness } from "../order";
import { to } from "../route";
import { spark } from "../spark";
import type { Readings, ReadingMessage, Rule } from "../types";

const SPARK_POINTS = 120;
const CHART_POINTS = 1_000;
/** Between two looks at how near the rules are, while readings come, in milliseconds. */
const NEARNESS_EVERY = 5_000;

export function showRules(stage: Stage): void {
  const { root, live, signal, route } = stage;
  const rules = new Map<string, Rule>();
  const charts = new Map<string, { chart: Chart; points: [number, number, number][] }>();
  const keyOf = (rule: { universe: string; rule: string }): string => `${rule.universe}/${rule.rule}`;
  const filter = h("input", { id: "filter", type: "search", value: route.query.get("q") ?? "", autocomplete: "off", spellcheck: "false" });
  const count = h("span", { class: "muted", role: "status" });
  const list = h("ol", { class: "rules", "aria-label": "Rules by nearness to firing" });
  const body = h("div", {}, empty("Loading."));
  root.append(
    h("h1", {}, "Rules"),
    h("p", { class: "lead" }, "What is about to happen: each rule's reading against its threshold, the nearest to firing first."),
    h("div", { class: "controls" }, h("label", { for: "filter" }, "Filter"), filter, count),
    body,
  );

  // Rows do not move under a pointer or a focus; they are put in order when both have left.
  const isBusy = (): boolean => list.matches(":hover") || list.contains(document.activeElement);
  let order: string[] = [];
  const draw = onceAFrame(() => {
    const known = [...rules.values()];
    const wanted = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const text = (rule: Rule): string => `${rule.universe} ${rule.rule} ${rule.kind} ${rule.clock} ${rule.subject} ${rule.about}`.toLowerCase();
    const shown = known.filter((rule) => wanted.every((word) => text(rule).includes(word)));
    if (isBusy()) shown.sort((a, b) => order.indexOf(keyOf(a)) - order.indexOf(keyOf(b)));
    else {
      shown.sort(byNearness);
      order = known.sort(byNearness).map(keyOf);
    }
    count.textContent = shown.length === known.length ? `${known.length} rules` : `${shown.length} of ${known.length} rules`;
    arrange(list, shown, keyOf, make, update);
  });

  const make = (rule: Rule): HTMLElement => {
    const facts = h("div", { class: "rule-facts" });
    const more = h("div", { class: "rule-chart" });
    const details = h("details", {}, h("summary", {}, "Over time"), more);
    details.addEventListener("toggle", () => {
      if (details.open) void open(rule, more);
      else close(keyOf(rule));
    });
    const element = h("li", {}, facts, details);
    update(element, rule);
    return element;
  };
  const update = (element: HTMLElement, rule: Rule): void => {
    const mark = JSON.stringify([rule.reading, rule.missing, rule.nearness, rule.open]);
    // A link that a finger is on stays what it is.
    if (element.dataset["mark"] === mark || element.matches(":active")) return;
    element.dataset["mark"] = mark;
    element.className = rule.reading?.open || rule.open > 0 ? "rule is-open" : "rule";
    const facts = element.querySelector(".rule-facts") as HTMLElement;
    const focused = facts.contains(document.activeElement);
    put(facts, ...describe(rule));
    if (focused) facts.querySelector("a")?.focus();
  };

  const open = (rule: Rule, more: HTMLElement): Promise<void> =>
    load(stage, more, async () => {
      const found = await get<Readings>("readings", { universe: rule.universe, rule: rule.rule, limit: CHART_POINTS }, signal);
      more.replaceChildren();
      if (found.points.length < 2) {
        more.append(empty("Too few readings for a picture."));
        return;
      }
      const points = found.points;
      const lines = [
        { label: "reading", unit: found.unit, colour: "line-1" },
        { label: "threshold", unit: null, colour: "muted", dashed: true, stepped: true },
      ];
      charts.set(keyOf(rule), { chart: lineChart(more, { lines, data: columns(points), height: 200 }), points });
    });
  const close = (key: string): void => {
    charts.get(key)?.chart.destroy();
    charts.delete(key);
  };

  const hear = (message: ReadingMessage): void => {
    const key = keyOf(message);
    const rule = rules.get(key);
    if (!rule) return;
    const at = Date.parse(message.as_of);
    if (rule.reading && at < Date.parse(rule.reading.as_of)) return;
    const { value, threshold, distance, open, as_of } = message;
    rule.reading = { value, threshold, distance, open, as_of, ...(message.session ? { session: message.session } : {}) };
    rule.missing = null;
    rule.unit = message.unit;
    if (open) rule.nearness = 1;
    askAgain();
    rule.points = append(rule.points, [at, value, threshold], SPARK_POINTS);
    const shown = charts.get(key);
    if (shown) {
      shown.points = append(shown.points, [at, value, threshold], CHART_POINTS);
      shown.chart.set(columns(shown.points));
    }
  };

  const fetchRules = async (): Promise<void> => {
    const found = await get<{ rules: Rule[] }>("rules", {}, signal);
    rules.clear();
    for (const rule of found.rules) rules.set(keyOf(rule), rule);
    if (!list.isConnected) body.replaceChildren(found.rules.length > 0 ? list : empty("No rule is configured."));
    draw();
  };
  // Readings come by the stream; how near they make a rule, the service says for all rules alike.
  let again = 0;
  const askAgain = (): void => {
    if (again === 0) {
      again = window.setTimeout(() => {
        again = 0;
        fetchRules().catch(() => undefined);
      }, NEARNESS_EVERY);
    }
  };
  void load(stage, body, fetchRules);
  filter.addEventListener("input", () => {
    history.replaceState(null, "", to("rules", { q: filter.value }));
    draw();
  });
  for (const leaving of ["pointerleave", "focusout"]) list.addEventListener(leaving, draw);
  const stop = live.listen((news) => {
    if (news.kind === "reading") {
      hear(news.message);
      draw();
    } else if (news.kind === "alert") {
      const { episode } = news.message;
      const rule = rules.get(keyOf(episode));
      if (rule) rule.open = [...live.open.values()].filter((other) => keyOf(other) === keyOf(episode)).length;
      draw();
    }
  });
  signal.addEventListener("abort", () => {
    stop();
    window.clearTimeout(again);
    for (const key of [...charts.keys()]) close(key);
  });
}

function columns(points: readonly [number, number, number][]): [number[], number[], number[]] {
  return [points.map((point) => point[0]), points.map((point) => point[1]), points.map((point) => point[2])];
}

function describe(rule: Rule): Child[] {
  const { reading } = rule;
  const isOpen = reading?.open === true || rule.open > 0;
  const name = h("div", { class: "rule-name" },
    h("h2", {}, rule.rule),
    h("span", { class: "muted" }, `${rule.universe} · ${words(rule.kind)} · ${rule.clock} · ${rule.subject}`),
    h("p", {}, rule.about));
  if (!reading) {
    return [name, h("p", { class: "missing" }, h("strong", {}, "No reading: "), rule.missing ?? "none has come yet", ".")];
  }
  const near = h("span", { class: "near-fill" });
  near.style.setProperty("width", `${100 * Math.max(0, Math.min(1, rule.nearness ?? 0))}%`);
  const episodes = h("a", { href: to("history", { universe: rule.universe, rule: rule.rule }) }, isOpen ? "open" : "its episodes");
  return [
    name,
    h("div", { class: "rule-picture" }, rule.points.length > 1 && spark(rule.points, 44)),
    h("dl", { class: "rule-figures" },
      h("div", {}, h("dt", {}, "Reading"), h("dd", {}, h("b", {}, measure(reading.value, rule.unit)))),
      h("div", {}, h("dt", {}, "Threshold"), h("dd", {}, figure(reading.threshold))),
      h("div", {}, h("dt", {}, isOpen ? "To the next event" : "Distance"), h("dd", {}, measure(reading.distance, rule.unit))),
      h("div", {}, h("dt", {}, "As of"), h("dd", {}, reading.session ?? when(reading.as_of)))),
    h("div", { class: "nearness" },
      h("span", { class: "near", "aria-hidden": "true" }, near),
      h("span", {}, isOpen ? "▲ " : `${nearer(rule.nearness)} · `), episodes),
  ];
}

/** How near a rule is, in words: its distance is compared with its own past. */
function nearer(nearness: number | null): string {
  return nearness === null ? "no past to compare with" : `nearer than in ${Math.round(100 * nearness)} % of its past`;
}
