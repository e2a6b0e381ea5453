"""Readings of change points, from all values of the segment at every observation.

The rules that are checked have a threshold that nothing reaches, so that one segment lasts for all of the file.
"""

import numpy as np
import pandas as pd
from scipy.special import gammaln

WARM_UP, MEMORY = 30, 250
HAZARD, PRIOR = 1 / 250, 2.0
LEVEL_PRICE, SLOPE_PRICE = 1.1, 0.55
SIDES, WILD, LOG_ODDS_MIN = 5, 3.0, -30.0
TYPICAL = -(np.log(2 * np.pi) + 1) / 2


def mean_shift(rule, market):
    close = market.close(rule["series"])
    watched = {
        "level": lambda: close,
        "change": lambda: close.diff().iloc[1:],
        "return": lambda: (close / close.shift(1) - 1).iloc[1:],
    }[rule.get("of", "level")]()
    method = rule.get("method", "bocpd")
    is_linear = method == "bocpd" and rule.get("segments", "linear") == "linear"
    values = watched.to_numpy()
    deviations, weights = noise(values, is_linear)
    # What is noise before the first reading is what it is then.
    deviations[: WARM_UP - 1], weights[: WARM_UP - 1] = deviations[WARM_UP - 1], weights[WARM_UP - 1]
    unit = deviations[WARM_UP - 1]
    taken = (values - values[0]) / unit, deviations / unit, weights
    if method == "cusum":
        read = cumulative_sums(*taken, rule.get("reference", 0.5))
    else:
        read = log_odds(*taken, is_linear, rule.get("run_length", 250))
    read = pd.Series(read, watched.index).iloc[WARM_UP - 1 :]
    if read.max() > rule["threshold"]:
        raise ValueError(f"{read.idxmax()}: a reading of {read.max()} ends the segment")
    return read


def noise(values, is_linear):
    """Standard deviation of the noise, and what an observation counts for, up to each observation."""
    drift = one = two = 0.0
    deviations, weights = np.full(len(values), np.nan), np.ones(len(values))
    for at in range(1, len(values)):
        step = values[at] - values[at - 1]
        if is_linear and at == 1:
            drift = step
        else:
            steps = at - 1 if is_linear else at
            surprise = step - drift
            one += (abs(surprise) - one) / min(steps, MEMORY)
            if is_linear:
                drift += surprise / min(at, MEMORY)
        if at >= 2:
            surprise = values[at] - values[at - 2] - 2 * drift
            two += (abs(surprise) - two) / min(at - 1, MEMORY)
        deviations[at] = one * np.sqrt(np.pi) / 2
        if one > 0:
            correlation = np.clip((two / one) ** 2 - 1, 0, 1)
            weights[at] = max((1 - correlation) / (1 + correlation), 0.01)
    return deviations, weights


def normal_score(t, freedom):
    """Wallace (1959)."""
    factor = (8 * freedom + 1) / (8 * freedom + 3)
    return factor * np.sqrt(freedom * np.log1p(t * t / freedom))


def wild(freedom):
    """The value of Student's t distribution whose normal score is the widest that counts."""
    bound = WILD * (8 * freedom + 3) / (8 * freedom + 1)
    return np.sqrt(freedom * np.expm1(bound * bound / freedom))


def cumulative_sums(given, _noise, weights, reference):
    up = down = 0.0
    held, read = np.zeros(len(given)), np.zeros(len(given))
    for at in range(1, len(given)):
        value = given[at]
        if at >= 2:
            mean, deviation = held[:at].mean(), held[:at].std(ddof=1) * np.sqrt(1 + 1 / at)
            t = (value - mean) / deviation
            score = normal_score(t, at - 1)
            if score > WILD:
                score, value = WILD, mean + np.copysign(wild(at - 1), t) * deviation
            score = np.copysign(score, t) * np.sqrt(weights[at])
            up, down = max(up + score - reference, 0), max(down - score - reference, 0)
        held[at], read[at] = value, max(up, down)
    return read


