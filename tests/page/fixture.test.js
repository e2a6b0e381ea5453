// The page against a made-up service: what it shows, what it loses, what it costs.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { checkAccess, close, fits, isLive, launch, open, shoot, visit } from "./browser.js";
import { Fixture } from "./fixture.js";

const WEIGHT_MAX = 300_000;
const FRAME_MAX = 100;
const VIEWS = { now: "#/now", map: "#/map", rules: "#/rules", history: "#/history" };
/** What the browser itself says of a connection that a test cuts or refuses. */
const CUT = /Failed to load resource|net::ERR_/;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Runs with a service of its own. */
async function served(options, run) {
  const fixture = await new Fixture(options).listen();
  try {
    await run(fixture);
  } finally {
    await fixture.close();
  }
}

/** Waits for what the page shows. */
async function shown(page, view) {
  await page.locator({ now: ".episode", map: ".head", rules: ".rule", history: ".history tbody tr", episode: ".uplot" }[view]).first().waitFor();
}

const opening = (fixture, rule, n, more = {}) => ({
  ...fixture.world.episodes.find((one) => one.open), episode: `us/${rule}/NEW/${n}`, rule, subject: "NEW", severity: "info", worst: "info", state: "opened", transitions: 1,
  since: new Date().toISOString(), opened_at: new Date().toISOString(), as_of: new Date().toISOString(), headline: `news number ${n}`, ...more,
});
const ending = (episode) => ({ ...episode, open: false, state: "resolved", resolve_reason: "broken", ended_at: new Date().toISOString(), as_of: new Date().toISOString(), transitions: episode.transitions + 1, headline: `${episode.headline} is over` });

test("each view shows its data in light, dark and on a phone, and axe finds nothing serious", async () => {
  await served({}, async (fixture) => {
    const one = fixture.world.episodes.find((episode) => episode.rule === "small-cap-streak");
    const views = { ...VIEWS, episode: `#/episode/${one.episode}` };
    for (const [variant, options] of Object.entries({ light: {}, dark: { scheme: "dark" }, phone: { size: "phone" } })) {
      const page = await open(browser, fixture.url, options);
      for (const [view, hash] of Object.entries(views)) {
        await visit(page, fixture.url, hash);
        await shown(page, view);
        await isLive(page);
        await fits(page, `${view}, ${variant}`);
        await shoot(page, `${view}-${variant}`, { fullPage: view !== "history" });
        await checkAccess(page, `${view}, ${variant}`);
      }
      await close(page);
    }
  });
});

test("an empty installation says so in words", async () => {
  await served({ episodes: 0 }, async (fixture) => {
    Object.assign(fixture.world, { episodes: [], rules: [], map: { maps: [], universe: null, rule: null, benchmark: null, members: [], frames: [] } });
    const page = await open(browser, fixture.url);
    const words = { now: "Nothing is open", map: "nothing to go round", rules: "No rule is configured", history: "No episode" };
    for (const [view, hash] of Object.entries(VIEWS)) {
      await visit(page, fixture.url, hash);
      await page.locator(".empty", { hasText: words[view] }).first().waitFor();
    }
    await checkAccess(page, "empty");
    await close(page);
  });
});

test("live updates arrive; an episode opens, escalates and resolves before the reader's eyes", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/now");
    await isLive(page);
    const first = opening(fixture, "small-cap-record", 1);
    fixture.alert(first);
    const card = page.locator(`[data-key="${first.episode}"]`);
    await card.getByText("news number 1").waitFor();
    assert.equal(await card.getAttribute("data-transitions"), "1");
    const worse = { ...first, severity: "critical", worst: "critical", state: "escalated", transitions: 2, as_of: new Date(Date.now() + 1000).toISOString() };
    fixture.alert(worse);
    await page.locator(`.episodes > li:first-child[data-key="${first.episode}"] .severity.critical`).waitFor();
    await page.locator('[aria-label="News"]', { hasText: "escalated, critical: news number 1" }).waitFor();
    fixture.send("reading", { universe: "us", rule: first.rule, kind: "record_high", as_of: new Date(Date.now() + 2000).toISOString(), value: 41, threshold: 5, distance: 0, unit: "percent", open: true });
    fixture.send("horizon", { ...fixture.world.universes[0], stale: ["KRE", "GH"], lag_seconds: 95 });
    await page.getByText("KRE, GH").waitFor();
    await page.getByText("1 min 35 s").waitFor();
    const gone = ending(worse);
    fixture.alert(gone);
    await card.waitFor({ state: "detached" });
    await page.locator(".ended", { hasText: "news number 1 is over" }).waitFor();
    await close(page);
  });
});

