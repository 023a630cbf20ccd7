//! How unlike heads are, and a picture of it: Jensen-Shannon distances and their classical scaling (Clark et al.,
//! "What Does BERT Look At?", 2019, §6).

use crate::AnalysisError;
use crate::eigen::symmetric;
use crate::error::check_shape;

/// Collects the rows of heads, and then compares all with all.
#[derive(Clone, Debug)]
pub struct JensenShannon {
    /// Values a head has: rows that are compared × tokens.
    len: usize,
    rows: Vec<f32>,
    entropies: Vec<f64>,
}

impl JensenShannon {
    /// For heads of `rows` rows of `tokens` each. For long inputs a few rows, evenly taken, tell heads apart.
    pub fn new(rows: usize, tokens: usize) -> Self {
        Self { len: rows * tokens, rows: Vec::new(), entropies: Vec::new() }
    }

    /// Adds a head: `[rows, tokens]`, each row a distribution.
    ///
    /// # Errors
    /// [`AnalysisError::Length`].
    pub fn push(&mut self, rows: &[f32]) -> Result<(), AnalysisError> {
        check_shape("rows of a head", rows.len(), &[("values", self.len)])?;
        self.rows.extend_from_slice(rows);
        self.entropies.push(rows.iter().map(|&a| surprise(a)).sum());
        Ok(())
    }

    /// `[heads, heads]`: for each pair the sum over rows of their Jensen-Shannon divergence, in nats; at most
    /// `rows × ln 2`. `heads² × rows × tokens / 2` logarithms.
    pub fn distances(&self) -> Vec<f64> {
        let count = self.entropies.len();
        let head = |index: usize| &self.rows[index * self.len..][..self.len];
        let mut all = vec![0.0; count * count];
        for a in 0..count {
            for b in 0..a {
                let middle: f64 = head(a).iter().zip(head(b)).map(|(&p, &q)| surprise(0.5 * (p + q))).sum();
                // JS(p, q) = H((p + q)/2) − (H(p) + H(q))/2; of equal rows rounding must not make it negative.
                let distance = (middle - 0.5 * (self.entropies[a] + self.entropies[b])).max(0.0);
                all[a * count + b] = distance;
                all[b * count + a] = distance;
            }
        }
        all
    }
}

fn surprise(p: f32) -> f64 {
    // The logarithm in f32: there are millions of them, and 1e-7 of each is far below what tells heads apart.
    if p > 0.0 { -f64::from(p * p.ln()) } else { 0.0 }
}

/// Places in the plane whose distances are as near as can be to `distances` `[count, count]`: `[count, 2]`, by
/// classical multidimensional scaling. The first axis holds most; on each axis the value of largest size is
/// positive, the first of equal ones. About `10 count³` steps.
///
/// # Errors
/// [`AnalysisError::Length`].
pub fn positions(distances: &[f64], count: usize) -> Result<Vec<f64>, AnalysisError> {
    check_shape("distances", distances.len(), &[("heads", count), ("heads", count)])?;
    let squared = |a: usize, b: usize| distances[a * count + b] * distances[a * count + b];
    let n = count as f64;
    let means: Vec<f64> = (0..count).map(|a| (0..count).map(|b| squared(a, b)).sum::<f64>() / n).collect();
    let mean = means.iter().sum::<f64>() / n;
    let centred = (0..count * count).map(|place| {
        let (a, b) = (place / count, place % count);
        -0.5 * (squared(a, b) - means[a] - means[b] + mean)
    });
    let found = symmetric(centred.collect(), count);
    let mut result = vec![0.0; count * 2];
    for (axis, (value, vector)) in found.iter().take(2).enumerate() {
        let scale = value.max(0.0).sqrt();
        let largest =
            vector.iter().fold(0.0f64, |best, &v| if v.abs() > best.abs() + 1e-9 { v } else { best });
        for (head, &v) in vector.iter().enumerate() {
            result[head * 2 + axis] = scale * v * largest.signum();
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::LN_2;

    #[test]
    fn distance_is_zero_to_itself_and_at_most_ln_2_a_row() {
        let mut heads = JensenShannon::new(2, 3);
        for rows in [[0.2, 0.3, 0.5, 1.0, 0.0, 0.0], [0.2, 0.3, 0.5, 1.0, 0.0, 0.0]] {
            heads.push(&rows).unwrap();
        }
        heads.push(&[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
        heads.push(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]).unwrap();
        let all = heads.distances();
        assert_eq!(all[1], 0.0);
        assert!((all[2 * 4 + 3] - 2.0 * LN_2).abs() < 1e-6);
        assert!(all.iter().all(|d| *d <= 2.0 * LN_2 + 1e-6));
        assert!(heads.push(&[1.0]).is_err());
    }

    #[test]
    fn places_keep_distances_that_fit_a_plane() {
        let points = [[0.0f64, 0.0], [3.0, 0.0], [3.0, 1.0], [-1.0, 2.0], [0.5, -1.5]];
        let apart = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let distances: Vec<f64> = points.iter().flat_map(|a| points.map(|b| apart(*a, b))).collect();
        let found = positions(&distances, 5).unwrap();
        let place = |index: usize| [found[2 * index], found[2 * index + 1]];
        for a in 0..5 {
            for b in 0..5 {
                assert!((apart(place(a), place(b)) - distances[a * 5 + b]).abs() < 1e-9);
            }
        }
        assert_eq!(positions(&[0.0], 1).unwrap(), [0.0, 0.0]);
        assert_eq!(positions(&[], 0).unwrap(), []);
    }
}