def log_sum(masses):
    """The logarithm of the sum, of logarithms."""
    largest = masses.max()
    return largest + np.log(np.exp(masses - largest).sum())


class Fits:
    """Least squares of the last 1, 2, 3, … values, of as many as there are runs; or of all values."""

    def __init__(self, values, is_linear, counts):
        past = values[::-1] - values[-1]
        ages = np.arange(len(past), dtype=float)
        pick = counts - 1
        sums, moments, squares = (
            np.cumsum(part)[pick] for part in (past, ages * past, past * past)
        )
        count = counts.astype(float)
        middle = (count - 1) / 2
        self.count, self.is_linear = count, is_linear
        self.mean = sums / count
        self.residuals = squares - sums * self.mean
        # Of the times; one value alone has no slope, and none is asked for.
        self.spread = np.where(count > 1, count * (count * count - 1) / 12, 1.0)
        slope = (moments - middle * sums) / self.spread if is_linear else np.zeros(len(count))
        self.residuals = np.maximum(self.residuals - slope * slope * self.spread, 0)
        self.next = values[-1] + self.mean - slope * (middle + 1)

    def student(self, noises):
        """Half the degrees of freedom, the place, the noise and the width of what each run expects of the next value."""
        shape = PRIOR + (self.count - (2 if self.is_linear else 1)) / 2
        scale = (PRIOR * noises**2 + self.residuals / 2) / shape
        width = 1 + 1 / self.count
        if self.is_linear:
            width = width + ((self.count + 1) / 2) ** 2 / self.spread
        return shape, self.next, np.sqrt(scale), np.sqrt(width)


def log_odds(given, noises, weights, is_linear, bound):
    """Adams and MacKay (2007): the masses of all runs, the segment's own first, then from the oldest."""
    held, read = given.copy(), np.full(len(given), LOG_ODDS_MIN)
    run_noises, masses = np.array([noises[0]]), np.array([0.0])
    for at in range(1, len(given)):
        runs = len(masses)
        own = Fits(held[:at], is_linear, np.array([at]))
        parts = [own.student(run_noises[:1])]
        if runs > 1:
            others = Fits(held[at - runs + 1 : at], is_linear, np.arange(runs - 1, 0, -1))
            parts.append(others.student(run_noises[1:]))
        shape, place, scale, width = (np.concatenate(column) for column in zip(*parts))
        value, noise = given[at], noises[at]
        if at >= (2 if is_linear else 1):
            reach = wild(2 * shape[0]) * scale[0] * width[0]
            value = np.clip(value, place[0] - reach, place[0] + reach)
            noise = max(noise, scale[0])
        held[at] = value
        t = (value - place) / (scale * width)
        density = (
            gammaln(shape + 0.5)
            - gammaln(shape)
            - np.log(2 * np.pi * shape) / 2
            - np.log(scale)
            - (shape + 0.5) * np.log1p(t * t / (2 * shape))
        )
        price = np.log(width)
        if is_linear:
            # The second value of a line surprises nobody: it is fitted to it.
            second = np.concatenate([[at], np.arange(runs - 1, 0, -1)]) == 1
            density = np.where(second, TYPICAL - np.log(run_noises), density)
            price = np.where(second, SLOPE_PRICE, price)
        total = log_sum(masses)
        masses = masses + np.log(1 - HAZARD) + weights[at] * density - price
        if runs > bound:
            masses = np.concatenate([[np.logaddexp(masses[0], masses[1])], masses[2:]])
            run_noises = np.delete(run_noises, 1)
        born = np.log(HAZARD) + total + weights[at] * (TYPICAL - np.log(noise)) - LEVEL_PRICE
        masses, run_noises = np.append(masses, born), np.append(run_noises, noise)
        starts = at + 1 - np.arange(len(masses) - 1, 0, -1)
        judged = (starts >= SIDES) & (at + 1 - starts >= SIDES)
        if judged.any():
            read[at] = max(log_sum(masses[1:][judged]) - masses[0], LOG_ODDS_MIN)
    return read
