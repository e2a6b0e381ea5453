"""Readings by their definitions in docs/DETECTORS.md, with pandas, statsmodels and TA-Lib.

A function for each kind takes a rule as written and the market, and returns the readings by date. Whole windows and
textbook formulas throughout: nothing is carried from one session to the next that the definition does not carry.
"""

from . import groups, pairs, series, shifts


def definition(kind):
    """The function of that name."""
    return next(getattr(part, kind) for part in (series, pairs, groups, shifts) if hasattr(part, kind))
