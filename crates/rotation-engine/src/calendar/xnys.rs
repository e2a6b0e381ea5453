//! New York Stock Exchange.
//!
//! Holidays after Rule 7.2 and its forerunners; special days after the exchange's own list,
//! "NYSE special closings since 1885", and its announcements. Halts within a session (the power
//! failure of 1990-11-23, the systems failure of 2015-07-08, the circuit breakers of March 2020) move
//! neither its open nor its close.

use jiff::civil::{Date, Time, Weekday, date, time};

use super::rule::{Day, Holiday, Observed, Rules, ShortDay, Years};

pub(super) const RULES: Rules = Rules {
    first: date(1987, 1, 1),
    last: date(2030, 12, 31),
    open: at(9, 30),
    close: at(16, 0),
    holidays: HOLIDAYS,
    closings: CLOSINGS,
    openings: &[],
    short_days: SHORT_DAYS,
    opens: OPENS,
    closes: CLOSES,
};

const HOLIDAYS: &[Holiday] = &[
    // New Year's Day: no closing on 31 December, when accounts end.
    Holiday::new(Day::Fixed { month: 1, day: 1 }, Observed::SundayOnly),
    // Martin Luther King Jr. Day.
    Holiday::new(Day::nth(1, Weekday::Monday, 3), Observed::Nearest).within(Years::since(1998)),
    // Washington's Birthday.
    Holiday::new(Day::nth(2, Weekday::Monday, 3), Observed::Nearest),
    Holiday::new(Day::GoodFriday, Observed::Nearest),
    // Memorial Day.
    Holiday::new(Day::nth(5, Weekday::Monday, -1), Observed::Nearest),
    // Juneteenth.
    Holiday::new(Day::Fixed { month: 6, day: 19 }, Observed::Nearest).within(Years::since(2022)),
    // Independence Day.
    Holiday::new(Day::Fixed { month: 7, day: 4 }, Observed::Nearest),
    // Labor Day.
    Holiday::new(Day::nth(9, Weekday::Monday, 1), Observed::Nearest),
    // Thanksgiving.
    Holiday::new(Day::nth(11, Weekday::Thursday, 4), Observed::Nearest),
    // Christmas.
    Holiday::new(Day::Fixed { month: 12, day: 25 }, Observed::Nearest),
];

const CLOSINGS: &[Date] = &[
    // Funeral of President Nixon.
    date(1994, 4, 27),
    // Attacks of 11 September.
    date(2001, 9, 11),
    date(2001, 9, 12),
    date(2001, 9, 13),
    date(2001, 9, 14),
    // Mourning for President Reagan.
    date(2004, 6, 11),
    // Mourning for President Ford.
    date(2007, 1, 2),
    // Hurricane Sandy.
    date(2012, 10, 29),
    date(2012, 10, 30),
    // Mourning for President George H. W. Bush.
    date(2018, 12, 5),
    // Mourning for President Carter.
    date(2025, 1, 9),
];

const MONDAY_TO_THURSDAY: &[Weekday] = &[
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
];

