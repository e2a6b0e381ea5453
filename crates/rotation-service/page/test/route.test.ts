import assert from "node:assert/strict";
import { test } from "node:test";

import { parse, to, toEpisode } from "../src/route";

test("an id survives the address, whatever is in it", () => {
  for (const id of ["us/small-cap-streak/RUT/GSPC/2026-01-08T21:00:00Z", "a/b c/ü?#%/x&y=z"]) {
    const route = parse(toEpisode(id));
    assert.deepEqual([route.view, route.id], ["episode", id]);
  }
  assert.equal(toEpisode("us/r/RUT/2026-01-08T21:00:00Z/3"), "#/episode/us/r/RUT/2026-01-08T21:00:00Z/3");
  assert.equal(parse("#/episode/100%").id, "100%");
});

test("views are found with their queries, and what is not there is the first view", () => {
  assert.equal(parse("#/history?rule=a+b").query.get("rule"), "a b");
  assert.equal(parse(to("history", { rule: "a b", subject: "" })).query.toString(), "rule=a+b");
  assert.deepEqual(["", "#", "#/", "#/nowhere", "#/__proto__"].map((hash) => parse(hash).view), ["now", "now", "now", "now", "now"]);
});
