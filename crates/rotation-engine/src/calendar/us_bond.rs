//! US government bonds.
//!
//! Since the 1980s the closings are those that the Securities Industry and Financial Markets
//! Association and its forerunners recommend; before, those of the New York banks. Held to the dates
//! of the H.15 release's 10-year constant-maturity series.

use jiff::civil::{Date, Weekday, date, time};

use super::rule::{Day, Holiday, Observed, Rules, Years};

pub(super) const RULES: Rules = Rules {
    first: date(1962, 1, 1),
    last: date(2030, 12, 31),
    open: time(8, 0, 0, 0),
    close: time(17, 0, 0, 0),
    holidays: HOLIDAYS,
    closings: CLOSINGS,
    openings: OPENINGS,
    short_days: &[],
    opens: &[],
    closes: &[],
};

const HOLIDAYS: &[Holiday] = &[
    // New Year's Day.
    Holiday::new(Day::Fixed { month: 1, day: 1 }, Observed::SundayOnly),
    // Martin Luther King Jr. Day.
    Holiday::new(Day::nth(1, Weekday::Monday, 3), Observed::Nearest).within(Years::since(1985)),
    // Lincoln's Birthday.
    Holiday::new(Day::Fixed { month: 2, day: 12 }, Observed::SundayOnly).within(Years::until(1985)),
    // Washington's Birthday.
    Holiday::new(Day::Fixed { month: 2, day: 22 }, Observed::Nearest).within(Years::until(1970)),
    Holiday::new(Day::nth(2, Weekday::Monday, 3), Observed::Nearest).within(Years::since(1971)),
    Holiday::new(Day::GoodFriday, Observed::Nearest),
    // Memorial Day.
    Holiday::new(Day::Fixed { month: 5, day: 30 }, Observed::Nearest).within(Years::until(1970)),
    Holiday::new(Day::nth(5, Weekday::Monday, -1), Observed::Nearest).within(Years::since(1971)),
    // Juneteenth.
    Holiday::new(Day::Fixed { month: 6, day: 19 }, Observed::Nearest).within(Years::since(2022)),
    // Independence Day.
    Holiday::new(Day::Fixed { month: 7, day: 4 }, Observed::Nearest),
    // Labor Day.
    Holiday::new(Day::nth(9, Weekday::Monday, 1), Observed::Nearest),
    // Columbus Day.
    Holiday::new(Day::Fixed { month: 10, day: 12 }, Observed::SundayOnly)
        .within(Years::until(1970)),
    Holiday::new(Day::nth(10, Weekday::Monday, 2), Observed::Nearest).within(Years::since(1971)),
    // Election Day, the Tuesday after November's first Monday, in each year.
    Holiday::new(
        Day::Nth {
            month: 11,
            weekday: Weekday::Monday,
            nth: 1,
            plus: 1,
        },
        Observed::Nearest,
    )
    .within(Years::until(1984)),
    // Veterans Day, kept in October for three years.
    Holiday::new(Day::Fixed { month: 11, day: 11 }, Observed::SundayOnly)
        .within(Years::until(1970)),
    Holiday::new(Day::nth(10, Weekday::Monday, 4), Observed::Nearest).within(Years(1971, 1973)),
    Holiday::new(Day::Fixed { month: 11, day: 11 }, Observed::SundayOnly)
        .within(Years::since(1974)),
    // Thanksgiving.
    Holiday::new(Day::nth(11, Weekday::Thursday, 4), Observed::Nearest),
    // Christmas.
    Holiday::new(Day::Fixed { month: 12, day: 25 }, Observed::Nearest),
];

const CLOSINGS: &[Date] = &[
    // Funeral of President Kennedy.
    date(1963, 11, 25),
    // Mourning for Martin Luther King Jr.
    date(1968, 4, 9),
    // Funeral of President Eisenhower.
    date(1969, 3, 31),
    // Moon landing.
    date(1969, 7, 21),
    // The Monday before Christmas, by presidential order.
    date(1973, 12, 24),
    // New York blackout.
    date(1977, 7, 14),
    // The traditional Memorial Day, after the observed one.
    date(1978, 5, 30),
    date(1979, 5, 30),
    // Hurricane Gloria.
    date(1985, 9, 27),
    // Funeral of President Nixon.
    date(1994, 4, 27),
    // Attacks of 11 September; trading resumed two days before the stock exchange's.
    date(2001, 9, 11),
    date(2001, 9, 12),
    // Mourning for President Reagan.
    date(2004, 6, 11),
    // Hurricane Sandy.
    date(2012, 10, 30),
    // Mourning for President George H. W. Bush.
    date(2018, 12, 5),
];

const OPENINGS: &[Date] = &[
    // Holidays that fell on a Saturday and were not kept on the Friday.
    date(1969, 2, 21),
    date(1970, 5, 29),
    // Good Fridays with a release of employment figures: trading to noon. None is due before 2031.
    date(1996, 4, 5),
    date(1999, 4, 2),
    date(2007, 4, 6),
    date(2010, 4, 2),
    date(2012, 4, 6),
    date(2015, 4, 3),
    date(2021, 4, 2),
    date(2023, 4, 7),
    date(2026, 4, 3),
];
