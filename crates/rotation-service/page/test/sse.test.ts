import assert from "node:assert/strict";
import { test } from "node:test";

import { Parser } from "../src/sse";

const STREAM = ": hello\n\nid: r1\nevent: alert\ndata: {\"a\":\ndata: 1}\n\nid: r2\r\ndata:x\r\n\r\nevent: reset\ndata\n\nid: r3\nevent: nothing\n\ndata: last\n\nid: r4\ndata: half";

const EXPECTED = [
  { id: "r1", event: "alert", data: '{"a":\n1}' },
  { id: "r2", event: "message", data: "x" },
  { id: "r2", event: "reset", data: "" },
  { id: "r3", event: "message", data: "last" },
];

test("a stream gives the same messages however it is cut", () => {
  for (let size = 1; size <= STREAM.length; size += 1) {
    const parser = new Parser();
    const found = [];
    for (let from = 0; from < STREAM.length; from += size) found.push(...parser.push(STREAM.slice(from, from + size)));
    assert.deepEqual(found, EXPECTED, `pieces of ${size}`);
  }
});

test("what is cut off is never a message", () => {
  const parser = new Parser("r7");
  assert.deepEqual(parser.push("id: r8\nevent: alert\ndata: {}\n"), []);
  assert.deepEqual(new Parser("r7").push("data: x\n\n"), [{ id: "r7", event: "message", data: "x" }]);
});

test("a mark of the byte order, comments and fields of other names are passed over", () => {
  const parser = new Parser();
  assert.deepEqual(parser.push("\ufeff:c\nretry: 10\nother: y\nid: a\0b\ndata:  two blanks\n\n"), [{ id: "", event: "message", data: " two blanks" }]);
});
