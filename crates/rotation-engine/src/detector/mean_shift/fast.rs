//! Logarithm and exponential in plain arithmetic, without branches, so that a loop over all run lengths becomes vector
//! instructions. The same bits on every machine.

use std::f64::consts::LOG2_E;

/// ln 2 in two parts: times a whole number below 2^11 the first is exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

const MANTISSA: u64 = (1 << 52) - 1;
const ONE: u64 = 1.0_f64.to_bits();
const ROOT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();

/// A float whose mantissa is a whole number: 2^52.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// Added and taken away again it rounds to whole numbers: 1.5 · 2^52.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Of artanh f / f − 1, in powers of f² from the second on, highest first.
const ARTANH: [f64; 9] = [
    1.0 / 19.0,
    1.0 / 17.0,
    1.0 / 15.0,
    1.0 / 13.0,
    1.0 / 11.0,
    1.0 / 9.0,
    1.0 / 7.0,
    1.0 / 5.0,
    1.0 / 3.0,
];

/// Of the exponential, highest first.
const TAYLOR: [f64; 13] = [
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    1.0 / 2.0,
    1.0,
    1.0,
];

/// A polynomial whose coefficients are given from the highest power down.
#[inline(always)]
fn horner<const N: usize>(x: f64, coefficients: &[f64; N]) -> f64 {
    let mut value = coefficients[0];
    for coefficient in &coefficients[1..] {
        value = value * x + coefficient;
    }
    value
}

/// The natural logarithm of a positive, normal, finite number, to some 1e-15.
#[inline(always)]
pub(super) fn ln(x: f64) -> f64 {
    // x = 2^k · m with m from √½ to √2.
    let shifted = x.to_bits().wrapping_add(ONE - ROOT_HALF);
    let k = f64::from_bits((shifted >> 52) | WHOLE.to_bits()) - (WHOLE + 1023.0);
    let m = f64::from_bits((shifted & MANTISSA) + ROOT_HALF);
    // ln m = 2 · artanh f, by its series: |f| is below 0.172.
    let f = (m - 1.0) / (m + 1.0);
    let s = f * f;
    let series = s * horner(s, &ARTANH);
    let of_mantissa = 2.0 * f + 2.0 * f * series;
    k * LN2_HIGH + (of_mantissa + k * LN2_LOW)
}

/// The exponential of a number not above zero, to some 1e-15 of itself; below −700 that of −700.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let x = if x < -700.0 { -700.0 } else { x };
    let rounded = x * LOG2_E + ROUNDER;
    let k = rounded - ROUNDER;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    // Taylor's series: |r| is below 0.347.
    let series = horner(r, &TAYLOR);
    // k sits in the low bits of `rounded`: it is added to the exponent.
    f64::from_bits(series.to_bits().wrapping_add(rounded.to_bits() << 52))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_logarithm_is_the_logarithm(mantissa in 0.5_f64..2.0, exponent in -900_i32..900) {
            let x = mantissa * 2.0_f64.powi(exponent);
            let expected = libm::log(x);
            prop_assert!((ln(x) - expected).abs() <= 4e-16 * expected.abs().max(1.0), "{} {expected}", ln(x));
        }

        #[test]
        fn near_one_it_keeps_its_digits(small in -1e-3_f64..1e-3) {
            let expected = libm::log(1.0 + small);
            prop_assert!((ln(1.0 + small) - expected).abs() <= 1e-15 * expected.abs());
        }

        #[test]
        fn the_exponential_is_the_exponential(x in -700.0_f64..=0.0) {
            let expected = libm::exp(x);
            prop_assert!((exp(x) - expected).abs() <= 1e-15 * expected, "{} {expected}", exp(x));
        }
    }

    #[test]
    fn ends_are_ends() {
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f64::NEG_INFINITY), exp(-700.0));
        assert!(exp(-1e300) > 0.0);
    }
}
