//! Which parts of a model stay in eight bits, so that the others can be in four.
//!
//! Rounding errors of different parts hardly know of each other: the squares of what they turn a vector by add up, and
//! so, while they are small, do the losses of cosine. So each part is measured alone, once, and those are made wider
//! that lose the most for the bytes they save, until what is left should do. What comes of it is measured.

use std::collections::{BTreeMap, BTreeSet};

use super::fidelity::Cosines;
use crate::failure::Failure;

/// How much less may be lost at the next try, if losses added up to more than they should.
const TIGHTEN: f64 = 0.8;

/// A part, and what it costs each vector in four bits.
#[derive(Debug)]
struct Part {
    name: String,
    elements: usize,
    losses: Vec<f64>,
}

/// The parts that are to be wider, and the cosines with them so; `measure` gives the cosines with any parts wider. They
/// are at least `least` if they can be.
pub fn wider(
    elements: &BTreeMap<String, usize>,
    least: f64,
    mut measure: impl FnMut(&BTreeSet<String>) -> Result<Cosines, Failure>,
) -> Result<(BTreeSet<String>, Cosines), Failure> {
    let narrow = BTreeSet::new();
    let cosines = measure(&narrow)?;
    if cosines.least() >= least {
        return Ok((narrow, cosines));
    }
    let all: BTreeSet<String> = elements.keys().cloned().collect();
    let widest = measure(&all)?;
    if !(widest.least() >= least) {
        return Ok((all, widest));
    }
    let mut parts = Vec::with_capacity(all.len());
    for (name, &elements) in elements {
        let others = all.iter().filter(|other| *other != name).cloned().collect();
        let losses =
            widest.0.iter().zip(&measure(&others)?.0).map(|(all, less)| (all - less).max(0.0)).collect();
        parts.push(Part { name: name.clone(), elements, losses });
    }
    let mut allowed = 1.0 - least;
    loop {
        let wider = chosen(&parts, &widest, allowed);
        if wider == all {
            return Ok((all, widest));
        }
        let cosines = measure(&wider)?;
        if cosines.least() >= least {
            return Ok((wider, cosines));
        }
        allowed *= TIGHTEN;
    }
}

/// The parts that must be wider for no vector to lose more than `allowed`, as far as losses add up.
fn chosen(parts: &[Part], widest: &Cosines, allowed: f64) -> BTreeSet<String> {
    let mut wider = BTreeSet::new();
    loop {
        let narrow = || parts.iter().filter(|part| !wider.contains(&part.name));
        let lost = |at: usize| 1.0 - widest.0[at] + narrow().map(|part| part.losses[at]).sum::<f64>();
        let worst = (0..widest.0.len()).max_by(|a, b| lost(*a).total_cmp(&lost(*b)));
        let Some(worst) = worst.filter(|worst| lost(*worst) > allowed) else { return wider };
        let worth = |part: &Part| part.losses[worst] / part.elements.max(1) as f64;
        let Some(part) = narrow().max_by(|a, b| worth(a).total_cmp(&worth(b))) else { return wider };
        wider.insert(part.name.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cosines of three vectors, of which a narrow part takes what is said, and each width a little.
    fn model(wider: &BTreeSet<String>, interaction: f64) -> Cosines {
        let losses = [("a", [0.02, 0.001, 0.0]), ("b", [0.004, 0.004, 0.004]), ("c", [0.0, 0.0, 0.012])];
        let narrow = losses.iter().filter(|(name, _)| !wider.contains(*name));
        let lost =
            narrow.fold([0.0005; 3], |sum, (_, losses)| [0, 1, 2].map(|i| sum[i] + interaction * losses[i]));
        Cosines(lost.map(|lost| 1.0 - lost).to_vec())
    }

    fn wider_at(least: f64, interaction: f64) -> (Vec<String>, f64) {
        let elements = [("a", 100), ("b", 1000), ("c", 100)].map(|(name, n)| (name.to_owned(), n)).into();
        let alone = |wider: &BTreeSet<String>| if wider.len() == 2 { 1.0 } else { interaction };
        let (wider, cosines) =
            wider(&elements, least, |wider| Ok(model(wider, alone(wider)))).expect("measuring cannot fail");
        (wider.into_iter().collect(), cosines.least())
    }

    #[test]
    fn what_loses_most_for_its_bytes_is_wider_and_no_more() {
        assert_eq!(wider_at(0.9, 1.0).0, [""; 0]);
        assert_eq!(wider_at(0.98, 1.0).0, ["a"]);
        assert_eq!(wider_at(0.99, 1.0).0, ["a", "c"]);
        assert_eq!(wider_at(0.999, 1.0).0, ["a", "b", "c"]);
    }

    #[test]
    fn what_was_promised_is_measured() {
        // Together they lose twice as much as alone.
        let (wider, least) = wider_at(0.98, 2.0);
        assert!(least >= 0.98 && wider.len() > 1, "{wider:?}: {least}");
        // What cannot be had is not had: the caller sees the cosine.
        let (wider, least) = wider_at(0.9999, 1.0);
        assert_eq!((wider.len(), least), (3, 1.0 - 0.0005));
    }
}
