// Now: the regime, what is open, and whether the feed can be trusted.

import { type Stage, age, clock, empty } from "../app";
import { get } from "../api";
import { type Child, arrange, h, onceAFrame, put, severityTag, when } from "../dom";
import { figure, measure, signed, span, words } from "../format";
import { append } from "../order";
import { to, toEpisode } from "../route";
import { spark } from "../spark";
import type { Episode, Regime, RegimePoints, UniverseState } from "../types";

/** Of a score, that are drawn. */
const SCORES = 250;

export function showNow({ root, live, signal }: Stage): void {
  const regimes = h("div", { class: "regimes" });
  const count = h("span", { class: "count" });
  const list = h("ul", { class: "episodes", "aria-label": "Open episodes" });
  const nothing = empty("Loading.");
  const ended = h("section", { "aria-labelledby": "ended", hidden: true });
  const feeds = h("div", { class: "feeds" });
  // What may need somebody stands first, on a phone too; beside it, where there is room, what it happens in.
  root.append(
    h("h1", { class: "unseen" }, "Now"),
    h("div", {}, h("section", { "aria-labelledby": "open" }, h("h2", { id: "open" }, "Open episodes ", count), nothing, list), ended),
    h("div", { class: "aside" },
      h("section", { "aria-labelledby": "regime" }, h("h2", { id: "regime" }, "Regime"), regimes),
      h("section", { "aria-labelledby": "feed" }, h("h2", { id: "feed" }, "Feed health"), feeds)),
  );

  const scores = new Map<string, [number, number][]>();
  const drawRegimes = onceAFrame(() => {
    const states = [...live.universes.values()];
    if (!live.now) return;
    const shown = states.map((state) => regimeCard(live.universes.size > 1, state, scores.get(state.name) ?? [], (at) => age(live, state.name, at)));
    regimes.replaceChildren(...(shown.length > 0 ? shown : [empty("No universe is configured.")]));
  });
  const drawFeeds = onceAFrame(() => {
    if (live.now) feeds.replaceChildren(...[...live.universes.values()].map((state) => feedCard(state, clock(live, state.name))));
  });
  const drawOpen = onceAFrame(() => {
    if (!live.now) return;
    const open = live.opened();
    count.textContent = open.length > 0 ? String(open.length) : "";
    nothing.hidden = open.length > 0;
    list.hidden = open.length === 0;
    nothing.replaceChildren("Nothing is open: no rule's condition stands. ", h("a", { href: to("rules") }, "What is nearest to firing"), ".");
    arrange(list, open, (episode) => episode.episode, (episode) => card(episode), update);
    ended.hidden = live.ended.length === 0;
    if (live.ended.length > 0) {
      const items = live.ended.map((episode) =>
        h("li", {}, severityTag(episode.severity), " ", h("a", { href: toEpisode(episode.episode) }, episode.headline), " ",
          h("span", { class: "muted" }, `${episode.state}${episode.resolve_reason ? ` (${words(episode.resolve_reason)})` : ""} `, when(episode.as_of))),
      );
      ended.replaceChildren(h("h2", { id: "ended" }, "Ended while you were looking"), h("ul", { class: "ended" }, ...items));
    }
  });

  const update = (element: HTMLElement, episode: Episode): void => {
    const transitions = String(episode.transitions);
    const newest = String(episode.spark.at(-1)?.[0]);
    // A link that a finger is on must not be put anew for a reading's sake.
    if (element.dataset["transitions"] === transitions) {
      const picture = element.querySelector(".spark");
      if (picture && element.dataset["newest"] !== newest) picture.replaceWith(spark(episode.spark, 40));
      element.dataset["newest"] = newest;
      return;
    }
    const focused = element.contains(document.activeElement);
    element.className = `episode ${episode.severity}`;
    element.dataset["transitions"] = transitions;
    element.dataset["newest"] = newest;
    put(element, ...body(episode, age(live, episode.universe, episode.since)));
    if (focused) element.querySelector("a")?.focus();
  };
  const card = (episode: Episode): HTMLElement => {
    const element = h("li", {});
    update(element, episode);
    return element;
  };

  // How the score came to be where it is; without it the card still says all there is to say.
  const fetchScores = (): void => {
    for (const { name, regime } of live.universes.values()) {
      if (!regime) continue;
      get<RegimePoints>("regime", { universe: name, rule: regime.rule }, signal).then(({ points }) => {
        scores.set(name, points.slice(-SCORES).map((point) => [Date.parse(point.as_of), point.score]));
        drawRegimes();
      }).catch(() => undefined);
    }
  };
  const all = (): void => {
    drawRegimes();
    drawOpen();
    drawFeeds();
  };
  all();
  fetchScores();
  const stop = live.listen((news) => {
    if (news.kind === "loaded") {
      all();
      fetchScores();
    }
    if (news.kind === "alert") drawOpen();
    else if (news.kind === "universe") {
      drawRegimes();
      drawFeeds();
    } else if (news.kind === "reading") {
      drawOpen();
      const { universe, regime } = news.message;
      if (regime && live.universes.get(universe)?.regime?.rule === regime.rule) {
        scores.set(universe, append(scores.get(universe) ?? [], [Date.parse(regime.as_of), regime.score], SCORES));
        drawRegimes();
      }
    }
  });
  const timer = window.setInterval(drawFeeds, 5_000);
  signal.addEventListener("abort", () => {
    stop();
    window.clearInterval(timer);
  });
}

