//! How far from the truth a value may be.

use std::fmt;

/// A named tolerance, in the words of the WebGPU conformance suite's floating-point primer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// The same bits, except that +0 equals −0.
    Exact,
    /// `|actual − expected| ≤ bound`.
    Abs(f32),
    /// At most this many representable f32 apart.
    Ulp(u32),
    /// `|actual − expected| ≤ abs + rel · |expected|`.
    RelAbs {
        /// Share of the expected value.
        rel: f32,
        /// Added to it, so that an expected zero has a bound.
        abs: f32,
    },
}

impl Tolerance {
    /// One op in f32 against its f64-accumulating reference.
    pub const OP_F32: Self = Self::RelAbs { rel: 1e-5, abs: 1e-6 };
    /// One op with f16 storage against its reference.
    pub const OP_F16: Self = Self::RelAbs { rel: 2e-3, abs: 2e-3 };
    /// One op in int8 against a reference that quantises to the same integers: what its floats round. The absolute part
    /// is larger than [`Tolerance::OP_F32`]'s because two larger numbers are subtracted.
    pub const OP_INT8: Self = Self::RelAbs { rel: 1e-5, abs: 5e-6 };
    /// A model's last hidden state against PyTorch f32.
    pub const HIDDEN: Self = Self::Abs(2e-4);
    /// Normalised vectors of two backends.
    pub const BACKENDS: Self = Self::Abs(2e-5);
    /// The same text alone and in a batch, on the same backend.
    pub const BATCH: Self = Self::Abs(2e-6);

    /// Whether two finite values are close enough. Written so that a NaN never is.
    pub fn allows(self, actual: f32, expected: f32) -> bool {
        let difference = (f64::from(actual) - f64::from(expected)).abs();
        match self {
            Self::Exact => actual == expected,
            Self::Abs(bound) => difference <= f64::from(bound),
            Self::Ulp(bound) => ulps_apart(actual, expected).is_some_and(|ulps| ulps <= u64::from(bound)),
            Self::RelAbs { rel, abs } => {
                difference <= f64::from(abs) + f64::from(rel) * f64::from(expected).abs()
            }
        }
    }
}

/// Representable f32 between two finite values: 0 for equal ones, 1 for neighbours, counted through zero.
fn ulps_apart(a: f32, b: f32) -> Option<u64> {
    if !a.is_finite() || !b.is_finite() {
        return None;
    }
    // The bits of a float, as a number that grows with it: negative floats count down from zero.
    let place = |v: f32| {
        let bits = i64::from(v.to_bits() & 0x7fff_ffff);
        if v.is_sign_negative() { -bits } else { bits }
    };
    Some((place(a) - place(b)).unsigned_abs())
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => write!(f, "exact"),
            Self::Abs(bound) => write!(f, "±{bound:e}"),
            Self::Ulp(bound) => write!(f, "±{bound} ULP"),
            Self::RelAbs { rel, abs } => write!(f, "±({abs:e} + {rel:e}·|expected|)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulps_count_through_zero_and_across_signs() {
        let smallest = f32::from_bits(1);
        assert_eq!(ulps_apart(0.0, -0.0), Some(0));
        assert_eq!(ulps_apart(smallest, -smallest), Some(2));
        assert_eq!(ulps_apart(1.0, f32::from_bits(1.0f32.to_bits() + 3)), Some(3));
        assert_eq!(ulps_apart(f32::MAX, f32::INFINITY), None);
        // The hole that other comparators have: with an expected 0 anything finite passed.
        assert!(!Tolerance::Ulp(4).allows(1e-3, 0.0));
        assert!(ulps_apart(1e-30, 0.0).is_some_and(|ulps| ulps > 1_000_000));
    }

    #[test]
    fn every_kind_has_two_sides() {
        for (tolerance, inside, outside) in [
            (Tolerance::Exact, 1.0, f32::from_bits(1.0f32.to_bits() + 1)),
            (Tolerance::Abs(1e-3), 1.000_9, 1.001_1),
            (Tolerance::Ulp(2), f32::from_bits(1.0f32.to_bits() + 2), f32::from_bits(1.0f32.to_bits() + 3)),
            (Tolerance::RelAbs { rel: 1e-3, abs: 1e-3 }, 1.001_9, 1.002_1),
        ] {
            assert!(tolerance.allows(inside, 1.0), "{tolerance}");
            assert!(!tolerance.allows(outside, 1.0), "{tolerance}");
            assert!(!tolerance.allows(f32::NAN, 1.0), "{tolerance}");
            assert!(!tolerance.allows(1.0, f32::NAN), "{tolerance}");
        }
    }
}
