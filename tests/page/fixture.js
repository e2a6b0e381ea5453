// A service that is none: the built page under the real security policy, and an API whose stream does as it is told.

import { readFile } from "node:fs/promises";
import http from "node:http";
import { fileURLToPath } from "node:url";

import { detailOf, eventOf, newest, synthetic } from "./synthetic.js";

const DIST = new URL("../../crates/rotation-service/page/dist/", import.meta.url);
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml" };

export class Fixture {
  #server;
  #streams = new Set();
  /** All that was streamed: [number, event, data]; what is before `#kept` is forgotten. */
  #log = [];
  #kept = 0;
  #refuses = false;
  /** Of each stream that was opened, where it went on. */
  resumed = [];

  constructor({ now = Date.now(), episodes = 5_000, token = "", caughtUp = true, dist = DIST } = {}) {
    this.world = synthetic({ now, episodes });
    this.token = token;
    this.caughtUp = caughtUp;
    this.dist = dist;
    this.#server = http.createServer((request, response) => {
      this.#answer(request, response).catch((error) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  async listen(port = 0) {
    await new Promise((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}/`;
    return this;
  }

  async close() {
    this.cut();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Puts an event on the stream, and keeps it for who comes back. */
  send(event, data) {
    const number = this.#log.length + 1;
    this.#log.push([number, event, JSON.stringify(data)]);
    for (const stream of this.#streams) write(stream, this.#log.at(-1));
    return number;
  }

  /** A further transition of an episode, in the list of episodes too. */
  alert(episode) {
    const { episodes } = this.world;
    const at = episodes.findIndex((one) => one.episode === episode.episode);
    if (at >= 0) episodes[at] = episode;
    else episodes.push(episode);
    episodes.sort(newest);
    return this.send("alert", { episode, event: eventOf(episode, episode.transitions) });
  }

  /** Sends the newest messages again, as a broken server would. */
  repeat(count) {
    for (const entry of this.#log.slice(-count)) for (const stream of this.#streams) write(stream, entry);
  }

  /** Breaks every stream in the middle of what it says. */
  cut() {
    for (const stream of this.#streams) {
      stream.write("id: r99999\nevent: alert\ndata: {\"half\":");
      stream.destroy();
    }
    this.#streams.clear();
  }

  /** Whether new streams are turned away. */
  refuse(refuses) {
    this.#refuses = refuses;
  }

  /** Who comes back now has missed more than is remembered. */
  forget() {
    this.#kept = this.#log.length + 1;
  }

  get streams() {
    return this.#streams.size;
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.url);
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (!url.pathname.startsWith("/api/")) return this.#file(url.pathname, response);
    if (this.token && request.headers.authorization !== `Bearer ${this.token}`) return problem(response, 401, "a token is needed");
    const path = url.pathname.slice("/api/v1/".length);
    if (path === "events") return this.#stream(request, response);
    const found = this.#api(path, url.searchParams);
    if (found === null) return problem(response, 404, `${path}: there is none of that name`);
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(found));
  }

  async #file(path, response) {
    const name = path === "/" ? "index.html" : path.slice(1);
    let bytes;
    try {
      bytes = await readFile(new URL(name, this.dist));
    } catch {
      return problem(response, 404, `no ${name}`);
    }
    response.writeHead(200, { "Content-Type": TYPES[name.split(".").at(-1)] ?? "application/octet-stream" }).end(bytes);
  }

  #api(path, query) {
    const { world } = this;
    const is = (name, value) => !query.get(name) || query.get(name) === value;
    switch (path) {
      case "now":
        return {
          version: "0.0.0", instance: "fixture-1", now: new Date().toISOString(), caught_up: this.caughtUp, notes: [], position: `r${this.#log.length}`,
          universes: world.universes, open: world.episodes.filter((one) => one.open),
        };
      case "episodes": {
        const from = query.get("from") ? Date.parse(query.get("from")) : -Infinity;
        const to = query.get("to") ? Date.parse(query.get("to")) : Infinity;
        const all = world.episodes.filter((one) => is("universe", one.universe) && is("rule", one.rule) && is("subject", one.subject) && is("severity", one.severity)
          && is("open", String(one.open)) && Date.parse(one.opened_at) >= from && Date.parse(one.opened_at) < to);
        const first = Number(query.get("after") ?? 0);
        const limit = Number(query.get("limit") ?? 500);
        return { episodes: all.slice(first, first + limit), next: first + limit < all.length ? String(first + limit) : null, total: all.length };
      }
      case "episode": {
        const id = query.get("id") ?? "";
        const one = world.episodes.find((other) => other.episode === id || id.startsWith(`${other.episode}/`));
        return one ? detailOf(world, one) : null;
      }
      case "explain":
        return { identical: true, text: `${query.get("id")}\n\n  inputs   RUT 2718.77  GSPC 6915.61\n  length   10, held against 10: reached\n` };
      case "rules":
        return { rules: world.rules };
      case "readings": {
        const rule = world.rules.find((one) => is("universe", one.universe) && is("rule", one.rule));
        return rule ? { unit: rule.unit, points: rule.points } : null;
      }
      case "regime":
        return { points: world.rules.find((one) => one.kind === "regime")?.points.map(([at, score]) => ({ as_of: new Date(at).toISOString(), score, state: "neutral", contributions: [] })) ?? [] };
      case "map":
        return world.map;
      default:
        return null;
    }
  }

  #stream(request, response) {
    if (this.#refuses) return problem(response, 503, "the service is starting");
    const last = request.headers["last-event-id"] ?? "";
    this.resumed.push(last);
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write(": welcome\n\n");
    const from = /^r\d+$/.test(last) ? Number(last.slice(1)) : -1;
    if (from < 0 || from < this.#kept - 1) {
      response.write(`id: r${this.#log.length}\nevent: reset\ndata: {}\n\n`);
      return;
    }
    for (const entry of this.#log.slice(from)) write(response, entry);
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }
}

function write(stream, [number, event, data]) {
  stream.write(`id: r${number}\nevent: ${event}\ndata: ${data}\n\n`);
}

function problem(response, status, detail) {
  response.writeHead(status, { "Content-Type": "application/problem+json" }).end(JSON.stringify({ type: "about:blank", title: http.STATUS_CODES[status], status, detail }));
}

// By hand: `npm run fixture`, then look at the page; what moves is in the tests.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fixture = await new Fixture().listen(Number(process.argv[2] ?? 0));
  process.stdout.write(`${fixture.url}\n`);
}
