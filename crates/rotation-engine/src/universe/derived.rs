//! Derived series: quotients, differences and equal-weight baskets of a rule's legs.

use crate::section::Point;
use serde::{Deserialize, Serialize};

/// How an input of a rule comes from its legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// The leg itself.
    Raw(usize),
    /// The first leg's close over the second's.
    Ratio(usize, usize),
    /// The first leg's close less the second's.
    Spread(usize, usize),
    /// Legs in equal weight; the position of the basket's state.
    Basket(Vec<usize>, usize),
}

/// An equal-weight index of its members: starts at 100, and moves by the mean of the simple returns of the members
/// that have a close now and had one before. A member without a close keeps its last one, so that its return over a
/// halt counts when it is back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Basket {
    level: f64,
    last: Vec<Option<f64>>,
}

impl Basket {
    pub(super) fn new(members: usize) -> Self {
        Basket {
            level: 100.0,
            last: vec![None; members],
        }
    }

    /// A member's last close changes basis.
    pub(super) fn rescale(&mut self, member: usize, factor: f64) {
        if let Some(last) = &mut self.last[member] {
            *last *= factor;
        }
    }

    fn value(&mut self, members: &[usize], legs: &[Option<Point>]) -> Option<Point> {
        let (mut sum, mut count, mut present, mut official) = (0.0, 0_u32, false, true);
        for (last, leg) in self.last.iter_mut().zip(members) {
            let Some(point) = legs[*leg] else { continue };
            present = true;
            official &= point.official;
            if let Some(before) = last.replace(point.close)
                && before != 0.0
            {
                sum += point.close / before - 1.0;
                count += 1;
            }
        }
        if count > 0 {
            self.level *= 1.0 + sum / f64::from(count);
        }
        present.then(|| Point::flat(self.level, official))
    }
}

impl Input {
    /// The input's value; none where a leg that it needs is missing, or where it is not a finite number.
    pub(super) fn value(&self, legs: &[Option<Point>], baskets: &mut [Basket]) -> Option<Point> {
        match self {
            Input::Raw(leg) => legs[*leg],
            Input::Ratio(top, bottom) => {
                pair(legs[*top]?, legs[*bottom]?, |top, bottom| top / bottom)
            }
            Input::Spread(left, right) => {
                pair(legs[*left]?, legs[*right]?, |left, right| left - right)
            }
            Input::Basket(members, basket) => baskets[*basket].value(members, legs),
        }
    }
}

fn pair(a: Point, b: Point, value: impl Fn(f64, f64) -> f64) -> Option<Point> {
    let close = value(a.close, b.close);
    close
        .is_finite()
        .then(|| Point::flat(close, a.official && b.official))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(closes: &[Option<f64>]) -> Vec<Option<Point>> {
        closes
            .iter()
            .map(|close| close.map(|close| Point::flat(close, true)))
            .collect()
    }

    #[test]
    fn pairs_need_both_legs_and_a_finite_result() {
        let cases = [
            (Input::Ratio(0, 1), [Some(6.0), Some(3.0)], Some(2.0)),
            (Input::Ratio(0, 1), [Some(6.0), None], None),
            (Input::Ratio(0, 1), [Some(6.0), Some(0.0)], None),
            (Input::Spread(0, 1), [Some(4.5), Some(3.75)], Some(0.75)),
            (Input::Spread(0, 1), [None, Some(3.75)], None),
        ];
        for (input, closes, expected) in cases {
            let got = input
                .value(&points(&closes), &mut [])
                .map(|point| point.close);
            assert_eq!(got, expected, "{input:?} of {closes:?}");
        }
    }

    #[test]
    fn a_basket_moves_by_the_mean_return_of_those_present() {
        let mut baskets = [Basket::new(2)];
        let input = Input::Basket(vec![0, 1], 0);
        let mut at = |closes: [Option<f64>; 2]| {
            input
                .value(&points(&closes), &mut baskets)
                .map(|point| (point.close * 1e9).round() / 1e9)
        };
        assert_eq!(at([Some(10.0), Some(50.0)]), Some(100.0));
        assert_eq!(at([Some(11.0), Some(50.0)]), Some(105.0), "+10 % and 0 %");
        assert_eq!(
            at([Some(11.0), None]),
            Some(105.0),
            "one is halted, the other stands still"
        );
        assert_eq!(
            at([Some(11.0), Some(55.0)]),
            Some(110.25),
            "0 %, and +10 % over the halt"
        );
        assert_eq!(at([None, None]), None);
        baskets[0].rescale(0, 0.1);
        let mut at = |closes: [Option<f64>; 2]| {
            input
                .value(&points(&closes), &mut baskets)
                .map(|point| point.close)
        };
        assert!(
            (at([Some(1.1), Some(55.0)]).unwrap() - 110.25).abs() < 1e-9,
            "a ten-for-one split is no return"
        );
    }
}
