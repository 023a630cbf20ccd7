//! Attention with random, frozen weights, a baseline: row 36.

use super::Pool;
use crate::math::softmax;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "random_attention",
    aliases: &[],
    papers: &[(36, "What can a Single Attention Layer Learn?")],
    equation: "Σ_t x_t Σ_m ReLU(q · W_m x_t) / (M n), q = mean_t x_t, W_m = a_m b_m^T / D with entries of a_m and b_m about N(0, 1)",
    options: "features: M (64), seed (0), activation=relu (or softmax: Σ_t x_t Σ_m softmax_t(q · W_m x_t) / M)",
    tensors: "",
    kind: Kind::TrainingFree,
    expect: "about the direction of the mean: what another pooling must beat",
    make: random_attention,
}];

struct RandomAttention {
    /// `[M]` of `[D]`.
    queries: Vec<Vec<f64>>,
    keys: Vec<Vec<f64>>,
    softmax: bool,
}

fn random_attention(
    options: &mut Options<'_>,
    _: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let (features, seed) = (options.count("features", 64)?, options.whole("seed", 0)?);
    let softmax = options.word("activation", false, &[("relu", false), ("softmax", true)])?;
    let side = |side: usize| {
        let row = |m: usize| (0..sizes.hidden_size).map(|c| normal([seed, side, m, c])).collect();
        (0..features).map(row).collect()
    };
    Ok(Box::new(RandomAttention { queries: side(0), keys: side(1), softmax }))
}

/// About N(0, 1): the sum of twelve uniform 32-bit numbers, less 6. Whole numbers until the last step, so that every
/// machine has the same bits.
fn normal(place: [usize; 4]) -> f64 {
    let state = place.iter().fold(0, |state, &part| mixed(state ^ part as u64));
    let sum: u64 = (0..12).map(|draw| mixed(state.wrapping_add(draw)) >> 32).sum();
    sum as f64 / 2f64.powi(32) - 6.0
}

/// One step of SplitMix64 (Steele, Lea and Flood, 2014).
fn mixed(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Pool for RandomAttention {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        let query = tokens.mean();
        let (n, all) = (tokens.rows.len(), self.queries.len() as f64);
        let mut weights = vec![0.0; n];
        for (a, b) in self.queries.iter().zip(&self.keys) {
            let product = dot(a, &query) / states.width as f64;
            let mut scores: Vec<f64> = tokens.rows.iter().map(|row| product * dot(b, row)).collect();
            match self.softmax {
                true => softmax(&mut scores),
                false => scores.iter_mut().for_each(|score| *score = score.max(0.0) / n as f64),
            }
            weights.iter_mut().zip(scores).for_each(|(weight, score)| *weight += score / all);
        }
        Ok(tokens.pooled(&tokens.weighted(&weights), Some(&weights)))
    }
}