test("a connection cut in the middle of a sequence loses nothing and repeats nothing", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url, { expected: CUT });
    await visit(page, fixture.url, "#/history?rule=great-rotation");
    await shown(page, "history");
    await isLive(page);
    // Each new headline once, as the page's news tell them.
    await page.evaluate(() => {
      globalThis.heard = [];
      new MutationObserver((changes) => {
        for (const node of changes.flatMap((change) => [...change.addedNodes])) globalThis.heard.push(Number(/news number (\d+)/.exec(node.textContent)[1]));
      }).observe(document.querySelector('[aria-label="News"]'), { childList: true });
    });
    const total = 60;
    for (let n = 1; n <= total; n += 1) {
      fixture.alert(opening(fixture, "great-rotation", n));
      if (n === 20 || n === 40) await page.waitForFunction((last) => globalThis.heard.includes(last), n);
      // What comes next is sent while nobody listens.
      if (n === 20) fixture.cut();
      if (n === 50) fixture.repeat(10);
    }
    await page.waitForFunction((count) => globalThis.heard.includes(count), total);
    const heard = await page.evaluate(() => globalThis.heard);
    assert.deepEqual(heard, Array.from({ length: total }, (_, index) => index + 1));
    assert.ok(fixture.resumed.length >= 2, "the stream was opened again");
    await isLive(page);
    await page.locator(".history tbody tr", { hasText: "news number 60" }).waitFor();
    const known = fixture.world.episodes.filter((episode) => episode.rule === "great-rotation").length;
    await page.getByText(`${known} episodes`, { exact: true }).waitFor();
    await close(page);
  });
});

test("while the service is away the page says so, and comes back", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url, { expected: CUT });
    await visit(page, fixture.url, "#/now");
    await isLive(page);
    fixture.refuse(true);
    fixture.cut();
    await page.locator('.status[data-phase="reconnecting"]').waitFor();
    await page.locator("#notice", { hasText: "Not connected" }).waitFor();
    await checkAccess(page, "not connected");
    await shoot(page, "now-away");
    fixture.refuse(false);
    await isLive(page);
    assert.equal(await page.locator("#notice").textContent(), "");
    await close(page);
  });
});

test("ages tick, and a connection that falls silent is not believed", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await page.clock.install();
    await visit(page, fixture.url, "#/now");
    await shown(page, "now");
    await isLive(page);
    const age = page.locator(".episode .age").first();
    assert.equal(await age.textContent(), "1 h 1 min");
    const opened = fixture.resumed.length;
    // Longer than three of the comments that a service sends, and this one sends none.
    await page.clock.fastForward(61_000);
    await page.locator(".episode .age", { hasText: "1 h 2 min" }).waitFor();
    while (fixture.resumed.length === opened) await setTimeout(20);
    await isLive(page);
    await close(page);
  });
});

test("who was away too long loads anew, in any view", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url, { expected: CUT });
    await visit(page, fixture.url, "#/history?rule=great-rotation");
    await shown(page, "history");
    await isLive(page);
    fixture.refuse(true);
    fixture.cut();
    await page.locator('.status[data-phase="reconnecting"]').waitFor();
    for (let n = 1; n <= 5; n += 1) fixture.alert(opening(fixture, "great-rotation", n));
    fixture.forget();
    fixture.refuse(false);
    await isLive(page);
    await page.locator(".history tbody tr", { hasText: "news number 5" }).waitFor();
    await close(page);
  });
});

