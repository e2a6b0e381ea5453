"""Readings of series held against one another."""

import numpy as np
import pandas as pd
import statsmodels.api as sm
import talib

from .common import TIE, changes, streak, windows


def relative_streak(rule, market):
    leader, laggard = rule["leader"], rule["laggard"]
    returns = changes(market.closes(leader, laggard), "return").iloc[1:]
    return streak(returns[leader] - returns[laggard] > TIE).astype(float)


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


def momentum_stall(rule, market):
    closes = market.closes(rule["series"], rule["benchmark"])[rule["series"]]
    long, short = rule.get("long", 126), rule.get("short", 21)
    return ((closes / closes.shift(short) - 1) * 100).iloc[long:]


def relative_strength_index(rule, market):
    """Wilder's, of the closes that momentum_stall has read, by TA-Lib; told with two decimals."""
    closes = market.closes(rule["series"], rule["benchmark"])[rule["series"]]
    index = pd.Series(talib.RSI(closes.to_numpy(), timeperiod=14), closes.index)
    return index.iloc[rule.get("long", 126) :]


def relative_return(rule, market):
    leader, laggard = rule["leader"], rule["laggard"]
    closes = market.closes(leader, laggard)
    over = rule.get("over", 20)
    places = pd.Series(np.arange(len(closes)), closes.index)
    if isinstance(over, int):
        begins = places - over
    else:
        letter = {"month": "M", "quarter": "Q", "year": "Y"}[over]
        begins = places.groupby(closes.index.to_period(letter)).transform("min") - 1
    begins = begins[begins >= 0]
    returns = closes.loc[begins.index] / closes.iloc[begins].to_numpy() - 1
    return (100 * (returns[leader] - betas(rule, closes)[begins] * returns[laggard])).dropna()


def betas(rule, closes):
    """The slope of the leader's returns on the laggard's over the sessions up to each; 1 where none is asked for."""
    sessions = rule.get("beta_sessions")
    if sessions is None:
        return np.ones(len(closes))
    returns = changes(closes, "return").iloc[1:]
    leader, laggard = (windows(returns[rule[name]], sessions) for name in ("leader", "laggard"))
    leader = leader - leader.mean(axis=1, keepdims=True)
    laggard = laggard - laggard.mean(axis=1, keepdims=True)
    slopes = (leader * laggard).sum(axis=1) / (laggard**2).sum(axis=1)
    return np.concatenate([np.full(sessions, np.nan), slopes])


def gap(rule, market):
    measure = rule["measure"]
    if measure == "level":
        return market.close(rule["series"])
    standing = market.any_close(rule["series"], rule["against"]).ffill().dropna()
    series, against = standing[rule["series"]], standing[rule["against"]]
    return {
        "ratio": series / against,
        "discount": (1 - series / against) * 100,
        "difference": series - against,
    }[measure]


def short_squeeze(rule, market):
    """The prints of what is sold short reach back before the share, and never grow stale."""
    bars = market.bars(rule["series"])
    close = bars["close"][bars["volume"] > 0]
    surge = (close / close.shift(rule.get("surge_sessions", 5)) - 1) * 100
    return surge.iloc[rule.get("volume_window", 60) :]
