// One episode: what was said, on what ground, and how to check it.

import { type Stage, age, empty, load } from "../app";
import { get } from "../api";
import { type Chart, lineChart } from "../chart";
import { copy, h, severityTag, when } from "../dom";
import { figure, measure, rows, span, unitName, utc, words } from "../format";
import { append } from "../order";
import { to, toEpisode } from "../route";
import type { CloudEvent, EpisodeDetail, Explained, Reading } from "../types";

const POINTS = 5_000;
const TABLE_POINTS = 60;

export function showEpisode(stage: Stage): void {
  const { root, live, signal, route } = stage;
  const body = h("div", { class: "episode-page" }, h("h1", {}, "Episode"), empty("Loading."));
  root.append(body);
  let shown: { detail: EpisodeDetail; chart: Chart | null; charts: Chart[]; points: Reading[] } | null = null;
  const clear = (): void => {
    for (const chart of shown?.charts ?? []) chart.destroy();
    shown = null;
  };
  const fetchIt = async (): Promise<void> => {
    const detail = await get<EpisodeDetail>("episode", { id: route.id }, signal);
    clear();
    const charts: Chart[] = [];
    // What a reader has unfolded stays so.
    const unfolded = [...body.querySelectorAll<HTMLDetailsElement>("details[open]")].map((details) => details.id);
    const explained = body.querySelector(".explained");
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    body.replaceChildren(...page(stage, detail));
    for (const id of unfolded) body.querySelector(`#${id}`)?.setAttribute("open", "");
    if (focused) {
      const same = [...body.querySelectorAll<HTMLElement>(focused.tagName)].find((element) => element.textContent === focused.textContent);
      same?.focus({ preventScroll: true });
    }
    if (explained) body.querySelector(".explained")?.replaceWith(explained);
    const chart = pictures(body.querySelector(".pictures") as HTMLElement, detail, charts);
    shown = { detail, chart, charts, points: detail.reading.points };
  };
  void load(stage, body, fetchIt).then(() => {
    if (body.querySelector(".failure")) body.prepend(h("h1", {}, "Episode"), h("p", { class: "muted" }, h("code", {}, route.id)));
  });

  let again = 0;
  const stop = live.listen((news) => {
    if (!shown) return;
    const { episode } = shown.detail;
    if (news.kind === "alert") {
      const other = news.message.episode;
      if (other.episode !== episode.episode && other.parent !== episode.episode) return;
      window.clearTimeout(again);
      again = window.setTimeout(() => fetchIt().catch(() => undefined), 100);
    } else if (news.kind === "reading" && episode.open) {
      const { message } = news;
      if (message.universe !== episode.universe || message.rule !== episode.rule) return;
      shown.points = append(shown.points, [Date.parse(message.as_of), message.value, message.threshold], POINTS);
      shown.chart?.set(columns(shown.points));
    }
  });
  signal.addEventListener("abort", () => {
    stop();
    window.clearTimeout(again);
    clear();
  });
}

function columns(points: readonly Reading[]): [number[], number[], number[]] {
  return [points.map((point) => point[0]), points.map((point) => point[1]), points.map((point) => point[2])];
}

