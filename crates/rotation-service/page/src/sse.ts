// Server-sent events as the standard has them, from text in pieces of any length.

export interface Message {
  /** The last id that was sent, with this message or before it. */
  id: string;
  event: string;
  data: string;
}

/** Feeds on pieces of a stream and returns the messages that they complete. */
export class Parser {
  #rest = "";
  #atStart = true;
  #id: string;
  #event = "";
  #data: string[] = [];

  constructor(id = "") {
    this.#id = id;
  }

  push(piece: string): Message[] {
    let text = this.#rest + piece;
    if (this.#atStart && text.length > 0) {
      this.#atStart = false;
      if (text.startsWith("\ufeff")) text = text.slice(1);
    }
    const messages: Message[] = [];
    let from = 0;
    for (let at = 0; at < text.length; at += 1) {
      const letter = text[at];
      if (letter !== "\n" && letter !== "\r") continue;
      // Whether a line feed follows a carriage return at the end of a piece, the next piece says.
      if (letter === "\r" && at + 1 === text.length) break;
      const message = this.#line(text.slice(from, at));
      if (message) messages.push(message);
      if (letter === "\r" && text[at + 1] === "\n") at += 1;
      from = at + 1;
    }
    this.#rest = text.slice(from);
    return messages;
  }

  #line(line: string): Message | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch(): Message | null {
    const message = { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    return isEmpty ? null : message;
  }
}
