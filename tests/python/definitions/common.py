"""What definitions share."""

import numpy as np
import pandas as pd

# Differences up to this share are rounding.
TIE = 1e-12


def windows(values, length):
    """All windows of so many values, the oldest first."""
    return np.lib.stride_tricks.sliding_window_view(np.asarray(values, dtype=float), length)


def changes(closes, how):
    return closes.diff() if how == "difference" else closes / closes.shift(1) - 1


def streak(wins):
    """How many in a row up to each."""
    return wins.astype(int).groupby((~wins).cumsum()).cumsum()


def exponential(values, span):
    """The average with α = 2 / (span + 1) that begins at the first value."""
    return values.ewm(span=span, adjust=False).mean()


def last_z(values, length):
    """How far the last of so many values lies from their mean, in standard deviations with n in the denominator."""
    held = windows(values, length)
    z = (held[:, -1] - held.mean(axis=1)) / held.std(axis=1)
    return pd.Series(z, values.index[length - 1 :])


def basis_points(text):
    """A distance in percent, such as 0.1 or "10bp"."""
    return float(text.removesuffix("bp")) / 100 if isinstance(text, str) else text