function body(episode: Episode, since: HTMLElement): Child[] {
  const rung = episode.rung && episode.rung !== "open" ? `, ${words(episode.rung)}` : "";
  return [
    h("div", { class: "top" }, severityTag(episode.severity), h("span", { class: "tag" }, `${episode.state}${rung}`),
      episode.replay && h("span", { class: "tag" }, "replay"),
      h("span", { class: "since" }, "for ", since)),
    h("a", { class: "headline", href: toEpisode(episode.episode) }, episode.headline),
    h("div", { class: "facts" },
      h("span", {}, h("b", {}, measure(episode.value, episode.unit)), ` against ${figure(episode.threshold)}`),
      episode.peak !== episode.value && h("span", {}, `peak ${measure(episode.peak, episode.unit)}`),
      h("span", { class: "muted" }, `${episode.universe} · ${episode.rule} · ${episode.subject}`),
      h("span", { class: "muted" }, "since ", when(episode.since)),
      episode.parent !== undefined && h("a", { href: toEpisode(episode.parent) }, "part of another")),
    spark(episode.spark, 40),
  ];
}

function regimeCard(isNamed: boolean, state: UniverseState, scores: [number, number][], since: (at: string) => HTMLElement): HTMLElement {
  const name = isNamed ? h("h3", {}, state.name) : null;
  const { regime } = state;
  if (!regime) return h("div", { class: "panel" }, name, h("p", { class: "muted" }, "None: no rule of kind ", h("code", {}, "regime"), " has a reading."));
  const head = h("p", { class: "regime-state" },
    h("strong", {}, words(regime.state)),
    h("span", { class: "score" }, " score ", h("b", {}, signed(regime.score))),
    regime.since !== null && h("span", { class: "muted" }, " since ", when(regime.since), " (", since(regime.since), ")"));
  return h("div", { class: "panel regime" }, name, head, meter(regime.score), scores.length > 1 && spark(scores, 40), contributions(regime));
}

/** The score on its scale from −1, large companies lead, to +1, small companies do. */
function meter(score: number): HTMLElement {
  const mark = h("span", { class: "mark" });
  mark.style.setProperty("left", `${50 + 50 * Math.max(-1, Math.min(1, score))}%`);
  return h("div", { class: "meter", "aria-hidden": "true" }, h("span", { class: "end" }, "large −1"), h("span", { class: "scale" }, mark), h("span", { class: "end" }, "+1 small"));
}

function contributions(regime: Regime): HTMLElement {
  const sorted = [...regime.contributions].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const most = Math.max(1e-9, ...sorted.map((part) => Math.abs(part.contribution)));
  const rows = sorted.map((part) => {
    const fill = h("span", { class: part.contribution < 0 ? "fill below" : "fill above" });
    fill.style.setProperty("width", `${(50 * Math.abs(part.contribution)) / most}%`);
    return h("tr", {},
      h("th", { scope: "row" }, part.input, part.why && h("small", {}, part.why)),
      h("td", { class: "bar-cell" }, h("span", { class: "bar", "aria-hidden": "true" }, fill)),
      h("td", { class: "n" }, signed(part.contribution, 3)),
      h("td", { class: "n wide" }, signed(part.strength)),
      h("td", { class: "n wide" }, figure(part.weight)));
  });
  if (rows.length === 0) return empty("No input has said anything yet.");
  return h("table", { class: "contributions" },
    h("caption", { class: "unseen" }, "What makes the score, largest first"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Input"), h("td", {}), h("th", { scope: "col", class: "n" }, "Contribution"),
      h("th", { scope: "col", class: "n wide" }, "Strength"), h("th", { scope: "col", class: "n wide" }, "Weight"))),
    h("tbody", {}, ...rows));
}

function feedCard(state: UniverseState, time: { at: number; isHistory: boolean }): HTMLElement {
  const wrong = state.sources.filter((source) => source.excluded);
  const row = (name: string, ...value: Child[]): HTMLElement => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
  const ago = (at: string): string => ` (${span(time.at - Date.parse(at))} ago)`;
  const lag = state.lag_seconds === null ? "not known yet" : span(state.lag_seconds * 1_000);
  return h("div", { class: "panel" },
    h("h3", {}, state.name, " ", h("span", { class: "muted" }, `${state.calendar}, ${state.rules} rules, ${state.open} open`)),
    time.isHistory && h("p", { class: "muted" }, "History is being played: ages count by its newest tick."),
    h("dl", { class: "pairs" },
      row("Last tick", state.newest === null ? "none yet" : when(state.newest), state.newest !== null && !time.isHistory && ago(state.newest)),
      row("Horizon", state.horizon === null ? "none yet" : when(state.horizon)),
      row("Horizon lag", lag),
      row("Stale series", state.stale.length === 0 ? "none" : bad(state.stale.join(", "))),
      row("Sources left out", wrong.length === 0 ? `none of ${state.sources.length}` : bad(`${wrong.map((source) => source.partition).join(", ")} of ${state.sources.length}`))));
}

function bad(text: string): HTMLElement {
  return h("span", { class: "bad" }, h("span", { "aria-hidden": "true" }, "▲ "), text);
}
