"""The daily files, as the rules of a configuration see them, read apart from the product."""

import pandas as pd

# The first date of which a calendar knows; rows before it belong to no session.
FIRST_DATE = {"XNYS": "1987-01-01", "US-BOND": "1962-01-01", "24x7": "1900-01-01"}


class Market:
    """Series by symbol, each indexed by date and cut to its calendar."""

    def __init__(self, folder, universe):
        self.folder = folder
        self.calendar = universe.get("calendar", "XNYS")
        self.series = universe["series"]
        self.cache = {}

    def bars(self, symbol):
        """All columns of a series' file."""
        if symbol not in self.cache:
            frame = pd.read_csv(
                self.folder / f"{symbol}.csv",
                index_col="date",
                parse_dates=["date"],
                float_precision="round_trip",
            )
            calendar = self.series[symbol].get("calendar", self.calendar)
            self.cache[symbol] = frame[frame.index >= FIRST_DATE[calendar]]
        return self.cache[symbol]

    def close(self, symbol):
        """Closes, without days that lack one."""
        return self.bars(symbol)["close"].dropna()

    def closes(self, *symbols):
        """Closes of several series, on the dates that all of them have."""
        return pd.concat([self.close(symbol) for symbol in symbols], axis=1, join="inner", keys=symbols)

    def any_close(self, *symbols):
        """Closes of several series, on the dates that any of them has."""
        closes = [self.close(symbol) for symbol in symbols]
        return pd.concat(closes, axis=1, join="outer", keys=symbols).sort_index()

    def is_in_percent(self, symbol):
        """Whether a series is of unit percent."""
        return self.series[symbol].get("unit") == "percent"