function page(stage: Stage, detail: EpisodeDetail): HTMLElement[] {
  const { episode, events } = detail;
  const last = events[events.length - 1];
  const ended = episode.ended_at;
  const pair = (name: string, ...value: (Node | string)[]): HTMLElement => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
  const length = ended === null ? age(stage.live, episode.universe, episode.since) : span(Date.parse(ended) - Date.parse(episode.since));
  const facts = h("dl", { class: "pairs" },
    pair("Rule", h("a", { href: to("history", { universe: episode.universe, rule: episode.rule }) }, `${episode.universe}/${episode.rule}`), ` (${words(episode.kind)})`),
    pair("Subject", episode.subject, episode.direction ? `, ${episode.direction}` : ""),
    pair("Reading", `${measure(episode.value, episode.unit)}, threshold ${figure(episode.threshold)}, peak ${figure(episode.peak)}`),
    pair("Since", when(episode.since), ended === null ? ", for " : ", lasted ", length),
    pair("Opened", when(episode.opened_at)),
    pair("Ended", ended === null ? "still open" : when(ended), episode.resolve_reason ? ` (${words(episode.resolve_reason)})` : ""),
    pair("Told", episode.notify, episode.replay ? ", decided over history (replay)" : ""),
    ...(last?.data.quality ? [pair("Data", quality(last))] : []),
    ...(last?.data.close_status ? [pair("Closes", last.data.close_status)] : []),
    ...(episode.parent ? [pair("Part of", h("a", { href: toEpisode(episode.parent) }, episode.parent))] : []),
    ...(last?.data.runbook ? [pair("Runbook", runbook(last.data.runbook))] : []));
  return [
    h("p", { class: "top" }, severityTag(episode.severity), h("span", { class: "tag" }, episode.state),
      h("span", { class: "tag" }, episode.open ? "open" : "ended"),
      episode.worst !== episode.severity && h("span", { class: "muted" }, "at its worst ", severityTag(episode.worst))),
    h("h1", {}, episode.headline),
    last?.data.reverses ? h("p", { class: "lead" }, episode.open ? "It would end with " : "It was to end with ", last.data.reverses, ".") : h("p", { hidden: true }),
    actions(stage, detail, last),
    facts,
    h("h2", {}, "Readings"),
    h("div", { class: "pictures" }),
    evidence(last),
    transitions(stage, events),
    ...(detail.parts.length > 0 ? [parts(detail)] : []),
    h("h2", {}, "As published"),
    h("details", { id: "json" }, h("summary", {}, `JSON of ${events.length === 1 ? "the event" : `the ${events.length} events`}`),
      h("pre", { tabindex: 0, role: "region", "aria-label": "JSON" }, JSON.stringify(events, null, 2))),
  ];
}

/** A link only where it is one: what an event says must not become a script. */
function runbook(text: string): HTMLElement {
  return /^https?:\/\//.test(text) ? h("a", { href: text, rel: "noreferrer noopener" }, text) : h("code", {}, text);
}

function quality(event: CloudEvent): string {
  const { quality: data } = event.data;
  if (!data) return "";
  const stale = data.stale.length > 0 ? `; stale: ${data.stale.join(", ")}` : "";
  const capped = data.capped_from ? `; would be ${data.capped_from} on whole data` : "";
  return `${data.present} of ${data.expected} inputs present${stale}${capped}`;
}

function actions(stage: Stage, detail: EpisodeDetail, last: CloudEvent | undefined): HTMLElement {
  const link = h("button", { type: "button" }, "Copy link");
  link.addEventListener("click", () => void copy(location.href, link));
  const command = h("button", { type: "button" }, "Copy command");
  command.addEventListener("click", () => void copy(detail.explain, command));
  return h("div", { class: "actions" },
    h("div", { class: "buttons" }, last && explainButton(stage, last.id, "Explain"), link),
    h("div", { class: "command" }, h("code", { "data-copy": "" }, detail.explain), command),
    h("div", { class: "explained", "aria-live": "polite" }));
}

function explainButton(stage: Stage, id: string, label: string): HTMLElement {
  const button = h("button", { type: "button" }, label);
  button.addEventListener("click", () => {
    const place = document.querySelector<HTMLElement>(".explained");
    if (!place) return;
    place.replaceChildren(h("p", { class: "muted" }, "Computing it anew from the bars log."));
    button.disabled = true;
    void load(stage, place, async () => {
      const found = await get<Explained>("explain", { id }, stage.signal);
      const verdict = found.identical === null ? "Nothing to compare with." : found.identical ? "✓ Computed anew, it is the same event." : "▲ Computed anew, it is a different event.";
      place.replaceChildren(h("h2", {}, "Explanation"), h("p", { class: found.identical === false ? "bad" : "good" }, verdict),
        h("pre", { tabindex: 0, role: "region", "aria-label": "Explanation" }, found.text));
      place.scrollIntoView({ block: "nearest" });
    }).finally(() => {
      button.disabled = false;
    });
  });
  return button;
}

