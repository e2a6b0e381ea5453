// The page on the real thing: `rotation demo`, from its first session to its last, over connections that break.
//
//   ROTATION=target/debug/rotation node --test demo.test.js

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { checkAccess, close, fits, isLive, launch, open, shoot, visit } from "./browser.js";

const PATIENCE = 120_000;
const CUT = /Failed to load resource|net::ERR_/;

let browser;
let demo;
let errors = "";
let service;
let cable;

before(async () => {
  // The browser first: what the demo tells from its first session on is to be seen.
  browser = await launch();
  demo = spawn(process.env.ROTATION ?? "rotation", ["demo", "--hold", "--session-seconds", "3", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
  demo.stderr.on("data", (text) => {
    errors += text;
  });
  const port = await new Promise((resolve, reject) => {
    demo.on("exit", (code) => reject(new Error(`rotation demo ended with ${code}: ${errors}`)));
    demo.on("error", reject);
    createInterface({ input: demo.stdout }).on("line", (line) => {
      const found = /http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (found) resolve(Number(found[1]));
    });
  });
  service = `http://127.0.0.1:${port}/`;
  cable = await Cable.to(port);
}, { timeout: PATIENCE });

after(async () => {
  await browser?.close();
  cable?.end();
  if (demo && demo.exitCode === null) {
    const ended = once(demo, "exit");
    demo.kill("SIGKILL");
    await ended;
  }
});

/** What stands between the browser and the service, and can be pulled. */
class Cable {
  #sockets = new Set();
  #server;
  #isDown = false;

  static async to(port) {
    const cable = new Cable();
    cable.#server = net.createServer((near) => {
      if (cable.#isDown) {
        near.destroy();
        return;
      }
      const far = net.connect(port, "127.0.0.1");
      for (const [one, other] of [[near, far], [far, near]]) {
        cable.#sockets.add(one);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          cable.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise((resolve) => cable.#server.listen(0, "127.0.0.1", resolve));
    cable.url = `http://127.0.0.1:${cable.#server.address().port}/`;
    return cable;
  }

  pull() {
    this.#isDown = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  plug() {
    this.#isDown = false;
  }

  end() {
    this.pull();
    this.#server.close();
  }
}

/** From the service itself, past the cable. */
async function ask(path) {
  const answer = await fetch(new URL(`api/v1/${path}`, service));
  assert.equal(answer.status, 200, path);
  return answer.json();
}

/** How many events there are by now. */
async function transitions() {
  const { episodes } = await ask("episodes?limit=5000");
  return episodes.reduce((sum, episode) => sum + episode.transitions, 0);
}

test("episodes open and resolve before the reader's eyes, and a broken connection loses and repeats nothing", async () => {
  const page = await open(browser, cable.url, { expected: CUT });
  page.setDefaultTimeout(PATIENCE);
  await visit(page, cable.url, "#/now");
  await isLive(page);
  // Every event that the page tells of, and which episodes it shows, in order.
  await page.evaluate(() => {
    globalThis.told = [];
    globalThis.steps = [];
    const watch = (target, take) => new MutationObserver((changes) => changes.forEach(take)).observe(target, { childList: true });
    watch(document.querySelector('[aria-label="News"]'), (change) => {
      for (const node of change.addedNodes) globalThis.told.push(node.textContent);
    });
    watch(document.querySelector(".episodes"), (change) => {
      for (const node of change.addedNodes) globalThis.steps.push(`+${node.dataset.key}`);
      for (const node of change.removedNodes) globalThis.steps.push(`-${node.dataset.key}`);
    });
  });
  const { open: first } = await ask("now");
  assert.deepEqual(first, [], "the page was there before the first episode");

  await page.locator(".episode").first().waitFor();
  await shoot(page, "demo-now-light", { fullPage: true });
  cable.pull();
  await page.locator('.status[data-phase="reconnecting"]').waitFor();
  // What is decided meanwhile is missed, until the cable is back.
  const missed = await transitions();
  const deadline = Date.now() + PATIENCE;
  while ((await transitions()) <= missed) {
    assert.ok(Date.now() < deadline, `nothing came after the ${missed} events before the cut: the story was over already`);
    await setTimeout(100);
  }
  cable.plug();
  await isLive(page);

  await page.waitForFunction(() => globalThis.steps.some((step) => step[0] === "-" && globalThis.steps.includes(`+${step.slice(1)}`)));
  await page.locator("#ended").waitFor();
  // The touch of 5 % wakes somebody, late in the story.
  await page.locator(".episode.critical").first().waitFor();
  await page.locator(".ended li", { hasText: "RUT fell behind SPX after 14 sessions" }).waitFor();
  await shoot(page, "demo-now-ended", { fullPage: true });

  const { episodes } = await ask("episodes?limit=5000");
  const said = [];
  for (const { episode } of episodes) {
    const { events } = await ask(`episode?id=${encodeURIComponent(episode)}`);
    said.push(...events.map(({ data }) => `${data.state}, ${data.severity}: ${data.headline}`));
  }
  await page.waitForFunction((count) => globalThis.told.length >= count, said.length);
  const told = await page.evaluate(() => globalThis.told);
  assert.deepEqual([...told].sort(), said.sort());
  assert.ok(said.length >= 10, `only ${said.length} events`);
  process.stdout.write(`${said.length} events of ${episodes.length} episodes, each told once\n`);
  await close(page);
});

test("each view shows the demo's data in light, dark and on a phone", async () => {
  const { episodes } = await ask("episodes");
  const views = {
    now: ["#/now", ".regime-state"],
    map: ["#/map", ".head"],
    rules: ["#/rules", ".rule .spark"],
    episode: [`#/episode/${episodes.at(-1).episode}`, ".uplot"],
    history: ["#/history", ".history tbody tr"],
  };
  for (const [variant, options] of Object.entries({ light: {}, dark: { scheme: "dark" }, phone: { size: "phone" } })) {
    const page = await open(browser, cable.url, options);
    for (const [view, [hash, sign]] of Object.entries(views)) {
      await visit(page, cable.url, hash);
      await page.locator(sign).first().waitFor();
      await isLive(page);
      await fits(page, `${view}, ${variant}`);
      await shoot(page, `demo-${view}-${variant}`, { fullPage: view !== "history" });
      await checkAccess(page, `${view}, ${variant}`);
    }
    await close(page);
  }
});

test("an event is explained, and a rule's readings are drawn", async () => {
  const { episodes } = await ask("episodes?rule=small-cap-streak");
  const page = await open(browser, cable.url);
  await visit(page, cable.url, `#/episode/${episodes.at(-1).episode}`);
  await page.getByRole("button", { name: "Explain 2", exact: true }).click();
  await page.getByText("Computed anew, it is the same event").waitFor({ timeout: PATIENCE });
  await page.locator(".explained pre", { hasText: "RUT beat SPX for the 10th session" }).waitFor();
  await shoot(page, "demo-explained", { fullPage: true });
  await visit(page, cable.url, "#/rules?q=touches");
  await page.getByText("Over time").click();
  await page.locator(".rule .uplot").waitFor();
  await shoot(page, "demo-rule");
  await close(page);
});

test("the page keeps the policy it was made for", async () => {
  const answer = await fetch(cable.url);
  const policy = answer.headers.get("content-security-policy") ?? "";
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]) {
    assert.ok(policy.includes(part), `${part} in ${policy}`);
  }
  assert.match(answer.headers.get("content-type") ?? "", /^text\/html/);
});
