"""Readings of many members."""

import exchange_calendars
import numpy as np
import pandas as pd

from .common import TIE, exponential, last_z


def stale_feed(rule, market):
    watched = rule["series"]
    present = market.any_close(*watched, *rule.get("reference", [])).notna()[watched]
    sessions = exchange_calendars.get_calendar("XNYS", start="1987-01-01").sessions
    longest = pd.Series(0.0, present.index)
    for symbol in watched:
        here = present[symbol]
        silences = (~here & here.index.isin(sessions)).astype(int).groupby(here.cumsum()).cumsum()
        longest = longest.combine(silences.where(here.cumsum() > 0, 0).astype(float), max)
    return longest


def breadth(rule, market):
    """Every member belongs on every day."""
    closes = market.any_close(*rule["members"])
    measure = rule.get("measure", "above_mean")
    sessions = rule.get("sessions", {"above_mean": 50, "new_highs": 252, "thrust": 10}.get(measure))
    if measure == "above_mean":
        level = closes.rolling(sessions).mean()
        up, down, counted = compare(closes, level, level)
        equal = counted - up - down
        return ((up + equal / 2) / counted * 100)[is_enough(rule, counted)]
    if measure == "new_highs":
        high, low = (
            getattr(closes.rolling(sessions), name)().shift(1) for name in ("max", "min")
        )
        up, down, counted = compare(closes, high, low)
        return (up - down).astype(float)[is_enough(rule, counted)]
    before = closes.ffill().shift(1)
    up, down, counted = compare(closes, before, before)
    enough = is_enough(rule, counted)
    up, down = up[enough].astype(float), down[enough].astype(float)
    if measure == "advance_decline":
        return up - down
    moved = up + down
    if measure == "thrust":
        average = (up / moved)[moved > 0].pipe(exponential, sessions)
        return average.reindex(up.index).ffill().iloc[average.index[sessions - 1] <= up.index]
    net = (1000 * (up - down) / moved).where(moved > 0, 0.0)
    oscillator = (exponential(net, 19) - exponential(net, 39)).iloc[38:]
    return oscillator.cumsum() if measure == "summation" else oscillator


def compare(closes, upper, lower):
    """How many lie above one level, how many below another, and of how many that can be said."""
    known = closes.notna() & upper.notna() & lower.notna()
    up = (closes > upper * (1 + TIE)) & known
    down = (closes < lower * (1 - TIE)) & known
    return up.sum(axis=1), down.sum(axis=1), known.sum(axis=1)


def is_enough(rule, counted):
    return counted * 100 >= rule.get("min_counted_pct", 50) * len(rule["members"])


def leadership(rule, market):
    """With members to watch, each of which belongs on every day."""
    weeks, benchmark = rule.get("weeks", 26), rule["benchmark"]
    closes = market.any_close(*rule["members"], benchmark)
    calendar = exchange_calendars.get_calendar("XNYS", start="1987-01-01", end="2030-12-31")
    next_session = {
        date: calendar.next_session(date) for date in closes.index if calendar.is_session(date)
    }
    week = closes.index.to_period("W")
    of_week = closes.groupby(week).last().dropna(subset=[benchmark])
    last = pd.Series(closes.index, closes.index).groupby(week).last()[of_week.index]
    depths = []
    for symbol in rule["watch"]:
        strength = (100 * of_week[symbol] / of_week[benchmark]).dropna()
        ratio = 100 + last_z(strength, weeks)
        momentum = 100 + last_z((ratio / ratio.shift(1) - 1).dropna(), weeks)
        depth = np.minimum(ratio - 100, momentum - 100).dropna()
        depths.append(depth.reindex(of_week.index))
    best = pd.concat(depths, axis=1).max(axis=1).dropna()
    # A week is known at its last session, by the calendar: later dates of the files could not say.
    known = best.groupby(last[best.index].to_numpy()).last()
    ends = [date for date in known.index if next_session[date].to_period("W") != date.to_period("W")]
    return known[ends].reindex(closes.index).ffill().dropna()


