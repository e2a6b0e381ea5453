// A made-up installation: everything that /api/v1 tells, from a seed, as of one instant.

/** Numbers in [0, 1) that depend on the seed alone. */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const DAY = 86_400_000;
const iso = (at) => new Date(at).toISOString().replace(".000Z", "Z");

/** Rules of one universe: name, kind, clock, subject, unit, threshold, about. */
const RULES = [
  ["small-cap-streak", "relative_streak", "session", "RUT/GSPC", "sessions", 5, "RUT beats GSPC at least 5 sessions in a row"],
  ["regional-bank-streak", "relative_streak", "session", "KRE/GSPC", "sessions", 5, "KRE beats GSPC at least 5 sessions in a row"],
  ["small-cap-record", "record_high", "session", "RUT", "percent", 0, "RUT closes at a record after at least 10 sessions without one"],
  ["ten-year-toward-five", "level_approach", "session", "DGS10", "basis_points", 10, "DGS10 within 10 bp of 5 from below"],
  ["ten-year-touches-five", "level_approach", "tick", "DGS10", "basis_points", 5, "DGS10 within 5 bp of 5 from below, by ticks"],
  ["ten-year-spike", "spike", "session", "DGS10", "standard_deviations", 3, "DGS10 changes over 20 sessions by 3 deviations or more"],
  ["breadth-thrust", "breadth", "session", "members", "percent", 61.5, "more than 61.5 % of the members advance"],
  ["sector-rotation", "leadership", "session", "sectors", "standard_deviations", 0, "KRE or IJH enters the leading quadrant"],
  ["top-ten-share", "concentration", "session", "members", "percent", 35, "the ten largest make up 35 % or more"],
  ["turbulence", "turbulence", "session", "sectors", "", 22.1, "returns as unusual as on one day in a hundred"],
  ["rotation-regime", "regime", "session", "us", "", 0.25, "the state of the rotation"],
  ["great-rotation", "confluence", "session", "us", "rules", 3, "3 rules or more open within 10 sessions"],
  ["feed-stale", "stale_feed", "1m", "RUT", "seconds", 120, "no tick of RUT for 2 minutes in a session"],
  ["hostile", "expression", "session", "<b>bold</b>", "", 1, "<img src=x onerror=\"document.title='owned'\"> is shown as it is"],
];
const MEMBERS = ["KRE", "IJH", "RSP", "XLK", "XLF", "XLI", "XLV", "XLE", "XLP", "XLU", "XLY"];
const HEADLINES = {
  info: (subject, n) => `${subject} beat its benchmark for the ${n}th session, +3.12 % against +1.45 %`,
  warning: (subject, n) => `${subject} beat its benchmark for the ${n}th session, +7.76 % against +1.45 %; longest since the 13 that ended 2008-06-06`,
  critical: (subject) => `${subject} touches 5 at 5.003, the first time since 2007-07-17; 3.1 bp a session over the last 5`,
};

