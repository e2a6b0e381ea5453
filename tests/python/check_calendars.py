#!/usr/bin/env python3
"""Hold the exchange calendars against two published ones, session by session.

    cargo run -q -p rotation-engine --example sessions -- XNYS 1987-01-01 2030-12-31 \
        | python3 tests/python/check_calendars.py XNYS

Reads date,open,close from standard input. XNYS is compared with exchange_calendars and
pandas_market_calendars, dates and times; US-BOND with the dates of pandas_market_calendars'
SIFMA_US. Every difference must be one that is explained below, and every one below must be there:
a new difference and one that has gone both fail. Needs those two packages from PyPI; a missing one
is reported as skipped, and fails when CI=true. Exit code 1 on failure, 2 on wrong usage.
"""

import csv
import datetime as dt
import os
import sys
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
SINCE_SIFMA = dt.date(1998, 1, 1)

# What exchange_calendars leaves out by design: a late open or an early close that was not planned.
UNPLANNED = {
    "1987-10-23": "09:30-14:00",
    "1987-10-26": "09:30-14:00",
    "1987-10-27": "09:30-14:00",
    "1987-10-28": "09:30-14:00",
    "1987-10-29": "09:30-14:00",
    "1987-10-30": "09:30-14:00",
    "1987-11-02": "09:30-14:30",
    "1987-11-03": "09:30-14:30",
    "1987-11-04": "09:30-14:30",
    "1987-11-05": "09:30-15:00",
    "1987-11-06": "09:30-15:00",
    "1987-11-09": "09:30-15:30",
    "1987-11-10": "09:30-15:30",
    "1987-11-11": "09:30-15:30",
    "1989-11-10": "11:00-16:00",
    "1990-12-27": "11:00-16:00",
    "1991-01-17": "09:31-16:00",
    "1991-02-25": "09:31-16:00",
    "1994-02-11": "09:30-14:30",
    "1995-12-18": "10:30-16:00",
    "1996-01-08": "11:00-14:00",
    "1997-10-27": "09:30-15:30",
    "2001-09-17": "09:33-16:00",
    "2001-10-08": "09:31-16:00",
    "2002-09-11": "12:00-16:00",
    "2003-03-20": "09:32-16:00",
    "2004-06-07": "09:32-16:00",
    "2005-06-01": "09:30-15:56",
    "2006-12-27": "09:32-16:00",
    "2009-07-02": "09:30-16:15",
}

# date: hours here. Elsewhere in parentheses, with what speaks against it.
EXPLAINED = {
    "exchange_calendars": {
        **UNPLANNED,
        # (14:00: the rule of 1990 to 1992 carried back; the exchange's list of special closings
        # has no 24 December between 1975 and 1990.)
        "1987-12-24": "09:30-16:00",
    },
    "pandas_market_calendars": {
        # (09:31; its own notes, and the press of the day, say 11:00.)
        "1990-12-27": "11:00-16:00",
        # (16:00, noted there as disputed; the exchange announced 13:00 on 1999-06-04.)
        "1999-12-31": "09:30-13:00",
        # (16:00; its own notes say 16:15, not implemented.)
        "2009-07-02": "09:30-16:15",
    },
    "SIFMA_US": {
        # (Closed: its rule of open first Fridays begins in 2021. H.15 has a yield on each.)
        "1999-04-02": "open",
        "2007-04-06": "open",
        "2010-04-02": "open",
        "2012-04-06": "open",
        "2015-04-03": "open",
        # (Open: it has no one-off closings. H.15 has no yield on any.)
        "2001-09-11": "closed",
        "2001-09-12": "closed",
        "2004-06-11": "closed",
        "2012-10-30": "closed",
        "2018-12-05": "closed",
    },
}


def hours(opened, closed):
    return f"{opened.astimezone(NEW_YORK):%H:%M}-{closed.astimezone(NEW_YORK):%H:%M}"


def read_dump(lines):
    sessions = {}
    for row in csv.DictReader(lines):
        opened, closed = (
            dt.datetime.fromisoformat(row[name].replace("Z", "+00:00")) for name in ("open", "close")
        )
        sessions[dt.date.fromisoformat(row["date"])] = hours(opened, closed)
    return sessions


def from_exchange_calendars(first, last):
    import exchange_calendars

    schedule = exchange_calendars.get_calendar("XNYS", start=str(first), end=str(last)).schedule
    return {row.Index.date(): hours(row.open, row.close) for row in schedule.itertuples()}


def from_pandas_market_calendars(name):
    def load(first, last):
        import pandas_market_calendars

        schedule = pandas_market_calendars.get_calendar(name).schedule(str(first), str(last))
        return {
            row.Index.date(): hours(row.market_open, row.market_close)
            for row in schedule.itertuples()
        }

    return load


def dates_only(load):
    def loaded(first, last):
        return dict.fromkeys(load(max(first, SINCE_SIFMA), last), "open")

    return loaded


SOURCES = {
    "XNYS": {
        "exchange_calendars": from_exchange_calendars,
        "pandas_market_calendars": from_pandas_market_calendars("NYSE"),
    },
    "US-BOND": {"SIFMA_US": dates_only(from_pandas_market_calendars("SIFMA_US"))},
}


def compare(ours, theirs, explained):
    """Lines on every difference that is not explained and every explanation that is not needed."""
    complaints = []
    for date in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(date, "closed"), theirs.get(date, "closed")
        reason = explained.get(str(date))
        if here != (there if reason is None else reason):
            complaints.append(f"{date}: {here} here, {there} there, explained {reason}")
        elif reason is not None and here == there:
            complaints.append(f"{date}: {here} in both, explained as a difference")
    return complaints


def check(source, load, ours):
    first, last = min(ours), max(ours)
    try:
        theirs = load(first, last)
    except ImportError as error:
        print(f"SKIPPED: {source}: {error}")
        return os.environ.get("CI") != "true"
    if source == "SIFMA_US":
        ours = {date: "open" for date in ours if date >= SINCE_SIFMA}
        first = max(first, SINCE_SIFMA)
    within = {
        date: reason
        for date, reason in EXPLAINED[source].items()
        if first <= dt.date.fromisoformat(date) <= last
    }
    complaints = compare(ours, theirs, within)
    for line in complaints:
        print(f"{source}: {line}")
    print(
        f"{source}: {len(ours)} sessions {first} to {last}, {len(theirs)} there,"
        f" {len(within)} explained differences, {len(complaints)} others"
    )
    return not complaints


def main(arguments):
    if len(arguments) != 1 or arguments[0] not in SOURCES:
        print(f"usage: check_calendars.py {'|'.join(SOURCES)} < sessions.csv", file=sys.stderr)
        return 2
    ours = read_dump(sys.stdin)
    if not ours:
        print("no sessions on standard input", file=sys.stderr)
        return 2
    results = [check(source, load, ours) for source, load in SOURCES[arguments[0]].items()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
