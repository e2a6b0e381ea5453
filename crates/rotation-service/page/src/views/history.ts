// History: episodes by rule through time, and as a list.

import { type Stage, clock, empty, load } from "../app";
import { get } from "../api";
import type { Bar } from "../bars";
import { h, onceAFrame, severityTag, when } from "../dom";
import { measure, span, utc, words } from "../format";
import { type Filter, NO_FILTER, byOpening, isNewer, matches } from "../order";
import { to, toEpisode } from "../route";
import { timeline } from "../timeline";
import type { Episode, Episodes, Rule } from "../types";

/** As many as the service gives at once. */
const LIMIT = 5_000;
const PAGE = 50;
const TYPING = 300;

export function showHistory(stage: Stage): void {
  const { root, live, signal, route } = stage;
  const filter: Filter = { ...NO_FILTER };
  for (const name of Object.keys(filter) as (keyof Filter)[]) filter[name] = route.query.get(name) ?? "";
  let episodes: Episode[] = [];
  let next: string | null = null;
  let total = 0;
  let page = 0;

  const count = h("span", { class: "muted", role: "status" });
  const canvas = h("canvas", { class: "timeline", role: "img", "aria-label": "Timeline of episodes by rule; the list below has the same episodes", "aria-describedby": "keys" });
  const tip = h("div", { class: "tip", hidden: true });
  const range = h("output", { class: "muted" });
  const frame = h("div", { class: "timeline-frame", tabindex: 0, role: "group", "aria-label": "Timeline", "aria-describedby": "keys" }, canvas, tip);
  const older = h("button", { type: "button", hidden: true }, "Load older");
  const list = h("tbody");
  const table = h("div", { class: "scroll" }, h("table", { class: "history" }, h("caption", { class: "unseen" }, "Episodes, newest first"),
    h("thead", {}, h("tr", {}, ...["Severity", "Opened", "Lasted", "Rule", "Episode"].map((name) => h("th", { scope: "col" }, name)))), list));
  const pager = h("nav", { class: "pager", "aria-label": "Pages of the list" });
  const picture = h("div", { class: "picture" });
  const body = h("div", {}, empty("Loading."));

  const line = timeline(canvas, {
    now: () => [...live.universes.keys()].reduce((most, name) => Math.max(most, clock(live, name).at), newest(episodes)),
    pick: (bar) => {
      location.hash = toEpisode(bar.episode.episode);
    },
    range: (from, until) => {
      range.textContent = `${utc(from).slice(0, 16)}Z to ${utc(until).slice(0, 16)}Z`;
    },
    hover: (bar, x, y) => showTip(tip, frame, bar, x, y),
  });
  const tool = (text: string, name: string, run: () => void): HTMLElement => h("button", { type: "button", class: "icon", title: name, "aria-label": name, click: run }, text);
  picture.append(
    h("div", { class: "controls" },
      tool("−", "Zoom out", () => line.zoom(1.6)), tool("+", "Zoom in", () => line.zoom(1 / 1.6)),
      tool("←", "Earlier", () => line.move(-0.25)), tool("→", "Later", () => line.move(0.25)),
      h("button", { type: "button", click: () => line.fit() }, "All"), range),
    frame,
    h("p", { class: "muted small", id: "keys" }, "Drag to move, Ctrl and the wheel to zoom; with the keyboard: arrows, + and −, 0 for all. Diamond critical, triangle warning, dot info, each at its worst."));
  frame.addEventListener("keydown", (event) => {
    const run: Record<string, () => void> = {
      ArrowLeft: () => line.move(-0.1), ArrowRight: () => line.move(0.1),
      "+": () => line.zoom(1 / 1.3), "=": () => line.zoom(1 / 1.3), "-": () => line.zoom(1.3), "0": () => line.fit(),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !run[event.key]) return;
    event.preventDefault();
    run[event.key]?.();
  });

  const drawList = onceAFrame(() => {
    const pages = Math.max(1, Math.ceil(episodes.length / PAGE));
    page = Math.min(page, pages - 1);
    list.replaceChildren(...episodes.slice(page * PAGE, (page + 1) * PAGE).map(row));
    const turn = (by: number, text: string): HTMLButtonElement =>
      h("button", { type: "button", disabled: page + by < 0 || page + by >= pages, click: () => {
        page += by;
        drawList();
      } }, text);
    pager.replaceChildren(turn(-1, "Newer"), h("span", { role: "status" }, `Page ${page + 1} of ${pages}`), turn(1, "Older"));
    pager.hidden = pages === 1;
    older.hidden = next === null;
    count.textContent = total === episodes.length ? `${total} episodes` : `${episodes.length} of ${total} episodes`;
  });
  const show = (fit: boolean): void => {
    if (episodes.length === 0) body.replaceChildren(empty("No episode: nothing has fired that this filter lets through."));
    else if (!picture.isConnected) body.replaceChildren(picture, h("h2", {}, "List"), table, pager, older);
    line.set(episodes, fit);
    drawList();
  };

  const refresh = onceAFrame(() => show(false));

  let asked = 0;
  const fetchFrom = async (after: string | null): Promise<void> => {
    asked += 1;
    const turn = asked;
    const found = await get<Episodes>("episodes", { ...asQuery(filter), limit: LIMIT, after }, signal);
    // A later question has been asked meanwhile.
    if (turn !== asked) return;
    const known = new Map((after === null ? [] : episodes).map((episode) => [episode.episode, episode]));
    for (const episode of found.episodes) known.set(episode.episode, episode);
    episodes = [...known.values()].sort(byOpening);
    next = found.next;
    total = Math.max(found.total, episodes.length);
    show(true);
  };
  older.addEventListener("click", () => void load(stage, older, () => fetchFrom(next)));
  const search = (): void => {
    page = 0;
    history.replaceState(null, "", to("history", { ...filter }));
    void load(stage, body, () => fetchFrom(null));
  };

  root.append(h("h1", {}, "History"), controls(stage, filter, search), h("p", {}, count), body);
  void load(stage, body, () => fetchFrom(null));
  const stop = live.listen((news) => {
    if (news.kind !== "alert") return;
    const { episode } = news.message;
    const at = episodes.findIndex((other) => other.episode === episode.episode);
    const known = at < 0 ? undefined : episodes[at]?.transitions;
    if (!isNewer(known, episode.transitions)) return;
    if (!matches(filter, episode)) {
      if (at < 0) return;
      // It left what the filter lets through, as an open one does that ends.
      episodes = episodes.toSpliced(at, 1);
      total -= 1;
    } else if (at >= 0) episodes = episodes.with(at, episode);
    else {
      episodes = [episode, ...episodes].sort(byOpening);
      total += 1;
    }
    refresh();
  });
  signal.addEventListener("abort", () => {
    stop();
    line.destroy();
  });
}