/** Everything as of `now` (milliseconds), with so many episodes of the past. */
export function synthetic({ seed = 1, now, episodes: count = 5_000 }) {
  const chance = seeded(seed);
  const rules = RULES.map(([rule, kind, clock, subject, unit, threshold, about], index) => {
    let value = threshold * 0.6;
    const points = Array.from({ length: 120 }, (_, step) => {
      const scale = Math.max(1, Math.abs(threshold)) * 0.12;
      value += (chance() - 0.48) * scale;
      return [now - (120 - step) * DAY, Number(value.toFixed(3)), threshold];
    });
    const isMissing = rule === "turbulence";
    const last = points.at(-1);
    const distance = Number(Math.max(0, threshold - last[1]).toFixed(3));
    return {
      universe: "us", rule, kind, clock, subject, unit, open: 0, about,
      missing: isMissing ? "it needs 252 sessions of 11 sectors; 187 have come" : null,
      reading: isMissing ? null : { as_of: iso(last[0]), session: iso(last[0]).slice(0, 10), value: last[1], threshold, distance, open: false },
      nearness: isMissing ? null : Number(Math.max(0, 1 - distance / Math.max(1, threshold * (0.4 + index / 20))).toFixed(3)),
      points: isMissing ? [] : points,
    };
  });
  const past = Array.from({ length: count }, () => {
    const index = Math.floor(chance() ** 1.5 * RULES.length);
    const from = now - Math.floor(chance() * 36 * 365 * DAY) - 2 * DAY;
    const roll = chance();
    const severity = roll < 0.02 ? "critical" : roll < 0.15 ? "warning" : "info";
    return episode({ rule: RULES[index], from, to: from + Math.floor(chance() ** 3 * 90 * DAY) + 3_600_000, severity, chance });
  });
  const unique = new Map(past.map((one) => [one.episode, one]));
  const open = [
    episode({ rule: RULES[0], from: now - 9 * DAY, severity: "warning", chance, transitions: 3 }),
    episode({ rule: RULES[4], from: now - 3_700_000, severity: "critical", chance, transitions: 2 }),
    episode({ rule: RULES[2], from: now - 4 * DAY, severity: "info", chance, transitions: 1 }),
    episode({ rule: RULES[13], from: now - 2 * DAY, severity: "info", chance, transitions: 1, headline: "<script>document.title='owned'</script><b>not bold</b> & \"quoted\"" }),
  ];
  for (const one of open) unique.set(one.episode, one);
  for (const rule of rules) {
    rule.open = open.filter((one) => one.rule === rule.rule).length;
    if (rule.open > 0 && rule.reading) Object.assign(rule.reading, { open: true }), (rule.nearness = 1);
  }
  return { now, rules, episodes: [...unique.values()].sort(newest), universes: universes(now, rules.length, open.length), map: rotationMap(now, chance) };
}

export const newest = (a, b) => Date.parse(b.opened_at) - Date.parse(a.opened_at) || (a.episode < b.episode ? -1 : 1);

export function episode({ rule, from, to = null, severity, chance, transitions = 2, headline }) {
  const [name, kind, , subject, unit, threshold] = rule;
  const length = 5 + Math.floor(chance() * 9);
  const last = to ?? from;
  return {
    episode: `us/${name}/${subject}/${iso(from)}`, universe: "us", rule: name, kind, subject, direction: "up",
    severity, worst: severity, notify: severity === "critical" ? "page" : severity === "warning" ? "chat" : "digest",
    state: to === null ? (transitions > 1 ? "escalated" : "opened") : "resolved", ...(transitions > 1 && to === null ? { rung: "length" } : {}),
    open: to === null, since: iso(from), opened_at: iso(from), as_of: iso(last), ended_at: to === null ? null : iso(to),
    ...(to === null ? {} : { resolve_reason: "broken" }),
    value: length, peak: length + 1, threshold, unit, headline: headline ?? HEADLINES[severity](subject, length), transitions, replay: false,
    spark: to === null ? Array.from({ length: 30 }, (_, step) => [from - (30 - step) * DAY, Number((length * chance()).toFixed(2))]) : [],
  };
}

function universes(now, rules, open) {
  const part = (input, strength, weight, why) => ({ input, strength, weight, contribution: Number((strength * weight / 2).toFixed(4)), why });
  const regime = {
    rule: "rotation-regime", state: "small_cap_led", score: 0.53, since: iso(now - 12 * DAY), as_of: iso(now - DAY),
    contributions: [
      part("small-cap-streak", 1, 0.4, "10 sessions against 10"), part("breadth-thrust", 0.7, 0.5, "64.2 % of the members above their mean"),
      part("regional-bank-streak", 0.62, 0.35, "8 sessions"), part("top-ten-share", -0.35, 0.4, "36.1 %, at 38 it would count in full"), part("ten-year-spike", -0.1, 0.35, "fades since 2026-01-05"),
    ],
  };
  return [
    { name: "us", calendar: "XNYS", horizon: iso(now - 31_000), newest: iso(now - 1_000), lag_seconds: 31, sources: [0, 1, 2].map((partition) => ({ partition, horizon: iso(now - 31_000), excluded: partition === 2 })), stale: ["GH"], rules, open, regime },
    { name: "rates", calendar: "US-BOND", horizon: iso(now - 45_000), newest: iso(now - 15_000), lag_seconds: 45, sources: [{ partition: 0, horizon: iso(now - 45_000), excluded: false }], stale: [], rules: 0, open: 0, regime: null },
  ];
}