test("a view that has not caught up says so until it has", async () => {
  await served({ caughtUp: false }, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/now");
    await page.locator('.status[data-phase="catching-up"]').waitFor();
    await page.locator("#notice", { hasText: "Catching up" }).waitFor();
    fixture.send("caught_up", {});
    await isLive(page);
    await close(page);
  });
});

test("what keeps the service from reading is said, and is gone when it reads", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/now");
    await isLive(page);
    fixture.send("notes", ["Kafka does not answer: what is shown is from before"]);
    await page.locator(".status", { hasText: "not reading" }).waitFor();
    await page.locator("#notice", { hasText: "Kafka does not answer" }).waitFor();
    await checkAccess(page, "not reading");
    fixture.send("notes", []);
    await isLive(page);
    assert.equal(await page.locator("#notice").textContent(), "");
    await close(page);
  });
});

test("the token is asked for, kept for the tab, and sent", async () => {
  await served({ token: "open sesame" }, async (fixture) => {
    const page = await open(browser, fixture.url, { expected: /401/ });
    await visit(page, fixture.url, "#/rules");
    const field = page.getByLabel("This service asks for its token");
    await field.fill("wrong");
    await field.press("Enter");
    await page.getByText("The token was not accepted.").waitFor();
    await checkAccess(page, "token");
    await field.fill("open sesame");
    await field.press("Enter");
    await shown(page, "rules");
    await isLive(page);
    assert.equal(await page.evaluate(() => JSON.stringify(localStorage)), "{}");
    await page.reload();
    await shown(page, "rules");
    await isLive(page);
    await close(page);
  });
});

test("what events say is text and nothing else", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/now");
    const link = page.getByRole("link", { name: "<script>" });
    await link.click();
    await page.locator("h1", { hasText: "<script>document.title='owned'</script><b>not bold</b>" }).waitFor();
    await visit(page, fixture.url, "#/rules?q=hostile");
    await page.getByText("<img src=x onerror=").waitFor();
    assert.equal(await page.locator("main img, main script, main b b").count(), 0);
    assert.doesNotMatch(await page.title(), /owned/);
    await close(page);
  });
});

test("an episode is explained, linked, and followed while it goes on", async () => {
  await served({}, async (fixture) => {
    const one = fixture.world.episodes.find((episode) => episode.open && episode.rule === "small-cap-streak");
    const page = await open(browser, fixture.url);
    // By the id of one of its events, as an alert links to it.
    await visit(page, fixture.url, `#/episode/${one.episode}/2`);
    await shown(page, "episode");
    await isLive(page);
    await page.getByRole("button", { name: "Explain", exact: true }).click();
    await page.getByText("Computed anew, it is the same event").waitFor();
    await page.getByText("rotation explain '").waitFor();
    await page.getByText("JSON of the 3 events").click();
    await page.getByText('"specversion": "1.0"').waitFor();
    const rows = await page.locator(".evidence tbody tr").allTextContents();
    assert.ok(rows.includes("longest since.end2008-06-06"), String(rows));
    fixture.alert(ending(one));
    await page.locator(".transitions li", { hasText: "resolved" }).waitFor();
    // What was unfolded stays unfolded.
    await page.getByText('"rotation.alert.resolved.v1"').waitFor();
    await visit(page, fixture.url, "#/episode/us/none/of/this/name");
    await page.getByText("there is none of that name").waitFor();
    await page.context().close();
    assert.deepEqual(page.faults.filter((fault) => !/404/.test(fault)), []);
  });
});

