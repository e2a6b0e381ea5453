"""Readings of one series."""

import numpy as np
import pandas as pd
import statsmodels.api as sm
import talib

from .common import TIE, basis_points, exponential, windows


def record_high(rule, market):
    close = market.close(rule["series"])
    lookback = rule.get("lookback", "all")
    highest = close.cummax() if lookback == "all" else close.rolling(lookback).max()
    drought = rule.get("drought_sessions", 10)
    below = ((1 - close / highest.shift(1)) * 100).clip(lower=0)
    # Nothing opens before a drought was possible.
    return below.dropna() if lookback != "all" else below.iloc[drought:]


def level_approach(rule, market):
    return market.close(rule["series"])


def spike(rule, market):
    close = market.close(rule["series"])
    window, trailing = rule.get("window", 20), rule.get("trailing", 2520)
    if market.is_in_percent(rule["series"]):
        moved = (close.diff(window) * 100).dropna().round(9)
    else:
        moved = ((close / close.shift(window) - 1) * 100).dropna()
    least = rule.get("min_history", min(252, trailing))
    values = moved.to_numpy()
    z = {}
    for at in range(least, len(values)):
        before = values[max(0, at - trailing) : at]
        median = np.median(before)
        mad = np.median(np.abs(before - median))
        z[moved.index[at]] = (values[at] - median) / (1.4826 * mad)
    return pd.Series(z).clip(-1000, 1000)


def volatility_shift(rule, market):
    estimators = {"close": close_to_close, "yang_zhang": yang_zhang}
    estimate = estimators[rule.get("estimator", "close")]
    bars = market.bars(rule["series"])
    short, long = rule.get("short", 21), rule.get("long", 252)
    return (estimate(bars, short) / estimate(bars, long)).dropna()


def close_to_close(bars, length):
    close = bars["close"].dropna()
    returns = np.log(close / close.shift(1)).iloc[1:]
    return pd.Series(windows(returns, length).std(axis=1, ddof=1), returns.index[length - 1 :])


def yang_zhang(bars, length):
    """Yang and Zhang (2000), their equations 7 to 10."""
    opened = np.log(bars["open"] / bars["close"].shift(1)).iloc[1:]
    bars = bars.iloc[1:]
    up, down = (np.log(bars[name] / bars["open"]) for name in ("high", "low"))
    day = np.log(bars["close"] / bars["open"])
    up, down = np.maximum(up, np.maximum(day, 0)), np.minimum(down, np.minimum(day, 0))
    satchell = up * (up - day) + down * (down - day)
    k = 0.34 / (1.34 + (length + 1) / (length - 1))
    variance = (
        windows(opened, length).var(axis=1, ddof=1)
        + k * windows(day, length).var(axis=1, ddof=1)
        + (1 - k) * windows(satchell, length).mean(axis=1)
    )
    return pd.Series(np.sqrt(variance), day.index[length - 1 :])


def macd(rule, market):
    close = market.close(rule["series"])
    fast, slow, signal = rule.get("fast", 12), rule.get("slow", 26), rule.get("signal", 9)
    difference = exponential(close, fast) - exponential(close, slow)
    histogram = difference - exponential(difference, signal)
    # TA-Lib begins its averages at means of the first values; after twenty times their length that is forgotten.
    theirs, settled = talib.MACD(close.to_numpy(), fast, slow, signal)[2], 20 * slow
    np.testing.assert_allclose(
        histogram[settled:], theirs[settled:], rtol=1e-9, atol=1e-12 * close.max()
    )
    return histogram.iloc[slow + signal - 2 :]


def policy_cycle(rule, market):
    tolerance, end = basis_points(rule.get("tolerance", "1bp")), rule.get("end_days", 200)
    counted = {"either": (1, -1), "cuts": (-1,), "hikes": (1,)}[rule.get("moves", "either")]
    close = market.close(rule["series"])
    rate, moves, read = close.iloc[0], [], {}
    for date, value in close.items():
        if abs(value - rate) > tolerance * (1 + TIE):
            moves.append((date, np.sign(value - rate)))
            rate = value
        length, later = 0, date
        for when, way in reversed(moves):
            if way != moves[-1][1] or (later - when).days >= end:
                break
            length, later = length + 1, when
        read[date] = float(length if moves and moves[-1][1] in counted else 0)
    return pd.Series(read)


def reacceleration(rule, market):
    close = market.close(rule["series"])
    month = close.index.year * 12 + close.index.month
    of_month = close.groupby(month).last()
    start = of_month.reindex(month - 3).to_numpy()
    return (((close / start) ** 4 - 1) * 100).dropna()


def plateau(rule, market):
    close = market.close(rule["series"])
    window, trailing = rule.get("window", 40), rule.get("trailing", 2520)
    least = rule.get("min_history", min(252, trailing))
    held = windows(close, window)
    ranges = (held.max(axis=1) / held.min(axis=1) - 1) * 100
    single = ranges.astype(np.float32)
    efficiency = np.abs(held[:, -1] - held[:, 0]) / np.abs(np.diff(held, axis=1)).sum(axis=1)
    design = sm.add_constant(np.arange(window, dtype=float))
    read = {}
    for at in range(least, len(held)):
        before = single[max(0, at - trailing) : at]
        rank = (np.mean(before < single[at]) + np.mean(before <= single[at])) * 50
        t = trend_t(held[at], design)
        read[close.index[at + window - 1]] = max(
            rank / rule.get("max_range_percentile", 35),
            efficiency[at] / rule.get("max_efficiency", 0.1),
            abs(t) / rule.get("max_trend_t", 4),
        )
    return pd.Series(read)


def trend_t(values, design):
    slope, error = np.linalg.lstsq(design, values, rcond=None)[:2]
    spread = ((design[:, 1] - design[:, 1].mean()) ** 2).sum()
    return slope[1] / np.sqrt(error[0] / (len(values) - 2) / spread)


def analogue(rule, market):
    close = market.close(rule["series"])
    length, history = rule.get("length", 60), rule.get("history", 10_000)
    nearest = max(length, rule.get("after", 20))
    paths = windows(np.log(close), length)
    shapes = (paths - paths.mean(axis=1, keepdims=True)) / paths.std(axis=1, keepdims=True)
    read = {}
    for end in range(length + nearest - 1, len(close)):
        first, at = max(0, end + 1 - history), end - length + 1
        past = shapes[first : at - nearest + 1]
        read[close.index[end]] = np.sqrt(((past - shapes[at]) ** 2).sum(axis=1).min())
    return pd.Series(read)


def markov_switching(rule, market):
    close = market.close(rule["series"])
    returns = (close / close.shift(1) - 1).iloc[1:] * 100
    means = rule.get("means", [0.06, -0.05])
    deviations = rule.get("deviations", [0.63, 1.61])
    stay = rule.get("stay", [0.989, 0.967])
    model = sm.tsa.MarkovRegression(returns.to_numpy(), k_regimes=2, switching_variance=True)
    variances = [deviation**2 for deviation in deviations]
    filtered = model.filter([stay[0], 1 - stay[1], *means, *variances])
    return pd.Series(filtered.filtered_marginal_probabilities[:, 1], returns.index)
