//! How sure a mean over queries is: the paired bootstrap (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993;
//! of retrieval: Sakai, "Evaluating Evaluation Metrics based on the Bootstrap", 2006).

use serde::Serialize;

/// A mean with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean over the queries.
    pub value: f64,
    /// The 2.5th percentile of the means of the resamples.
    pub low: f64,
    /// The 97.5th.
    pub high: f64,
}

/// Queries drawn with replacement, as many as there are, several times. All that is estimated from the same resamples
/// is paired.
pub struct Resamples {
    /// How often each query was drawn, `[resamples, queries]`.
    counts: Vec<u32>,
    queries: usize,
}

impl Resamples {
    /// The same for the same seed, on every platform.
    pub fn new(seed: u64, resamples: usize, queries: usize) -> Self {
        let mut counts = vec![0; resamples * queries];
        let mut state = seed;
        for resample in counts.chunks_exact_mut(queries.max(1)) {
            for _ in 0..queries {
                resample[((u128::from(split_mix(&mut state)) * queries as u128) >> 64) as usize] += 1;
            }
        }
        Self { counts, queries }
    }

    /// The mean of `values`, one a query.
    pub fn estimate(&self, values: &[f64]) -> Estimate {
        let mut means = self.means(values);
        means.sort_unstable_by(f64::total_cmp);
        let value = mean(values);
        if means.is_empty() {
            return Estimate { value, low: value, high: value };
        }
        Estimate { value, low: quantile(&means, 0.025), high: quantile(&means, 0.975) }
    }

    /// How likely the mean of `differences` would be as far from 0 as it is, either way, if there were none: the share
    /// of resamples whose mean is as far from the mean of all. Never 0: the data count as one resample. 1 without
    /// resamples.
    pub fn p_value(&self, differences: &[f64]) -> f64 {
        let observed = mean(differences);
        let means = self.means(differences);
        // Sums in another order may differ in their last bits; differences of queries are coarser than this.
        let as_far = means.iter().filter(|mean| (*mean - observed).abs() >= observed.abs() - 1e-12).count();
        (as_far + 1) as f64 / (means.len() + 1) as f64
    }

    fn means(&self, values: &[f64]) -> Vec<f64> {
        let of = |counts: &[u32]| {
            let sum: f64 = counts.iter().zip(values).map(|(&count, value)| f64::from(count) * value).sum();
            sum / self.queries as f64
        };
        self.counts.chunks_exact(self.queries.max(1)).map(of).collect()
    }
}

/// Of several comparisons each p value such that one mistake among all is as unlikely as it says (Holm, 1979).
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let (mut adjusted, mut most) = (vec![0.0; p_values.len()], 0.0f64);
    for (rank, &at) in order.iter().enumerate() {
        most = most.max(((p_values.len() - rank) as f64 * p_values[at]).min(1.0));
        adjusted[at] = most;
    }
    adjusted
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Linear between the values, as numpy has it. `sorted` is not empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// SplitMix64 (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::golden::golden;

    #[test]
    fn by_hand() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(holm(&[0.03, 0.01, 0.04]), [0.06, 0.03, 0.06]);
        assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0]);
        let same = Resamples::new(0, 100, 7).estimate(&[0.25; 7]);
        assert_eq!(same, Estimate { value: 0.25, low: 0.25, high: 0.25 });
    }

    #[test]
    fn equal_is_no_difference_and_always_better_is_one() {
        let resamples = Resamples::new(1, 999, 40);
        assert_eq!(resamples.p_value(&[0.0; 40]), 1.0);
        let better: Vec<f64> = (0..40).map(|at| 0.2 + 0.01 * f64::from(at % 5)).collect();
        assert_eq!(resamples.p_value(&better), 0.001);
        assert_eq!(Resamples::new(1, 0, 40).p_value(&better), 1.0);
    }

    #[test]
    fn as_numpy_has_it() {
        let golden = golden();
        let values: Vec<[f64; 2]> = golden.queries.iter().map(|q| [q.ndcg_10, q.mrr_10]).collect();
        let bootstrap = &golden.bootstrap;
        let resamples = Resamples::new(bootstrap.seed, bootstrap.resamples, values.len());
        let first: Vec<f64> = values.iter().map(|v| v[0]).collect();
        let differences: Vec<f64> = values.iter().map(|v| v[1] - v[0]).collect();
        for (of, expected) in [(&first, bootstrap.ndcg_10), (&differences, bootstrap.difference)] {
            let Estimate { value, low, high } = resamples.estimate(of);
            for (got, expected) in [value, low, high].into_iter().zip(expected) {
                assert!((got - expected).abs() < 1e-12, "{got}, expected {expected}");
            }
        }
        assert!((resamples.p_value(&differences) - bootstrap.p).abs() < 1e-12);
    }
}
