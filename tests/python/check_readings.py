#!/usr/bin/env python3
"""Hold readings of a backtest against an independent computation, session by session.

    check_readings.py FOLDER DATA

FOLDER holds the configuration, rules.toml, and what the backtest read, readings.ndjson: a line a reading, with `rule`,
`session`, `value` and, where it was asked for, `evidence`. DATA holds the daily files. Every rule must have a reading on
exactly the sessions on which its definition has one, equal to 1e-9 of it. Exit code 1 where one differs.
"""

import json
import pathlib
import sys
import tomllib
import warnings

import numpy as np
import pandas as pd

from definitions import definition
from definitions.pairs import relative_strength_index
from market import Market

RELATIVE = 1e-9

# Of readings that go through zero, as a share of the largest: there a difference of two large numbers has lost digits.
ABSOLUTE = 1e-12

# Kinds of which only some sessions are computed anew.
SAMPLED = {"rate_sensitivity"}

# Evidence that is held against something, too, and to how many decimals it is told.
TOLD = {"momentum_stall": ("rsi", relative_strength_index, 2)}


def read(path):
    """Values and evidence of each rule, by session."""
    values, evidence = {}, {}
    with path.open() as lines:
        for line in lines:
            reading = json.loads(line)
            session = pd.Timestamp(reading["session"])
            values.setdefault(reading["rule"], {})[session] = reading["value"]
            if reading.get("evidence"):
                evidence.setdefault(reading["rule"], {})[session] = reading["evidence"]
    return values, evidence


def compare(name, ours, theirs, is_sampled):
    """What differs, in a line; none where nothing does."""
    if theirs.empty:
        return "nothing was computed"
    missing, more = theirs.index.difference(ours.index), ours.index.difference(theirs.index)
    if len(missing) or (len(more) and not is_sampled):
        return (
            f"{len(missing)} readings missing, first {list(missing[:3].date)};"
            f" {len(more)} too many, first {list(more[:3].date)}"
        )
    ours = ours[theirs.index]
    off = (ours - theirs).abs()
    allowed = RELATIVE * theirs.abs() + ABSOLUTE * theirs.abs().max()
    wrong = off[~(off <= allowed)]
    largest = (off / theirs.abs()).where(theirs.abs() > 1e-3 * theirs.abs().max()).max()
    print(f"{name}: {len(theirs)} sessions, off by {largest:.1e} at most")
    if wrong.empty:
        return None
    day = wrong.index[0]
    return f"{len(wrong)} of {len(theirs)} differ, first {day.date()}: {ours[day]!r}, not {theirs[day]!r}"


def compare_told(name, told, theirs, decimals):
    """Likewise of a number in the evidence."""
    ours = pd.Series(told)
    if not ours.index.equals(theirs.index):
        return f"told on {len(ours)} sessions, not {len(theirs)}"
    wrong = ours[(ours - theirs).abs() > 0.5 * 10**-decimals + 1e-9]
    print(f"{name}: told on {len(theirs)} sessions")
    return None if wrong.empty else f"{len(wrong)} differ, first {wrong.index[0].date()}"


def main(arguments):
    if len(arguments) != 2:
        print("usage: check_readings.py FOLDER DATA", file=sys.stderr)
        return 2
    folder, data = map(pathlib.Path, arguments)
    universe = tomllib.loads((folder / "rules.toml").read_text())["universe"]["check"]
    values, evidence = read(folder / "readings.ndjson")
    market = Market(data, universe)
    faults = []
    for name, rule in universe["rules"].items():
        kind = rule["kind"]
        theirs = definition(kind)(rule, market)
        ours = pd.Series(values.get(name, {}), dtype=float)
        faults.append((name, compare(name, ours, theirs.astype(float), kind in SAMPLED)))
        if name in evidence and kind in TOLD:
            key, compute, decimals = TOLD[kind]
            told = {day: facts[key] for day, facts in evidence[name].items()}
            fault = compare_told(f"{name} {key}", told, compute(rule, market), decimals)
            faults.append((f"{name} {key}", fault))
    faults = [f"{name}: {fault}" for name, fault in faults if fault]
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    warnings.simplefilter("error", RuntimeWarning)
    with np.errstate(all="raise", under="ignore"):
        sys.exit(main(sys.argv[1:]))