function evidence(last: CloudEvent | undefined): HTMLElement {
  const found = last?.data.evidence ? rows(last.data.evidence) : [];
  const sentence = last ? h("p", {}, last.data.headline, last.data.reverses ? `. It ends with ${last.data.reverses}.` : "") : null;
  if (found.length === 0) return h("section", {}, h("h2", {}, "Evidence"), sentence, empty("The newest event carries no evidence."));
  return h("section", {}, h("h2", {}, "Evidence"), sentence,
    h("div", { class: "scroll" }, h("table", { class: "evidence" }, h("caption", { class: "unseen" }, "Evidence of the newest event"),
      h("thead", { class: "unseen" }, h("tr", {}, h("th", { scope: "col" }, "Key"), h("th", { scope: "col" }, "Value"))),
      h("tbody", {}, ...found.map(([key, value]) => h("tr", {}, h("th", { scope: "row" }, words(key)), h("td", {}, value)))))));
}

function transitions(stage: Stage, events: readonly CloudEvent[]): HTMLElement {
  const items = events.map((event) => {
    const { data } = event;
    const why = data.rung === "open" ? undefined : (data.rung ?? data.resolve_reason);
    return h("li", { class: data.severity },
      h("div", { class: "top" }, h("span", { class: "muted" }, String(data.transition)), severityTag(data.severity), h("b", {}, data.state),
        why ? h("span", { class: "tag" }, words(why)) : null, when(data.as_of)),
      h("p", {}, data.headline),
      h("p", { class: "facts" }, h("span", {}, measure(data.value, data.unit), ` against ${figure(data.threshold)}`),
        data.detected_at ? h("span", { class: "muted" }, "detected ", when(data.detected_at)) : null,
        explainButton(stage, event.id, `Explain ${data.transition}`)));
  });
  return h("section", {}, h("h2", {}, "Transitions"), h("ol", { class: "transitions" }, ...items));
}

function parts(detail: EpisodeDetail): HTMLElement {
  return h("section", {}, h("h2", {}, "Parts"), h("ul", { class: "ended" }, ...detail.parts.map((part) =>
    h("li", {}, severityTag(part.severity), " ", h("a", { href: toEpisode(part.episode) }, part.headline), h("span", { class: "muted" }, ` ${part.rule}, ${part.open ? "open" : "ended"}`)))));
}

/** The reading with its threshold, and each series below it; the episode's time is shaded in all of them. */
function pictures(host: HTMLElement, detail: EpisodeDetail, charts: Chart[]): Chart | null {
  const { reading, series, episode } = detail;
  const window = { from: Date.parse(detail.window.from), to: detail.window.to === null ? null : Date.parse(detail.window.to) };
  const group = `episode:${episode.episode}`;
  let first: Chart | null = null;
  const add = (title: string, make: (place: HTMLElement) => Chart): Chart => {
    const place = h("div", { class: "plot" });
    host.append(h("figure", {}, h("figcaption", {}, title), place));
    const chart = make(place);
    charts.push(chart);
    return chart;
  };
  if (reading.points.length > 1) {
    const lines = [
      { label: "reading", unit: reading.unit, colour: "line-1" },
      { label: "threshold", unit: null, colour: "muted", dashed: true, stepped: true },
    ];
    first = add(`Reading of ${episode.rule}, ${unitName(reading.unit) || "no unit"}; the episode is shaded`, (place) => lineChart(place, { lines, data: columns(reading.points), window, group }));
    host.append(figures(detail));
  }
  series.forEach((one, index) => {
    if (one.points.length < 2) return;
    const lines = [{ label: one.name, unit: one.unit, colour: `line-${(index % 4) + 1}` }];
    const data: [number[], number[]] = [one.points.map((point) => point[0]), one.points.map((point) => point[1])];
    add(one.unit ? `${one.name}, ${unitName(one.unit)}` : one.name, (place) => lineChart(place, { lines, data, window, group, height: 160 }));
  });
  if (charts.length === 0) host.append(empty("Readings and series of that time are not kept any more."));
  return first;
}

function figures({ reading }: EpisodeDetail): HTMLElement {
  const newest = reading.points.slice(-TABLE_POINTS).reverse();
  return h("details", { id: "figures" }, h("summary", {}, `The newest ${newest.length} readings as a table`),
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "UTC"), h("th", { scope: "col", class: "n" }, "Reading"), h("th", { scope: "col", class: "n" }, "Threshold"))),
      h("tbody", {}, ...newest.map(([at, value, threshold]) => h("tr", {}, h("th", { scope: "row" }, utc(at)), h("td", { class: "n" }, figure(value)), h("td", { class: "n" }, figure(threshold))))))));
}
