//! SimPool: row 37.

use super::Pool;
use crate::attn::{Attention, Projections, Scale};
use crate::norm::Norm;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "simpool",
    aliases: &[],
    papers: &[(37, "Keep It SimPool")],
    equation: "u = mean_t x_t, y = LN(x), a = softmax_t(W_Q u · W_K y_t / √d); z = Σ a_t y_t, or with γ (Σ a_t (y_t − min y + 1e-6)^γ)^(1/γ) + β; without the class token, the minimum over one text or picture",
    options: "gamma: γ, 0 is none (0), heads (1), hide_top: the largest scores of each head hidden (0)",
    tensors: "query.weight and key.weight [D, D], each optionally with .bias (identity), norm.weight and norm.bias [D] (1 and 0), beta [1] (0)",
    kind: Kind::Either,
    expect: "without weights a mean of the patches like their mean; its maps of objects need training",
    make: simpool,
}];

/// The authors', of the LayerNorm and of what is raised to γ.
const EPS: f64 = 1e-6;

struct SimPool {
    attention: Attention,
    norm: Norm,
    gamma: Option<f64>,
    beta: f64,
}

fn simpool(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let width = sizes.hidden_size;
    let Projections { query, key, .. } = Projections::read_some(params, width, &["norm.weight", "beta"])?;
    let projections = Projections { query, key, ..Projections::default() };
    let heads = projections.heads(options, 1, width)?;
    let gamma = options.number("gamma", 0.0, "0 or more", |gamma| gamma >= 0.0)?;
    let hide_top = options.whole("hide_top", 0)?;
    let beta = params.map_or(Ok(vec![0.0]), |params| params.or_zeros("beta", &[1]))?;
    Ok(Box::new(SimPool {
        attention: Attention { projections, heads, scale: Scale::SqrtHead, hide_top },
        norm: Norm::read(params, "norm", width, EPS)?,
        gamma: Some(gamma).filter(|gamma| *gamma > 0.0),
        beta: f64::from(beta[0]),
    }))
}

impl Pool for SimPool {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::without_class(states);
        if tokens.rows.is_empty() {
            return Ok(tokens.nothing(states.width));
        }
        let mut rows: Vec<Vec<f64>> = tokens.rows.iter().map(|row| self.norm.apply(row)).collect();
        let weights = self.attention.weights(&self.attention.query(&tokens.mean()), &rows);
        let least = rows.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        if let Some(gamma) = self.gamma {
            rows.iter_mut().flatten().for_each(|v| *v = (*v - least + EPS).powf(gamma));
        }
        let mut vector = crate::attn::sum_by_head(&weights, &rows);
        if let Some(gamma) = self.gamma {
            vector.iter_mut().for_each(|v| *v = v.powf(gamma.recip()) + self.beta);
        }
        Ok(tokens.pooled(&vector, Some(&crate::attn::mean_of_heads(&weights))))
    }
}