test("rules are found by the filter, and stand in order of nearness", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/rules");
    await shown(page, "rules");
    const names = await page.locator(".rule h2").allTextContents();
    const nearness = names.map((name) => fixture.world.rules.find((rule) => rule.rule === name).nearness ?? -1);
    assert.deepEqual(nearness, [...nearness].sort((a, b) => b - a));
    await page.getByText("it needs 252 sessions").waitFor();
    await page.getByLabel("Filter").fill("toward");
    await page.getByText("1 of 14 rules").waitFor();
    await page.getByText("Over time").click();
    await page.locator(".rule .uplot").waitFor();
    const { rule } = fixture.world.rules.find((one) => one.rule === "ten-year-toward-five");
    fixture.send("reading", { universe: "us", rule, kind: "level_approach", as_of: new Date().toISOString(), value: 12.25, threshold: 10, distance: 2.25, unit: "basis_points", open: false });
    await page.locator(".rule", { hasText: "12.25" }).waitFor();
    await close(page);
  });
});

test("the map goes through time by keyboard and tells its figures", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/map");
    await shown(page, "map");
    assert.equal(await page.locator(".head").count(), 8);
    await page.getByRole("checkbox", { name: "XLY" }).check();
    await page.locator('.head[data-member="XLY"]').waitFor();
    await page.getByRole("checkbox", { name: "KRE" }).uncheck();
    await page.locator('.head[data-member="KRE"]').waitFor({ state: "detached" });
    await page.locator('.head[data-member="XLK"]').focus();
    await page.locator(".told", { hasText: /XLK: ratio .* momentum/ }).waitFor();
    const slider = page.getByLabel("Time", { exact: true });
    await slider.focus();
    await slider.press("Home");
    const date = page.locator("output[for=frame]");
    await date.filter({ hasText: fixture.world.map.frames[0].session }).waitFor();
    // XLY came to the exchange later.
    await page.locator(".figures tr", { hasText: "XLY" }).getByText("no point").waitFor();
    await slider.press("Space");
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await page.waitForFunction(() => Number(document.querySelector("#frame").value) >= 2);
    await slider.press("Space");
    await page.getByRole("button", { name: "Play" }).waitFor();
    const at = await slider.inputValue();
    await date.filter({ hasText: fixture.world.map.frames[at].session }).waitFor();
    await close(page);
  });
});

test("all of it can be reached by keyboard, and the focus can be seen", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/now");
    await shown(page, "now");
    await isLive(page);
    const focused = () => page.evaluate(() => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const { width, height } = element.getBoundingClientRect();
      return { name: (element.textContent || element.getAttribute("aria-label") || "").trim().slice(0, 40), outline: `${outlineStyle} ${outlineWidth}`, isThere: width > 0 && height > 0 };
    });
    const walk = [];
    for (let presses = 0; presses < 11; presses += 1) {
      await page.keyboard.press("Tab");
      const now = await focused();
      assert.equal(now.outline, "solid 3px", now.name);
      assert.ok(now.isThere, now.name);
      walk.push(now.name);
    }
    assert.deepEqual(walk.slice(0, 7), ["Skip to the content", "Rotation", "Now", "Rotation map", "Rules", "History", "Use dark colours"]);
    await page.keyboard.press("Shift+Tab");
    await page.evaluate(() => document.querySelector("#skip").focus());
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    assert.match(page.url(), /#\/now$/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL(/#\/episode\//);
    await visit(page, fixture.url, "#/history");
    await shown(page, "history");
    const range = page.locator("output.muted");
    const whole = await range.textContent();
    await page.locator(".timeline-frame").focus();
    await page.keyboard.press("+");
    await page.waitForFunction((text) => document.querySelector("output.muted").textContent !== text, whole);
    await page.keyboard.press("0");
    await page.waitForFunction((text) => document.querySelector("output.muted").textContent === text, whole);
    await close(page);
  });
});

test("the colours chosen by hand stay after a reload", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/now");
    await page.getByRole("button", { name: "Use dark colours" }).click();
    await page.reload();
    await page.locator('html[data-theme="dark"]').waitFor({ state: "attached" });
    await close(page);
  });
});

