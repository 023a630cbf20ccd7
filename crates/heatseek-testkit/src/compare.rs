//! Comparing a buffer with the truth.

use std::fmt;

use crate::{Tolerance, is_unwritten};

/// Wrong elements that a message shows besides the worst one.
const SHOWN: usize = 4;

/// What a comparison that held found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Elements compared.
    pub elements: usize,
    /// The largest absolute difference.
    pub max_abs: f32,
}

/// A comparison that did not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    message: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mismatch {}

/// Compares `actual` with `expected`, both row-major of `shape`.
///
/// NaN never passes. An infinity passes only against the same infinity. Lengths must agree with each
/// other and with the shape.
///
/// # Errors
/// [`Mismatch`], which prints how many elements are wrong, the worst one, and the first few with their
/// coordinates and their neighbours.
#[must_use = "a comparison that nobody reads lets failures pass"]
pub fn compare(
    actual: &[f32],
    expected: &[f32],
    shape: &[usize],
    tolerance: Tolerance,
) -> Result<Stats, Mismatch> {
    let elements: usize = shape.iter().product();
    if actual.len() != elements || expected.len() != elements {
        let message = format!(
            "shape {shape:?} has {elements} elements, but there are {} actual and {} expected ones",
            actual.len(),
            expected.len()
        );
        return Err(Mismatch { message });
    }
    let wrong: Vec<usize> = (0..elements).filter(|&i| !right(actual[i], expected[i], tolerance)).collect();
    if wrong.is_empty() {
        let differences =
            actual.iter().zip(expected).filter(|(a, _)| a.is_finite()).map(|(a, e)| (a - e).abs());
        return Ok(Stats { elements, max_abs: differences.fold(0.0, f32::max) });
    }
    Err(Mismatch { message: describe(actual, expected, shape, tolerance, &wrong) })
}

fn right(actual: f32, expected: f32, tolerance: Tolerance) -> bool {
    if actual.is_nan() || expected.is_nan() {
        return false;
    }
    if actual.is_infinite() || expected.is_infinite() {
        return actual == expected;
    }
    tolerance.allows(actual, expected)
}

fn describe(
    actual: &[f32],
    expected: &[f32],
    shape: &[usize],
    tolerance: Tolerance,
    wrong: &[usize],
) -> String {
    // A NaN is worse than any difference.
    let badness = |&i: &usize| {
        let difference = (f64::from(actual[i]) - f64::from(expected[i])).abs();
        if difference.is_nan() { f64::INFINITY } else { difference }
    };
    let worst = wrong.iter().copied().max_by(|a, b| badness(a).total_cmp(&badness(b))).unwrap_or(0);
    let never = wrong.iter().filter(|&&i| is_unwritten(actual[i])).count();
    let mut message = format!("{} of {} elements are not within {tolerance}", wrong.len(), actual.len());
    if never > 0 {
        message += &format!("; {never} were never written");
    }
    message += &format!(
        "\n  {:>10} {:>16} {:>16} {:>16} {:>10}",
        "index", "coordinates", "actual", "expected", "off by"
    );
    let mut shown: Vec<usize> = wrong.iter().copied().take(SHOWN).chain([worst]).collect();
    // One neighbour on each side tells a shifted row from a wrong one.
    let neighbours: Vec<usize> = shown.iter().flat_map(|&i| [i.saturating_sub(1), i + 1]).collect();
    shown.extend(neighbours.into_iter().filter(|&i| i < actual.len()));
    shown.sort_unstable();
    shown.dedup();
    for i in shown {
        let (a, e) = (actual[i], expected[i]);
        let mark = match (i == worst, right(a, e, tolerance)) {
            (true, _) => " <- worst",
            (_, false) => " xx",
            _ => "",
        };
        let value = if is_unwritten(a) { "unwritten".to_owned() } else { format!("{a:e}") };
        let place = format!("{:?}", coordinates(i, shape));
        message += &format!("\n  {i:>10} {place:>16} {value:>16} {e:>16e} {:>10.2e}{mark}", (a - e).abs());
    }
    message
}

fn coordinates(index: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = index;
    let mut place: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let at = rest % extent.max(1);
            rest /= extent.max(1);
            at
        })
        .collect();
    place.reverse();
    place
}

/// Panics with the [`Mismatch`] if [`compare`] fails.
#[track_caller]
pub fn assert_close(actual: &[f32], expected: &[f32], shape: &[usize], tolerance: Tolerance) -> Stats {
    match compare(actual, expected, shape, tolerance) {
        Ok(stats) => stats,
        Err(mismatch) => panic!("{mismatch}"),
    }
}

/// The cosine of two vectors in f64; NaN, which passes no bound, if the lengths differ, one is zero or one
/// holds a NaN or an infinity.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return f64::NAN;
    }
    let sum = |f: fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f(f64::from(a), f64::from(b))).sum()
    };
    let (ab, aa, bb) = (sum(|a, b| a * b), sum(|a, _| a * a), sum(|_, b| b * b));
    ab / (aa * bb).sqrt()
}

/// Panics unless the cosine is at least `min`.
#[track_caller]
pub fn assert_cosine(a: &[f32], b: &[f32], min: f64) -> f64 {
    let cosine = cosine(a, b);
    assert!(cosine >= min, "cosine {cosine} is not at least {min}");
    cosine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_shows_where_and_how_much() {
        let expected = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let actual = [0.0, 1.0, 2.0, 3.0, 4.5, 5.0];
        let message = compare(&actual, &expected, &[2, 3], Tolerance::OP_F32).unwrap_err().to_string();
        assert!(message.starts_with("1 of 6 elements"), "{message}");
        let line = message.lines().find(|l| l.contains("worst")).unwrap();
        assert!(line.contains("[1, 1]") && line.contains("4.5") && line.contains("5.00e-1"), "{line}");
        assert!(message.contains("[1, 0]") && message.contains("[1, 2]"), "no neighbours in {message}");
    }

    #[test]
    fn lengths_and_shape_must_agree() {
        assert!(compare(&[1.0], &[1.0, 2.0], &[2], Tolerance::Abs(9.0)).is_err());
        assert!(compare(&[1.0, 2.0], &[1.0, 2.0], &[3], Tolerance::Abs(9.0)).is_err());
        assert_eq!(compare(&[], &[], &[0, 7], Tolerance::Exact), Ok(Stats::default()));
    }

    #[test]
    fn infinities_agree_only_with_themselves() {
        let (inf, big) = (f32::INFINITY, Tolerance::RelAbs { rel: 1.0, abs: f32::MAX });
        assert!(compare(&[inf], &[inf], &[1], big).is_ok());
        assert!(compare(&[-inf], &[inf], &[1], big).is_err());
        assert!(compare(&[f32::MAX], &[inf], &[1], big).is_err());
        assert!(compare(&[inf], &[f32::MAX], &[1], big).is_err());
    }

    #[test]
    fn cosine_of_nonsense_passes_nothing() {
        for (a, b) in [(vec![0.0], vec![1.0]), (vec![f32::NAN], vec![1.0]), (vec![1.0], vec![1.0, 2.0])] {
            assert!(cosine(&a, &b).is_nan(), "{a:?} {b:?}");
        }
        assert!((cosine(&[3.0, 4.0], &[6.0, 8.0]) - 1.0).abs() < 1e-15);
    }
}
