//! From dates and values to places on a chart.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::text::number;

/// A date as days since 1970.
pub(super) type Day = i32;

/// A value on a day.
pub(super) type Point = (Day, f64);

const EPOCH: Date = date(1970, 1, 1);

pub(super) fn day(date: Date) -> Day {
    let hours = date.duration_since(EPOCH).as_hours();
    Day::try_from(hours / 24).expect("civil dates span fewer days than 32 bits hold")
}

pub(super) fn date_of(day: Day) -> Date {
    EPOCH.saturating_add(day.days())
}

/// Days from the first to the last, both shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) from: Day,
    pub(super) to: Day,
}

impl Days {
    pub(super) fn new(from: Date, to: Date) -> Self {
        Self {
            from: day(from),
            to: day(to),
        }
    }

    pub(super) fn len(self) -> Day {
        (self.to - self.from).max(1)
    }

    /// Whether any day of `from..=to` is shown.
    pub(super) fn meets(self, from: Date, to: Option<Date>) -> bool {
        day(from) <= self.to && to.is_none_or(|to| day(to) >= self.from)
    }

    /// The points shown, of points in order.
    pub(super) fn cut(self, points: &[Point]) -> &[Point] {
        let start = points.partition_point(|(day, _)| *day < self.from);
        let end = points.partition_point(|(day, _)| *day <= self.to);
        &points[start..end.max(start)]
    }

    /// Days worth a label, at most so many, each with its label.
    pub(super) fn ticks(self, most: usize) -> Vec<(Day, String)> {
        const MONTHS: [i32; 10] = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600];
        let weeks = [7, 14]
            .into_iter()
            .find(|step| (self.len() / step) as usize <= most);
        if let Some(step) = weeks.filter(|_| self.len() < 90) {
            // The first Monday of 1970 was the 5th.
            let first = self.from + (4 - self.from).rem_euclid(step);
            return (first..=self.to)
                .step_by(usize::try_from(step).unwrap_or(7))
                .map(|day| (day, date_of(day).strftime("%-d %b").to_string()))
                .collect();
        }
        let step = MONTHS
            .into_iter()
            .find(|months| (self.len() / (30 * months)) as usize <= most)
            .unwrap_or(1_200);
        let form = if step < 12 { "%b %Y" } else { "%Y" };
        let start = date_of(self.from);
        let month =
            (i32::from(start.year()) * 12 + i32::from(start.month()) - 1).div_euclid(step) * step;
        (0..)
            .map_while(|count| {
                let month = month + count * step;
                let year = i16::try_from(month.div_euclid(12)).ok()?;
                Date::new(year, i8::try_from(month.rem_euclid(12) + 1).ok()?, 1).ok()
            })
            .take_while(|date| day(*date) <= self.to)
            .filter(|date| day(*date) >= self.from)
            .map(|date| (day(date), date.strftime(form).to_string()))
            .collect()
    }
}

/// At most two points a column: the least and the greatest of what falls into it, in their order.
pub(super) fn thin(points: &[Point], days: Days, columns: usize) -> Vec<Point> {
    if points.len() <= 2 * columns {
        return points.to_vec();
    }
    let column =
        |day: Day| i64::from(day - days.from) * columns as i64 / (i64::from(days.len()) + 1);
    let mut thinned = Vec::with_capacity(2 * columns);
    for group in points.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let by_value = |a: &&Point, b: &&Point| a.1.total_cmp(&b.1);
        let ends = group
            .iter()
            .min_by(by_value)
            .zip(group.iter().max_by(by_value));
        let Some((least, greatest)) = ends else {
            continue;
        };
        let (first, second) = if least.0 <= greatest.0 {
            (least, greatest)
        } else {
            (greatest, least)
        };
        thinned.push(*first);
        if first.0 != second.0 {
            thinned.push(*second);
        }
    }
    thinned
}

/// The vertical scale of a chart: the logarithm where values span much, so that equal steps are equal returns.
#[derive(Debug, Clone)]
pub(super) struct Values {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) logarithmic: bool,
}

