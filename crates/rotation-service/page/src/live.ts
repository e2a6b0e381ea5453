// What the page knows, and the stream that keeps it so.

import { Problem, address, ask, get, setToken } from "./api";
import { type Action, type Happening, type Link, START, resume, step } from "./link";
import { append, bySeverity, isNewer } from "./order";
import { Parser } from "./sse";
import type { AlertMessage, Episode, Now, ReadingMessage, UniverseState } from "./types";

/** The service sends at least a comment every 10 s; after three of them there is nobody at the other end. */
const SILENCE = 30_000;
const SPARK_POINTS = 60;
const ENDED_SHOWN = 8;

export type News =
  /** Everything was loaded anew. */
  | { kind: "loaded" }
  /** The state of the connection changed, or of the service's own. */
  | { kind: "link" }
  | { kind: "alert"; message: AlertMessage }
  | { kind: "reading"; message: ReadingMessage }
  | { kind: "universe"; state: UniverseState };

export class Live {
  link: Link = START;
  now: Now | null = null;
  /** What keeps the service from reading. */
  notes: string[] = [];
  readonly universes = new Map<string, UniverseState>();
  readonly open = new Map<string, Episode>();
  /** Ended while the page was looking, newest first. */
  ended: Episode[] = [];
  /** Milliseconds that the service's clock is ahead of ours. */
  skew = 0;
  /** When the last piece of the stream came, by our clock. */
  heard = 0;
  #listeners = new Set<(news: News) => void>();
  #under: AbortController | null = null;
  #retry = 0;
  #seen = new Map<string, number>();

  start(): void {
    this.#do({ type: "load" });
    window.addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#hurry();
    });
  }

  /** Calls back at every piece of news until the returned function is called. */
  listen(listener: (news: News) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  unlock(token: string): void {
    setToken(token);
    this.#happen({ type: "unlocked" });
  }

  /** A view met a locked door. */
  refused(): void {
    if (this.link.phase !== "locked") {
      this.#under?.abort();
      this.#happen({ type: "refused" });
    }
  }

  /** Open episodes, most severe first. */
  opened(): Episode[] {
    return [...this.open.values()].sort(bySeverity);
  }

  /** Tries at once where a try is due later. */
  #hurry(): void {
    if (this.#retry === 0) return;
    window.clearTimeout(this.#retry);
    this.#retry = 0;
    this.#do(resume(this.link));
  }

  #tell(news: News): void {
    for (const listener of [...this.#listeners]) listener(news);
  }

  #happen(what: Happening): void {
    const before = this.link;
    const [next, action] = step(before, what, Math.random());
    this.link = next;
    if (before.phase !== next.phase || before.reason !== next.reason) this.#tell({ kind: "link" });
    if (action) this.#do(action);
  }

  #do(action: Action): void {
    window.clearTimeout(this.#retry);
    this.#retry = 0;
    if (action.type === "retry") {
      this.#retry = window.setTimeout(() => {
        this.#retry = 0;
        this.#do(resume(this.link));
      }, action.delay);
      return;
    }
    this.#under?.abort();
    const under = new AbortController();
    this.#under = under;
    const work = action.type === "load" ? this.#load(under.signal) : this.#stream(action.position, under);
    work.catch((error: unknown) => {
      if (this.#under !== under) return;
      if (!(error instanceof Problem)) this.#happen({ type: "failed", reason: "the connection broke" });
      else if (error.status === 401) this.#happen({ type: "refused" });
      // A position that the service cannot use any more.
      else if (action.type === "stream" && (error.status === 400 || error.status === 410)) this.#do({ type: "load" });
      else this.#happen({ type: "failed", reason: error.message });
    });
  }

  async #load(signal: AbortSignal): Promise<void> {
    const now = await get<Now>("now", {}, signal);
    if (signal.aborted) return;
    this.now = now;
    this.notes = now.notes;
    this.skew = Date.parse(now.now) - Date.now();
    this.universes.clear();
    for (const state of now.universes) this.universes.set(state.name, state);
    this.open.clear();
    this.#seen.clear();
    for (const episode of now.open) {
      this.open.set(episode.episode, episode);
      this.#seen.set(episode.episode, episode.transitions);
    }
    this.#tell({ kind: "loaded" });
    this.#happen({ type: "loaded", position: now.position, caughtUp: now.caught_up });
  }

  async #stream(position: string, under: AbortController): Promise<void> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (position) headers["Last-Event-ID"] = position;
    let watch = 0;
    const isSilent = (): void => {
      if (this.#under !== under) return;
      this.#happen({ type: "failed", reason: "the service fell silent" });
      under.abort();
    };
    const rewind = (): void => {
      this.heard = Date.now();
      window.clearTimeout(watch);
      watch = window.setTimeout(isSilent, SILENCE);
    };
    rewind();
    try {
      const answer = await ask(address("events"), headers, under.signal);
      if (!answer.body) throw new Problem(answer.status, "the service sent no stream");
      if (this.#under !== under) return;
      this.#happen({ type: "opened" });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new Parser(position);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        rewind();
        for (const message of parser.push(value)) {
          // Told first: a position is behind us once what stands there has been taken in.
          if (message.event !== "reset") this.#take(message.event, message.data);
          this.#happen({ type: "message", id: message.id, event: message.event });
          if (this.#under !== under) return;
        }
      }
      if (this.#under === under) this.#happen({ type: "failed", reason: "the service closed the connection" });
    } finally {
      window.clearTimeout(watch);
    }
  }

  #take(event: string, data: string): void {
    let body: unknown;
    try {
      body = JSON.parse(data);
    } catch {
      return;
    }
    if (event === "notes") {
      this.notes = body as string[];
      this.#tell({ kind: "link" });
    } else if (event === "alert") this.#alert(body as AlertMessage);
    else if (event === "reading") this.#reading(body as ReadingMessage);
    else if (event === "horizon") {
      const state = body as UniverseState;
      this.universes.set(state.name, state);
      this.#tell({ kind: "universe", state });
    }
  }

  #alert(message: AlertMessage): void {
    const { episode } = message;
    // What is known already is not told twice, whatever the connection did.
    if (!isNewer(this.#seen.get(episode.episode), episode.transitions)) return;
    this.#seen.set(episode.episode, episode.transitions);
    if (episode.open) {
      const spark = episode.spark.length > 0 ? episode.spark : (this.open.get(episode.episode)?.spark ?? []);
      this.open.set(episode.episode, { ...episode, spark });
      this.ended = this.ended.filter((other) => other.episode !== episode.episode);
    } else {
      this.open.delete(episode.episode);
      this.ended = [episode, ...this.ended.filter((other) => other.episode !== episode.episode)].slice(0, ENDED_SHOWN);
    }
    this.#tell({ kind: "alert", message });
  }

  #reading(message: ReadingMessage): void {
    const at = Date.parse(message.as_of);
    for (const episode of this.open.values()) {
      if (episode.universe !== message.universe || episode.rule !== message.rule) continue;
      episode.spark = append(episode.spark, [at, message.value], SPARK_POINTS);
    }
    const universe = this.universes.get(message.universe);
    const isShown = universe?.regime === null || universe?.regime.rule === message.rule;
    if (universe && isShown && message.regime) this.universes.set(message.universe, { ...universe, regime: message.regime });
    this.#tell({ kind: "reading", message });
  }
}