function rotationMap(now, chance) {
  const turns = MEMBERS.map(() => ({ angle: chance() * 6.28, far: 0.5 + chance() * 1.6 }));
  const frames = Array.from({ length: 60 }, (_, step) => {
    const at = now - (60 - step) * 7 * DAY;
    const points = {};
    MEMBERS.forEach((member, index) => {
      const turn = turns[index];
      turn.angle -= 0.08 + chance() * 0.18;
      turn.far = Math.min(2.6, Math.max(0.3, turn.far + (chance() - 0.5) * 0.3));
      // One member came to the exchange later than the others.
      if (index === 10 && step < 20) return;
      const ratio = 100 + Math.cos(turn.angle) * turn.far;
      const momentum = 100 + Math.sin(turn.angle) * turn.far;
      points[member] = { ratio, momentum, quadrant: ratio > 100 ? (momentum > 100 ? "leading" : "weakening") : momentum > 100 ? "improving" : "lagging" };
    });
    return { as_of: iso(at), session: iso(at).slice(0, 10), points };
  });
  return { maps: [{ universe: "us", rule: "sector-rotation", benchmark: "SPY" }], universe: "us", rule: "sector-rotation", benchmark: "SPY", members: MEMBERS, frames };
}

/** The CloudEvents of an episode, one a transition. */
export function eventsOf(one) {
  return Array.from({ length: one.transitions }, (_, index) => eventOf(one, index + 1));
}

export function eventOf(one, transition) {
  const isLast = transition === one.transitions;
  const state = transition === 1 ? "opened" : isLast ? one.state : "escalated";
  const as_of = isLast ? one.as_of : one.opened_at;
  return {
    specversion: "1.0", type: `rotation.alert.${state}.v1`, id: `${one.episode}/${transition}`, source: `/rotation/${one.universe}/${one.rule}`, subject: one.subject,
    time: as_of, datacontenttype: "application/json", dataschema: "urn:rotation:schema:alert:v1",
    data: {
      universe: one.universe, rule: one.rule, rule_version: "02b404713862ed2f", kind: one.kind, subject: one.subject, direction: "up",
      severity: isLast ? one.severity : "info", notify: one.notify, state, ...(state === "escalated" ? { rung: "length" } : {}), transition, episode: one.episode,
      as_of, session: as_of.slice(0, 10), detected_at: iso(Date.parse(as_of) + 1_480), value: one.value, peak: one.peak, threshold: one.threshold, unit: one.unit, duration_seconds: 604800,
      close_status: "official",
      evidence: { length: one.value, start: one.opened_at.slice(0, 10), end: as_of.slice(0, 10), leader_return: 0.077622, laggard_return: 0.014458, margin_bp: 60.64, tightest_margin_bp: 5.44, longest_since: { end: "2008-06-06", length: 13 } },
      reverses: "a session in which RUT does not beat GSPC", ...(state === "resolved" ? { resolve_reason: "broken" } : {}),
      quality: { present: 2, expected: 2, stale: [] }, replay: false, headline: one.headline,
    },
  };
}

/** What /api/v1/episode tells. */
export function detailOf(world, one) {
  const chance = seeded(one.episode.length * 7919 + one.value);
  const from = Date.parse(one.opened_at) - 60 * DAY;
  const until = Math.min(world.now, (one.ended_at === null ? world.now : Date.parse(one.ended_at)) + 20 * DAY);
  const days = Math.max(2, Math.min(400, Math.round((until - from) / DAY)));
  const walk = (start, step) => {
    let value = start;
    return Array.from({ length: days }, (_, day) => {
      value *= 1 + (chance() - 0.49) * step;
      return [from + day * DAY, Number(value.toFixed(2))];
    });
  };
  return {
    episode: one, events: eventsOf(one), window: { from: one.since, to: one.ended_at },
    reading: { unit: one.unit, points: walk(4, 0.2).map(([at, value]) => [at, value, one.threshold]) },
    series: [{ name: "RUT", unit: null, points: walk(2400, 0.02) }, { name: "GSPC", unit: null, points: walk(6800, 0.015) }, { name: "DGS10", unit: "percent", points: walk(4.7, 0.01) }],
    parts: one.rule === "great-rotation" ? world.episodes.slice(0, 3) : [], explain: `rotation explain '${one.episode}/${one.transitions}' --config rotation.toml`,
  };
}