impl Values {
    /// A scale that shows all the points with a little room.
    pub(super) fn of<'a>(points: impl Iterator<Item = &'a Point>) -> Self {
        const SPAN_FOR_LOGARITHM: f64 = 6.0;
        let (low, high) = points
            .map(|point| point.1)
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            });
        if low > high {
            return Self {
                low: 0.0,
                high: 1.0,
                logarithmic: false,
            };
        }
        if low > 10.0 && high / low > SPAN_FOR_LOGARITHM {
            return Self {
                low: low / 1.1,
                high: high * 1.1,
                logarithmic: true,
            };
        }
        let room = ((high - low) * 0.08).max(high.abs() * 1e-3).max(1e-9);
        Self {
            low: low - room,
            high: high + room,
            logarithmic: false,
        }
    }

    /// The place of a value, in the unit that the chart is drawn in.
    pub(super) fn place(&self, value: f64) -> f64 {
        if self.logarithmic { value.ln() } else { value }
    }

    /// Values worth a label, each with its label.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        if self.logarithmic {
            let low = self.low.log10().floor() as i32;
            let high = self.high.log10().ceil() as i32;
            return (low..=high)
                .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)))
                .filter(|value| (self.low..=self.high).contains(value))
                .map(|value| (value, number(value, 0)))
                .collect();
        }
        let (step, decimals) = step((self.high - self.low) / 5.0);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last)
            .map(|count| count as f64 * step)
            .map(|value| (value, number(value, decimals)))
            .collect()
    }
}

/// The least of 1, 2, 2.5 and 5 times a power of ten that is not below `least`, and the decimals it needs.
fn step(least: f64) -> (f64, usize) {
    let power = least.log10().floor() as i32;
    let unit = 10_f64.powi(power);
    let digit = [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .find(|digit| digit * unit >= least)
        .unwrap_or(10.0);
    let decimals = usize::try_from(-power).unwrap_or(0) + usize::from(digit == 2.5 && power < 1);
    (digit * unit, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(from: Date, to: Date, most: usize) -> String {
        let ticks = Days::new(from, to).ticks(most);
        let labels: Vec<_> = ticks
            .iter()
            .map(|(day, label)| format!("{label}={}", date_of(*day)))
            .collect();
        labels.join(" ")
    }

    #[test]
    fn days_are_labelled_by_decade_year_month_or_week() {
        assert_eq!(
            ticks(date(1987, 9, 10), date(2026, 8, 21), 10),
            "1990=1990-01-01 1995=1995-01-01 2000=2000-01-01 2005=2005-01-01 \
             2010=2010-01-01 2015=2015-01-01 2020=2020-01-01 2025=2025-01-01"
        );
        assert_eq!(
            ticks(date(2025, 8, 21), date(2026, 1, 2), 10),
            "Sep 2025=2025-09-01 Oct 2025=2025-10-01 Nov 2025=2025-11-01 Dec 2025=2025-12-01 Jan 2026=2026-01-01"
        );
        assert_eq!(
            ticks(date(2026, 1, 2), date(2026, 1, 22), 6),
            "5 Jan=2026-01-05 12 Jan=2026-01-12 19 Jan=2026-01-19"
        );
        assert_eq!(ticks(date(1969, 12, 31), date(1969, 12, 31), 6), "");
    }

    #[test]
    fn values_are_labelled_in_round_steps() {
        let labels = |low, high| {
            let points = [(0, low), (1, high)];
            Values::of(points.iter())
                .ticks()
                .into_iter()
                .map(|tick| tick.1)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(labels(4.0, 5.0), "4.00 4.25 4.50 4.75 5.00");
        assert_eq!(labels(118.0, 3017.87), "200 500 1,000 2,000");
        assert_eq!(labels(2100.0, 2718.77), "2,200 2,400 2,600");
        assert_eq!(labels(-0.5, 0.5), "−0.50 −0.25 0.00 0.25 0.50");
        assert_eq!(Values::of([(0, 7.0)].iter()).ticks().len(), 3);
        assert_eq!(Values::of([].iter()).ticks().len(), 6);
    }

    #[test]
    fn thinning_keeps_the_extremes_of_each_column() {
        let points: Vec<Point> = (0..10_000)
            .map(|day| (day, f64::from(day * 7_919 % 1_009)))
            .collect();
        let days = Days { from: 0, to: 9_999 };
        let thinned = thin(&points, days, 100);
        assert_eq!(thinned.len(), 200);
        assert!(thinned.is_sorted_by_key(|point| point.0));
        for (column, pair) in points.chunks(100).zip(thinned.chunks(2)) {
            let (least, greatest) = column
                .iter()
                .fold((f64::MAX, f64::MIN), |(l, g), p| (l.min(p.1), g.max(p.1)));
            assert_eq!(
                (pair[0].1.min(pair[1].1), pair[0].1.max(pair[1].1)),
                (least, greatest)
            );
        }
        assert_eq!(thin(&points[..150], days, 100), points[..150]);
    }
}
