//! Statistics of all tokens and of attended segments: row 103.

use super::Pool;
use super::stats::deviation;
use crate::math::softmax;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{self, Row};
use crate::scorer::{Kind, Scorer};
use crate::tokens::{Tokens, weighted};
use crate::{Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "attn_stats",
    aliases: &["drasp"],
    papers: &[(103, "DRASP")],
    equation: "[α (μ; σ) ; β (μ_a; σ_a)], μ_a = Σ a_m u_m, σ_a = √(Σ a_m u_m² − μ_a²), u_m the mean of segment m, a = softmax_m(v · tanh(W u_m + b) + k)",
    options: "segment: tokens of a segment (1), combine=concat|sum|attentive: the latter (μ_a; σ_a) alone, attentive statistics (concat)",
    tensors: "hidden.weight [h, D], hidden.bias [h], score.weight [1, h], score.bias [1], alpha [1], beta [1]; without a file v = 0, α = β = 1",
    kind: registry::Kind::Either,
    expect: "vectors 2 or 4 times as wide; without weights all segments weigh the same",
    make: attn_stats,
}];

#[derive(Clone, Copy, PartialEq)]
enum Combine {
    Concat,
    Sum,
    Attentive,
}

struct AttnStats {
    scorer: Option<Scorer>,
    factors: [f64; 2],
    segment: usize,
    combine: Combine,
}

fn attn_stats(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let factor = |name: &str| match params.filter(|params| params.get(name).is_some()) {
        None => Ok(1.0),
        Some(params) => params.require(name, &[1]).map(|factor| f64::from(factor[0])),
    };
    let scorer = params.map(|params| Scorer::read(params, Kind::Tanh, sizes.hidden_size)).transpose()?;
    if let Some(scorer) = scorer.as_ref().filter(|scorer| scorer.branches() > 1) {
        let (tensor, got) = ("score.weight".to_owned(), format!("for {} branches", scorer.branches()));
        return Err(PoolError::Tensor { tensor, got, expected: "F32 [1, h]".into() });
    }
    let words = [("concat", Combine::Concat), ("sum", Combine::Sum), ("attentive", Combine::Attentive)];
    Ok(Box::new(AttnStats {
        scorer,
        factors: [factor("alpha")?, factor("beta")?],
        segment: options.count("segment", 1)?,
        combine: options.word("combine", Combine::Concat, &words)?,
    }))
}

impl Pool for AttnStats {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let (tokens, width) = (Tokens::counted(states), states.width);
        let segments: Vec<&[Vec<f64>]> = tokens.rows.chunks(self.segment).collect();
        let mean_of = |rows: &&[Vec<f64>]| weighted(rows, width, &vec![1.0 / rows.len() as f64; rows.len()]);
        let means: Vec<Vec<f64>> = segments.iter().map(mean_of).collect();
        let mut shares = match &self.scorer {
            None => vec![0.0; means.len()],
            Some(scorer) => scorer.scores(&means).remove(0),
        };
        softmax(&mut shares);
        let mean = weighted(&means, width, &shares);
        let squares = |(c, mean): (usize, &f64)| {
            let spread = means.iter().zip(&shares).map(|(u, share)| share * (u[c] - mean).powi(2));
            spread.sum::<f64>().sqrt()
        };
        let spread: Vec<f64> = mean.iter().enumerate().map(squares).collect();
        let weights = segments
            .iter()
            .zip(&shares)
            .flat_map(|(segment, share)| std::iter::repeat_n(share / segment.len() as f64, segment.len()));
        let attended = mean.iter().chain(&spread).map(|v| v * self.factors[1]);
        let whole = tokens.mean();
        let deviations = deviation(&tokens.rows, &whole);
        let global = whole.iter().chain(&deviations).map(|v| v * self.factors[0]);
        let vector: Vec<f64> = match self.combine {
            Combine::Concat => global.chain(attended).collect(),
            Combine::Sum => global.zip(attended).map(|(a, b)| a + b).collect(),
            Combine::Attentive => attended.collect(),
        };
        Ok(tokens.pooled(&vector, Some(&weights.collect::<Vec<_>>())))
    }

    fn width(&self, sizes: Sizes) -> usize {
        sizes.hidden_size * if self.combine == Combine::Concat { 4 } else { 2 }
    }
}
