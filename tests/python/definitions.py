"""Readings by their definitions in docs/DETECTORS.md, with pandas, statsmodels and TA-Lib.

Each function takes a rule as written and the market, and returns the readings by date. Whole windows and textbook
formulas throughout: nothing is carried from one session to the next that the definition does not carry.
"""

import exchange_calendars
import numpy as np
import pandas as pd
import statsmodels.api as sm
import talib

TIE = 1e-12


def windows(values, length):
    """All windows of so many values, the oldest first."""
    return np.lib.stride_tricks.sliding_window_view(np.asarray(values, dtype=float), length)


def changes(closes, how):
    return closes.diff() if how == "difference" else closes / closes.shift(1) - 1


def streak(wins):
    """How many in a row up to each."""
    return wins.astype(int).groupby((~wins).cumsum()).cumsum()


def relative_streak(rule, market):
    leader, laggard = rule["leader"], rule["laggard"]
    returns = changes(market.closes(leader, laggard), "return").iloc[1:]
    return streak(returns[leader] - returns[laggard] > TIE).astype(float)


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


def correlation_break(rule, market):
    first, second = rule["first"], rule["second"]
    closes = market.closes(first, second)
    one = changes(closes[first], rule.get("first_change", "return")).iloc[1:]
    other = changes(closes[second], rule.get("second_change", "return")).iloc[1:]
    short, long = rule.get("short", 60), rule.get("long", 252)
    pairs = zip(windows(one, short), windows(other, short))
    read = [np.corrcoef(left, right)[0, 1] for left, right in pairs]
    return pd.Series(read, one.index[short - 1 :]).iloc[long - short :]


def rate_sensitivity(rule, market):
    """Each fifth session: statsmodels takes its time."""
    leader, laggard, rate = rule["leader"], rule["laggard"], rule["rate"]
    closes = market.closes(leader, laggard, rate)
    lead = (changes(closes[leader], "return") - changes(closes[laggard], "return")).iloc[1:] * 1e4
    moved = closes[rate].diff().iloc[1:] * 100
    window = rule.get("window", 120)
    lags = rule.get("lags", int(np.floor(4 * (window / 100) ** (2 / 9))))
    slopes = {}
    for at in range(window, len(lead) + 1, 5):
        x, y = moved.iloc[at - window : at], lead.iloc[at - window : at]
        fit = sm.OLS(y.to_numpy(), sm.add_constant(x.to_numpy())).fit(
            cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
        )
        if np.isfinite(fit.tvalues[1]):
            slopes[lead.index[at - 1]] = fit.params[1]
    return pd.Series(slopes)


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


def momentum_stall(rule, market):
    closes = market.closes(rule["series"], rule["benchmark"])[rule["series"]]
    long, short = rule.get("long", 126), rule.get("short", 21)
    return ((closes / closes.shift(short) - 1) * 100).iloc[long:]


def relative_strength_index(rule, market):
    """Wilder's, of the closes that momentum_stall has read, by TA-Lib; told with two decimals."""
    closes = market.closes(rule["series"], rule["benchmark"])[rule["series"]]
    index = pd.Series(talib.RSI(closes.to_numpy(), timeperiod=14), closes.index)
    return index.iloc[rule.get("long", 126) :]


def exponential(values, span):
    """The average with α = 2 / (span + 1) that begins at the first value."""
    return values.ewm(span=span, adjust=False).mean()


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


def basis_points(text):
    """A distance in percent, such as 0.1 or "10bp"."""
    return float(text.removesuffix("bp")) / 100 if isinstance(text, str) else text


def reacceleration(rule, market):
    close = market.close(rule["series"])
    month = close.index.year * 12 + close.index.month
    of_month = close.groupby(month).last()
    start = of_month.reindex(month - 3).to_numpy()
    return (((close / start) ** 4 - 1) * 100).dropna()


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


def last_z(values, length):
    """How far the last of so many values lies from their mean, in standard deviations with n in the denominator."""
    held = windows(values, length)
    z = (held[:, -1] - held.mean(axis=1)) / held.std(axis=1)
    return pd.Series(z, values.index[length - 1 :])


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
