// The frame around the views: where we are, whether we are live, who may look.

import "./style.css";

import { type Show, tick } from "./app";
import { h, onceAFrame, s, setText, when } from "./dom";
import type { Link } from "./link";
import { Live } from "./live";
import { type View, parse } from "./route";
import * as theme from "./theme";
import { showEpisode } from "./views/episode";
import { showHistory } from "./views/history";
import { showMap } from "./views/map";
import { showNow } from "./views/now";
import { showRules } from "./views/rules";

const VIEWS: Record<View, { title: string; show: Show }> = {
  now: { title: "Now", show: showNow },
  map: { title: "Rotation map", show: showMap },
  rules: { title: "Rules", show: showRules },
  episode: { title: "Episode", show: showEpisode },
  history: { title: "History", show: showHistory },
};
const MENU: View[] = ["now", "map", "rules", "history"];

const live = new Live();
const main = part("main");
const notice = part("notice");
const status = h("span", { class: "status-word" });
const light = h("span", { class: "status", role: "status", "aria-live": "polite" }, h("span", { class: "lamp", "aria-hidden": "true" }), status);
const announcer = h("div", { class: "unseen", "aria-live": "polite", role: "log", "aria-label": "News" });
const NEWS_KEPT = 20;
let ending: AbortController | null = null;
let isFirst = true;
let tokens = 0;

function part(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

function frame(): void {
  const links = MENU.map((view) => h("a", { href: `#/${view}`, "data-view": view }, VIEWS[view].title));
  const half = s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, s("circle", { cx: 8, cy: 8, r: 6.25, fill: "none", "stroke-width": 1.5 }), s("path", { d: "M8 2a6 6 0 0 1 0 12z" }));
  const lamp = h("button", { type: "button", class: "icon", id: "theme", click: theme.toggle }, half, h("span", { class: "unseen" }));
  const name = (): void => {
    const text = theme.theme() === "dark" ? "Use light colours" : "Use dark colours";
    setText(lamp.querySelector("span") as Element, text);
    lamp.title = text;
  };
  theme.onTheme(name);
  name();
  part("bar").append(
    h("a", { class: "brand", href: "#/now" }, "Rotation"),
    h("nav", { "aria-label": "Views" }, ...links),
    light,
    lamp,
  );
  document.body.append(announcer);
  part("skip").addEventListener("click", (event) => {
    // The address after # says which view is shown, so it must not become #main.
    event.preventDefault();
    main.focus();
  });
}

const PHASES: Record<Link["phase"], string> = {
  starting: "connecting",
  "catching up": "catching up",
  live: "live",
  reconnecting: "reconnecting",
  locked: "locked",
};

/** Says how far what is on the page can be trusted. */
function showLink(): void {
  const { phase, reason } = live.link;
  const isHindered = phase === "live" && live.notes.length > 0;
  light.dataset["phase"] = isHindered ? "reconnecting" : phase.replace(" ", "-");
  setText(status, isHindered ? "not reading" : PHASES[phase]);
  if (phase === "locked") {
    askToken();
    return;
  }
  part("bar").classList.toggle("old", phase === "reconnecting" || isHindered);
  if (phase === "reconnecting") {
    const seen = live.heard ? ["What is shown is as of ", when(live.heard + live.skew), "."] : ["Nothing could be loaded yet."];
    notice.replaceChildren(h("p", { class: "warn" }, h("strong", {}, "Not connected: "), `${reason}. Trying again. `, ...seen));
  } else if (phase === "catching up") {
    notice.replaceChildren(h("p", {}, h("strong", {}, "Catching up: "), "the service is still reading what has been published; what is shown is not yet the present."));
  } else notice.replaceChildren(...live.notes.map((note) => h("p", { class: "warn" }, h("strong", {}, "The service: "), `${note}.`)));
}

function askToken(): void {
  if (notice.querySelector("form")) return;
  const field = h("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const form = h(
    "form",
    { class: "token" },
    h("label", { for: "token" }, "This service asks for its token"),
    field,
    h("button", { type: "submit" }, "Open"),
    h("p", { class: "muted" }, tokens > 0 ? "The token was not accepted." : "It is kept in this tab only, until the tab is closed."),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = field.value.trim();
    if (!value) return;
    tokens += 1;
    notice.replaceChildren();
    live.unlock(value);
    again();
  });
  notice.replaceChildren(form);
  field.focus();
}

function titleOf(view: View): string {
  const open = live.open.size;
  return `${open > 0 ? `(${open} open) ` : ""}${VIEWS[view].title} · Rotation`;
}

function go(): void {
  const route = parse(location.hash);
  for (const link of document.querySelectorAll<HTMLAnchorElement>("nav [data-view]")) {
    if (link.dataset["view"] === route.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  again();
  // Who comes from another view begins at the top of this one; who has just come begins at the top of the page.
  if (!isFirst) {
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  isFirst = false;
}

/** Shows the view from the beginning. */
function again(): void {
  const route = parse(location.hash);
  ending?.abort();
  ending = new AbortController();
  document.title = titleOf(route.view);
  main.replaceChildren();
  main.className = `view-${route.view}`;
  VIEWS[route.view].show({ root: main, live, route, signal: ending.signal });
}

theme.apply();
frame();
showLink();
const retitle = onceAFrame(() => {
  document.title = titleOf(parse(location.hash).view);
});
let loads = 0;
live.listen((news) => {
  if (news.kind === "link" || news.kind === "loaded") showLink();
  // What views have loaded themselves is out of date when the stream could not go on where it ended.
  if (news.kind === "loaded" && (loads += 1) > 1) again();
  if (news.kind === "alert") {
    const { episode } = news.message;
    announcer.append(h("p", {}, `${episode.state}, ${episode.severity}: ${episode.headline}`));
    if (announcer.childElementCount > NEWS_KEPT) announcer.firstElementChild?.remove();
  }
  if (news.kind !== "reading") retitle();
});
window.addEventListener("hashchange", go);
window.setInterval(() => tick(live), 1_000);
go();
live.start();