const newest = (episodes: readonly Episode[]): number => episodes.reduce((most, episode) => Math.max(most, Date.parse(episode.as_of)), 0);

/** The query of the service for a filter. */
function asQuery(filter: Filter): Record<string, string> {
  const day = (date: string, by: number): string => (date ? new Date(Date.parse(date) + by).toISOString() : "");
  return {
    universe: filter.universe,
    rule: filter.rule,
    subject: filter.subject,
    severity: filter.severity,
    open: filter.state ? String(filter.state === "open") : "",
    from: day(filter.from, 0),
    to: day(filter.to, 86_400_000),
  };
}

function controls(stage: Stage, filter: Filter, search: () => void): HTMLElement {
  let timer = 0;
  const change = (name: keyof Filter, value: string): void => {
    filter[name] = value;
    window.clearTimeout(timer);
    timer = window.setTimeout(search, TYPING);
  };
  stage.signal.addEventListener("abort", () => window.clearTimeout(timer));
  const field = (name: keyof Filter, label: string, control: HTMLInputElement | HTMLSelectElement): HTMLElement => {
    control.id = `filter-${name}`;
    control.value = filter[name];
    control.addEventListener("input", () => change(name, control.value));
    return h("span", { class: "field" }, h("label", { for: control.id }, label), control);
  };
  const select = (options: [string, string][]): HTMLSelectElement => h("select", {}, ...options.map(([value, text]) => h("option", { value }, text)));
  const rule = select([["", "all"], ...(filter.rule ? ([[filter.rule, filter.rule]] as [string, string][]) : [])]);
  const universe = select([["", "all"], ...(filter.universe ? ([[filter.universe, filter.universe]] as [string, string][]) : [])]);
  const whole = field("universe", "Universe", universe);
  whole.hidden = !filter.universe;
  const subject = h("input", { list: "subjects", autocomplete: "off", spellcheck: "false", placeholder: "all" });
  const subjects = h("datalist", { id: "subjects" });
  // The names to choose from; without them the fields still do their work.
  get<{ rules: Rule[] }>("rules", {}, stage.signal).then((found) => {
    const names = [...new Set(found.rules.map((one) => one.rule))].sort();
    rule.append(...names.filter((name) => name !== filter.rule).map((name) => h("option", { value: name }, name)));
    rule.value = filter.rule;
    const universes = [...new Set(found.rules.map((one) => one.universe))].sort();
    universe.append(...universes.filter((name) => name !== filter.universe).map((name) => h("option", { value: name }, name)));
    universe.value = filter.universe;
    // Where there is one universe, there is nothing to choose.
    whole.hidden = universes.length < 2;
    const all = [...new Set(found.rules.map((one) => one.subject))].sort();
    subjects.append(...all.map((name) => h("option", { value: name })));
  }).catch(() => undefined);
  const reset = h("button", { type: "button" }, "Clear");
  const form = h("div", { class: "controls filters", role: "search", "aria-label": "Filter of episodes" },
    whole,
    field("rule", "Rule", rule),
    field("subject", "Subject", subject), subjects,
    field("severity", "Severity", select([["", "any"], ["critical", "critical"], ["warning", "warning"], ["info", "info"]])),
    field("state", "State", select([["", "any"], ["open", "open"], ["ended", "ended"]])),
    field("from", "From", h("input", { type: "date" })),
    field("to", "To", h("input", { type: "date" })),
    reset);
  reset.addEventListener("click", () => {
    Object.assign(filter, NO_FILTER);
    for (const control of form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("input, select")) control.value = "";
    search();
  });
  return form;
}

