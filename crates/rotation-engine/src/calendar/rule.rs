//! The language in which calendars are written: holidays, short days, exceptions.

use jiff::civil::{Date, Time, Weekday, date};

use crate::time::{NANOS_PER_SECOND, Nanos};

/// Nanoseconds in a day of UTC.
pub(super) const NANOS_PER_DAY: Nanos = 86_400 * NANOS_PER_SECOND;

/// A market's calendar, in New York time.
pub(super) struct Rules {
    /// First date covered.
    pub(super) first: Date,
    /// Last date covered.
    pub(super) last: Date,
    /// Opening time of an ordinary session.
    pub(super) open: Time,
    /// Closing time of an ordinary session.
    pub(super) close: Time,
    /// Closings that come back each year.
    pub(super) holidays: &'static [Holiday],
    /// Closings that happened once, ascending.
    pub(super) closings: &'static [Date],
    /// Sessions held although a holiday's rule says otherwise, ascending.
    pub(super) openings: &'static [Date],
    /// Early closes that come back each year.
    pub(super) short_days: &'static [ShortDay],
    /// Opening times that happened once, ascending.
    pub(super) opens: &'static [(Date, Time)],
    /// Closing times that happened once, ascending.
    pub(super) closes: &'static [(Date, Time)],
}

/// A day of the year on which the market is closed.
pub(super) struct Holiday {
    day: Day,
    observed: Observed,
    years: Years,
}

/// A day of the year on which the market closes early.
pub(super) struct ShortDay {
    pub(super) day: Day,
    /// The weekdays on which the day is short; on others the session is ordinary.
    pub(super) weekdays: &'static [Weekday],
    pub(super) years: Years,
    pub(super) close: Time,
}

/// How a date is found in a year.
#[derive(Copy, Clone)]
pub(super) enum Day {
    /// A day of a month.
    Fixed { month: i8, day: i8 },
    /// So many days after a month's `nth` weekday, counted from the month's end when negative.
    Nth {
        month: i8,
        weekday: Weekday,
        nth: i8,
        plus: i8,
    },
    /// Two days before Easter Sunday.
    GoodFriday,
}

/// What becomes of a holiday that falls on a weekend.
#[derive(Copy, Clone)]
pub(super) enum Observed {
    /// Sunday's is kept on Monday, Saturday's is lost.
    SundayOnly,
    /// Sunday's is kept on Monday, Saturday's on Friday.
    Nearest,
}

/// Years from the first to the last, both included.
#[derive(Copy, Clone)]
pub(super) struct Years(pub(super) i16, pub(super) i16);

impl Years {
    pub(super) const ALL: Self = Self(i16::MIN, i16::MAX);

    pub(super) const fn since(first: i16) -> Self {
        Self(first, i16::MAX)
    }

    pub(super) const fn until(last: i16) -> Self {
        Self(i16::MIN, last)
    }

    fn contains(self, year: i16) -> bool {
        (self.0..=self.1).contains(&year)
    }
}

impl Holiday {
    /// A holiday of each year.
    pub(super) const fn new(day: Day, observed: Observed) -> Self {
        Self {
            day,
            observed,
            years: Years::ALL,
        }
    }

    /// The same holiday, in these years only.
    pub(super) const fn within(self, years: Years) -> Self {
        Self { years, ..self }
    }

    /// The weekday on which the market is closed for it in `year`, if on any.
    pub(super) fn date(&self, year: i16) -> Option<Date> {
        let date = self.years.contains(year).then(|| self.day.date(year))?;
        match (date.weekday(), self.observed) {
            (Weekday::Sunday, _) => date.tomorrow().ok(),
            (Weekday::Saturday, Observed::Nearest) => date.yesterday().ok(),
            (Weekday::Saturday, Observed::SundayOnly) => None,
            _ => Some(date),
        }
    }
}

impl ShortDay {
    /// The date on which the market closes early in `year`, if on any.
    pub(super) fn date(&self, year: i16) -> Option<Date> {
        let date = self.years.contains(year).then(|| self.day.date(year))?;
        self.weekdays.contains(&date.weekday()).then_some(date)
    }
}

impl Day {
    /// A month's `nth` weekday, counted from the month's end when negative.
    pub(super) const fn nth(month: i8, weekday: Weekday, nth: i8) -> Self {
        Self::Nth {
            month,
            weekday,
            nth,
            plus: 0,
        }
    }

    fn date(self, year: i16) -> Date {
        match self {
            Self::Fixed { month, day } => date(year, month, day),
            Self::Nth {
                month,
                weekday,
                nth,
                plus,
            } => {
                let found = date(year, month, 1)
                    .nth_weekday_of_month(nth, weekday)
                    .expect("the rules name no fifth weekday");
                date(year, month, found.day() + plus)
            }
            Self::GoodFriday => {
                let easter = easter(year);
                easter
                    .yesterday()
                    .and_then(Date::yesterday)
                    .expect("Easter is in spring")
            }
        }
    }
}

/// Easter Sunday of the Gregorian calendar: Meeus, "Astronomical Algorithms", 2nd ed., chapter 8.
fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let f = (b + 8) / 25;
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    let month = i8::try_from(n / 31).expect("March or April");
    let day = i8::try_from(n % 31 + 1).expect("at most 31");
    date(year, month, day)
}

/// Days from 1970-01-01 to `date`.
pub(crate) fn epoch_day(date: Date) -> i64 {
    date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://www.census.gov/data/software/x13as/genhol/easter-dates.html>
    #[test]
    fn easter_falls_where_the_census_bureau_says() {
        for (year, month, day) in [
            (1962, 4, 22),
            (1981, 4, 19),
            (1987, 4, 19),
            (1989, 3, 26),
            (2000, 4, 23),
            (2008, 3, 23),
            (2011, 4, 24),
            (2024, 3, 31),
            (2026, 4, 5),
            (2030, 4, 21),
        ] {
            assert_eq!(easter(year), date(year, month, day));
        }
    }

    #[test]
    fn epoch_days_count_both_ways() {
        assert_eq!(epoch_day(date(1970, 1, 1)), 0);
        assert_eq!(epoch_day(date(1969, 12, 31)), -1);
        assert_eq!(epoch_day(date(2001, 9, 9)), 11_574);
    }
}