def concentration(rule, market):
    closes = market.any_close(*rule["members"])
    measure, top = rule.get("measure", "top_share"), rule.get("top", 7)
    if measure == "basket":
        return basket(rule, closes)
    caps = closes * pd.Series(rule.get("shares", dict.fromkeys(rule["members"], 1.0)))
    if measure == "return_share":
        return return_share(rule, caps, top)
    weights = caps.div(caps.sum(axis=1), axis=0)
    squares = (weights**2).sum(axis=1)
    largest = pd.Series(np.sort(weights.fillna(0))[:, -top:].sum(axis=1) * 100, weights.index)
    read = {"top_share": largest, "herfindahl": squares, "effective_number": 1 / squares}[measure]
    return read[is_enough(rule, weights.notna().sum(axis=1))]


def return_share(rule, caps, top):
    sessions, share, read = rule.get("sessions", 252), None, {}
    values = caps.to_numpy()
    for at in range(sessions, len(values)):
        then, now = values[at - sessions], values[at]
        both = ~np.isnan(then + now)
        then, gains = then[both], now[both] - then[both]
        if both.sum() > top and abs(gains.sum() / then.sum()) >= 0.01:
            largest = np.argsort(then, kind="stable")[::-1][:top]
            share = 100 * gains[largest].sum() / gains.sum()
        if share is not None and is_enough(rule, both.sum()):
            read[caps.index[at]] = share
    return pd.Series(read)


def basket(rule, closes):
    sessions = rule.get("sessions", 63)
    returns = (closes / closes.ffill().shift(1) - 1).iloc[1:]
    rest = [name for name in rule["members"] if name not in rule["basket"]]
    # A side of which no member moves stands still.
    sides = [returns[names].mean(axis=1).fillna(0) for names in (rule["basket"], rest)]
    compound = [(1 + side).rolling(sessions).apply(np.prod, raw=True) for side in sides]
    read = (compound[0] - compound[1]) * 100
    return read[is_enough(rule, returns.notna().sum(axis=1))].dropna()


def listed_returns(rule, market):
    """Simple returns of the members, 0 where one stands still, and since when each has them."""
    closes = market.any_close(*rule["members"])
    returns = (closes.ffill() / closes.ffill().shift(1) - 1).fillna(0).to_numpy()
    first = closes.notna().to_numpy().argmax(axis=0)
    return closes, returns, first


def turbulence(rule, market):
    closes, returns, first = listed_returns(rule, market)
    window, present, read = rule.get("window", 500), closes.notna().to_numpy(), {}
    for at in range(window + 1, len(closes)):
        counted = present[at] & (first <= at - window - 1)
        if not is_enough(rule, counted.sum()) or counted.sum() < 2:
            continue
        past = returns[at - window : at, counted]
        away = returns[at, counted] - past.mean(axis=0)
        covariance = shrunk(past, rule.get("shrinkage"))
        read[closes.index[at]] = away @ np.linalg.solve(covariance, away)
    return pd.Series(read)


def shrunk(returns, share):
    """Ledoit and Wolf (2004): toward the mean variance, as far as their equations 9 to 14 ask for."""
    count, members = returns.shape
    centred = returns - returns.mean(axis=0)
    sample = centred.T @ centred / count
    target = np.trace(sample) / members * np.eye(members)
    if share is None:
        spread = ((sample - target) ** 2).sum()
        products = centred[:, :, None] * centred[:, None, :]
        error = ((products - sample) ** 2).sum() / count**2
        share = min(error, spread) / spread
    return (1 - share) * sample + share * target


def absorption_ratio(rule, market):
    closes, returns, first = listed_returns(rule, market)
    window, present, read = rule.get("window", 500), closes.notna().to_numpy(), {}
    half_life = rule.get("half_life", window // 2)
    ages = np.arange(window)[::-1]
    weights = 0.5 ** (ages / half_life) if half_life else np.ones(window)
    for at in range(window, len(closes)):
        counted = present[at] & (first <= at - window)
        if not is_enough(rule, counted.sum()) or counted.sum() < 2:
            continue
        held = returns[at + 1 - window : at + 1, counted]
        spectrum = np.linalg.eigvalsh(np.cov(held, rowvar=False, aweights=weights, ddof=0))
        most = rule.get("eigenvalues", max(1, int(np.floor(counted.sum() / 5 + 0.5))))
        read[closes.index[at]] = spectrum[::-1][:most].sum() / spectrum.sum()
    ratio = pd.Series(read)
    if rule.get("measure", "ratio") == "ratio":
        return ratio
    long = ratio.rolling(252)
    return ((ratio.rolling(15).mean() - long.mean()) / long.std(ddof=1)).dropna()