function row(episode: Episode): HTMLElement {
  const lasted = episode.ended_at === null ? h("b", {}, "open") : span(Date.parse(episode.ended_at) - Date.parse(episode.since));
  return h("tr", {},
    h("td", {}, severityTag(episode.worst)),
    h("td", {}, when(episode.opened_at)),
    h("td", {}, lasted),
    h("td", {}, h("span", {}, episode.rule), h("small", {}, episode.subject)),
    h("td", { class: "what" }, h("a", { href: toEpisode(episode.episode) }, episode.headline),
      h("small", {}, `${episode.state}${episode.resolve_reason ? `, ${words(episode.resolve_reason)}` : ""}; peak ${measure(episode.peak, episode.unit)}`)));
}

function showTip(tip: HTMLElement, frame: HTMLElement, bar: Bar | null, x: number, y: number): void {
  tip.hidden = bar === null;
  if (!bar) return;
  const { episode } = bar;
  const end = episode.ended_at === null ? "open" : `to ${utc(episode.ended_at)}Z`;
  tip.replaceChildren(severityTag(bar.severity), h("b", {}, ` ${episode.rule}`), h("br"), `${utc(episode.opened_at)}Z ${end}`, h("br"), episode.headline);
  const left = Math.min(x + 12, frame.clientWidth - Math.min(320, frame.clientWidth));
  tip.style.setProperty("left", `${Math.max(0, left)}px`);
  tip.style.setProperty("top", `${y + 14}px`);
}