test("history is narrowed by rule, severity, state and date, and the address keeps it", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/history");
    await shown(page, "history");
    const { episodes } = fixture.world;
    const count = (n) => page.getByText(`${n} episodes`, { exact: true }).waitFor();
    await page.getByLabel("Severity", { exact: true }).selectOption("warning");
    await count(episodes.filter((one) => one.severity === "warning").length);
    await page.getByLabel("Rule", { exact: true }).selectOption("ten-year-spike");
    const narrow = episodes.filter((one) => one.severity === "warning" && one.rule === "ten-year-spike");
    await count(narrow.length);
    await page.getByLabel("From", { exact: true }).fill("2015-01-01");
    const late = narrow.filter((one) => one.opened_at >= "2015-01-01");
    await count(late.length);
    await page.reload();
    await count(late.length);
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByText(`5000 of ${episodes.length} episodes`).waitFor();
    await page.getByRole("button", { name: "Load older" }).click();
    await count(episodes.length);
    await close(page);
  });
});

test("5,000 episodes in the timeline move and zoom smoothly", async () => {
  await served({}, async (fixture) => {
    const page = await open(browser, fixture.url);
    await visit(page, fixture.url, "#/history");
    await shown(page, "history");
    await isLive(page);
    await page.locator("canvas.timeline").scrollIntoViewIfNeeded();
    const box = await page.locator("canvas.timeline").boundingBox();
    await page.evaluate(() => {
      globalThis.frames = [];
      let last = performance.now();
      const count = (now) => {
        globalThis.frames.push(now - last);
        last = now;
        requestAnimationFrame(count);
      };
      requestAnimationFrame(count);
    });
    const [x, y] = [box.x + box.width * 0.6, box.y + 200];
    await page.mouse.move(x, y);
    await page.keyboard.down("Control");
    for (let step = 0; step < 40; step += 1) await page.mouse.wheel(0, step < 25 ? -60 : 60);
    await page.keyboard.up("Control");
    await page.mouse.down();
    for (let step = 0; step < 60; step += 1) await page.mouse.move(x - 300 * Math.sin(step / 10), y);
    await page.mouse.up();
    for (let step = 0; step < 30; step += 1) await page.mouse.wheel(0, step < 15 ? 80 : -80);
    const frames = (await page.evaluate(() => globalThis.frames)).sort((a, b) => a - b);
    const p95 = frames[Math.floor(frames.length * 0.95)];
    process.stdout.write(`timeline of ${fixture.world.episodes.length} episodes: ${frames.length} frames, median ${frames[frames.length >> 1].toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, longest ${frames.at(-1).toFixed(1)} ms\n`);
    assert.ok(frames.length >= 30, `only ${frames.length} frames`);
    assert.ok(p95 <= FRAME_MAX, `95 of 100 frames within ${p95.toFixed(1)} ms, at most ${FRAME_MAX}`);
    await page.context().close();
    // Moving may have ended on a bar, which opens its page: that is no fault.
    assert.deepEqual(page.faults, []);
  });
});

test("the page is light, and its first view is soon there", async () => {
  const dist = new URL("../../crates/rotation-service/page/dist/", import.meta.url);
  let weight = 0;
  for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) weight += gzipSync(await readFile(`${entry.parentPath}/${entry.name}`), { level: 6 }).length;
  }
  process.stdout.write(`page weight: ${weight} bytes compressed\n`);
  assert.ok(weight <= WEIGHT_MAX, `${weight} bytes compressed, at most ${WEIGHT_MAX}`);
  await served({}, async (fixture) => {
    const times = [];
    for (let visits = 0; visits < 5; visits += 1) {
      const page = await open(browser, fixture.url);
      await visit(page, fixture.url, "#/now");
      await shown(page, "now");
      times.push(await page.evaluate(() => [performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN, performance.now()]));
      await close(page);
    }
    for (const [at, what] of ["first contentful paint", "data shown"].entries()) {
      const sorted = times.map((pair) => pair[at]).sort((a, b) => a - b);
      process.stdout.write(`${what}: ${sorted[2].toFixed(0)} ms after navigation, the median of 5 visits, the longest ${sorted[4].toFixed(0)} ms\n`);
    }
  });
});