const SHORT_DAYS: &[ShortDay] = &[
    // The day after Thanksgiving.
    ShortDay {
        day: Day::Nth {
            month: 11,
            weekday: Weekday::Thursday,
            nth: 4,
            plus: 1,
        },
        weekdays: &[Weekday::Friday],
        years: Years(1992, 1992),
        close: at(14, 0),
    },
    ShortDay {
        day: Day::Nth {
            month: 11,
            weekday: Weekday::Thursday,
            nth: 4,
            plus: 1,
        },
        weekdays: &[Weekday::Friday],
        years: Years::since(1993),
        close: at(13, 0),
    },
    // Christmas Eve; the exchange's list has no early close of 24 December between 1975 and 1990.
    ShortDay {
        day: Day::Fixed { month: 12, day: 24 },
        weekdays: MONDAY_TO_THURSDAY,
        years: Years(1990, 1992),
        close: at(14, 0),
    },
    ShortDay {
        day: Day::Fixed { month: 12, day: 24 },
        weekdays: MONDAY_TO_THURSDAY,
        years: Years::since(1993),
        close: at(13, 0),
    },
    // The eve of Independence Day; when the holiday was a Thursday, at first the Friday after it.
    ShortDay {
        day: Day::Fixed { month: 7, day: 3 },
        weekdays: &[Weekday::Monday, Weekday::Tuesday, Weekday::Thursday],
        years: Years::since(1995),
        close: at(13, 0),
    },
    ShortDay {
        day: Day::Fixed { month: 7, day: 5 },
        weekdays: &[Weekday::Friday],
        years: Years(1996, 2012),
        close: at(13, 0),
    },
    ShortDay {
        day: Day::Fixed { month: 7, day: 3 },
        weekdays: &[Weekday::Wednesday],
        years: Years::since(2013),
        close: at(13, 0),
    },
];

const OPENS: &[(Date, Time)] = &[
    // Fire.
    (date(1989, 11, 10), at(11, 0)),
    // Explosion of a power transformer beside the exchange's computer centre.
    (date(1990, 12, 27), at(11, 0)),
    // Moments of silence: troops in the Gulf.
    (date(1991, 1, 17), at(9, 31)),
    (date(1991, 2, 25), at(9, 31)),
    // Computer failure.
    (date(1995, 12, 18), at(10, 30)),
    // Snow.
    (date(1996, 1, 8), at(11, 0)),
    // Two minutes of silence and a hymn: the first session after 11 September.
    (date(2001, 9, 17), at(9, 33)),
    // Moment of silence: Operation Enduring Freedom.
    (date(2001, 10, 8), at(9, 31)),
    // Anniversary of 11 September.
    (date(2002, 9, 11), at(12, 0)),
    // Moment of silence: Operation Iraqi Freedom.
    (date(2003, 3, 20), at(9, 32)),
    // Moment of silence: President Reagan.
    (date(2004, 6, 7), at(9, 32)),
    // Moment of silence: President Ford.
    (date(2006, 12, 27), at(9, 32)),
];

const CLOSES: &[(Date, Time)] = &[
    // Hours shortened after the crash of 1987, for the members' back offices.
    (date(1987, 10, 23), at(14, 0)),
    (date(1987, 10, 26), at(14, 0)),
    (date(1987, 10, 27), at(14, 0)),
    (date(1987, 10, 28), at(14, 0)),
    (date(1987, 10, 29), at(14, 0)),
    (date(1987, 10, 30), at(14, 0)),
    (date(1987, 11, 2), at(14, 30)),
    (date(1987, 11, 3), at(14, 30)),
    (date(1987, 11, 4), at(14, 30)),
    (date(1987, 11, 5), at(15, 0)),
    (date(1987, 11, 6), at(15, 0)),
    (date(1987, 11, 9), at(15, 30)),
    (date(1987, 11, 10), at(15, 30)),
    (date(1987, 11, 11), at(15, 30)),
    // Snow.
    (date(1994, 2, 11), at(14, 30)),
    (date(1996, 1, 8), at(14, 0)),
    // Circuit breaker: the second halt of the day lasted to the close.
    (date(1997, 10, 27), at(15, 30)),
    // The Fridays after Christmas.
    (date(1997, 12, 26), at(13, 0)),
    (date(2003, 12, 26), at(13, 0)),
    // Change of the millennium, announced by the exchange in June 1999.
    (date(1999, 12, 31), at(13, 0)),
    // Failure of the exchange's network.
    (date(2005, 6, 1), at(15, 56)),
    // Held open to execute orders that a systems irregularity had delayed.
    (date(2009, 7, 2), at(16, 15)),
];

const fn at(hour: i8, minute: i8) -> Time {
    time(hour, minute, 0, 0)
}
