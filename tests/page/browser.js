// A browser for the tests, and what holds on every page: no error, no other origin, nothing that axe finds serious.

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const SHOTS = new URL("../../target/page/", import.meta.url);
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const SIZES = { desk: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } };

export async function launch() {
  await mkdir(SHOTS, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** A page that remembers what went wrong on it. */
export async function open(browser, url, { size = "desk", scheme = "light", expected = /$^/, ...options } = {}) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: scheme, timezoneId: "America/New_York", locale: "en-US", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const faults = [];
  const { origin } = new URL(url);
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      const text = `${message.text()} (${message.location().url})`;
      if (!expected.test(text)) faults.push(`console: ${text}`);
    }
  });
  page.on("pageerror", (error) => faults.push(`error: ${error.stack ?? error}`));
  page.on("request", (request) => {
    const target = new URL(request.url());
    if (target.protocol !== "data:" && target.protocol !== "blob:" && target.origin !== origin) faults.push(`request: ${request.url()}`);
  });
  page.faults = faults;
  return page;
}

export async function visit(page, url, hash) {
  await page.goto(new URL(hash, url).href);
}

/** Ends a page; fails with everything that went wrong on it. */
export async function close(page) {
  await page.context().close();
  assert.deepEqual(page.faults, []);
}

export async function isLive(page) {
  await page.locator('.status[data-phase="live"]').waitFor();
}

export async function checkAccess(page, name) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = (found) => found.map(({ id, impact, help, nodes }) => `${impact} ${id}: ${help}: ${nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.html}`).join("\n    ")}`);
  for (const line of told(violations.filter((one) => !serious.includes(one)))) process.stdout.write(`axe, ${name}: ${line}\n`);
  assert.deepEqual(told(serious), [], name);
}

export async function fits(page, name) {
  const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= room, `${name}: ${wide} pixels wide in ${room}`);
}

export async function shoot(page, name, options = {}) {
  await page.screenshot({ path: new URL(`${name}.png`, SHOTS).pathname, ...options });
}
