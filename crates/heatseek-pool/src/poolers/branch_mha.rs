//! Multi-head attention of several branches, averaged: the second form of row 83.

use super::Pool;
use crate::attn::{Attention, Projections, Scale, mean_of_heads, sum_by_head};
use crate::linear::{Linear, each};
use crate::math::to_f64;
use crate::norm::Norm;
use crate::options::Options;
use crate::tokens::Tokens;
use crate::{Params, PoolError, Pooled, States};

/// The authors', of their LayerNorm.
pub(crate) const EPS: f64 = 1e-6;
/// The authors' number of heads.
const HEADS: usize = 8;

/// The mean over branches b of `softmax_t(q_b W_Q^b · x_t W_K^b / √d)`, head by head, on values of their own; or each
/// branch on its values.
pub(crate) struct BranchMha {
    /// With the queries as projected.
    branches: Vec<(Vec<f64>, Attention)>,
    /// One of all branches, or one each.
    outputs: Vec<Output>,
}

/// `LN(W_O x)`.
struct Output {
    value: Linear,
    project: Linear,
    norm: Norm,
}

impl Output {
    fn read(params: &Params, name: &str, width: usize) -> Result<Self, PoolError> {
        let value = Linear::read(params, &format!("{name}.v_proj"), None, width)?;
        Ok(Self {
            project: Linear::read(params, &format!("{name}.out_proj"), Some(width), value.outputs)?,
            norm: Norm::read(Some(params), &format!("{name}.layer_norm"), width, EPS)?,
            value,
        })
    }

    /// `weights` `[heads][tokens]`.
    fn apply(&self, weights: &[Vec<f64>], rows: &[Vec<f64>]) -> Vec<f64> {
        self.norm.apply(&self.project.apply(&sum_by_head(weights, &each(Some(&self.value), rows))))
    }
}

impl BranchMha {
    /// The names of the authors' file: `q` `[B, D]`, or `[1, B, D]` as they have it; `sub_attention.b.q_proj` and
    /// `k_proj` `[K, D]` of branch b; and `v_proj` `[V, D]`, `out_proj` `[D, V]` and `layer_norm` of `bag_attention`,
    /// or with `own` of each `sub_attention.b`.
    pub(crate) fn read(
        options: &mut Options<'_>,
        params: &Params,
        width: usize,
        hide_top: usize,
        own: bool,
    ) -> Result<Self, PoolError> {
        let shape = params.get("q").map_or(vec![1, width], |(shape, _)| shape.to_vec());
        let branches = match shape[..] {
            [1, branches, _] | [branches, _] => branches.max(1),
            _ => 1,
        };
        let expected = if shape.len() == 3 { vec![1, branches, width] } else { vec![branches, width] };
        let queries: Vec<Vec<f64>> =
            params.require("q", &expected)?.chunks_exact(width).map(to_f64).collect();
        let name = |branch: usize| format!("sub_attention.{branch}");
        let outputs = match own {
            true => (0..branches).map(|branch| Output::read(params, &name(branch), width)).collect(),
            false => Output::read(params, "bag_attention", width).map(|output| vec![output]),
        }?;
        let projections = |branch: usize| {
            let query = Linear::read(params, &format!("{}.q_proj", name(branch)), None, width)?;
            let key = Linear::read(params, &format!("{}.k_proj", name(branch)), Some(query.outputs), width)?;
            Ok(Projections { query: Some(query), key: Some(key), ..Projections::default() })
        };
        let projections = (0..branches).map(projections).collect::<Result<Vec<_>, PoolError>>()?;
        let heads = options.count("heads", HEADS)?;
        let widths = projections.iter().map(|projections| projections.keys(width));
        if let Some(odd) = widths.chain(outputs.iter().map(|o| o.value.outputs)).find(|w| w % heads != 0) {
            return Err(options.wrong("heads", heads.to_string(), &format!("a divisor of {odd}")));
        }
        let branch = |(query, projections): (Vec<f64>, Projections)| {
            let attention = Attention { projections, heads, scale: Scale::SqrtHead, hide_top };
            (attention.query(&query), attention)
        };
        Ok(Self { branches: queries.into_iter().zip(projections).map(branch).collect(), outputs })
    }
}

impl Pool for BranchMha {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let (tokens, width) = (Tokens::counted(states), states.width);
        if tokens.rows.is_empty() {
            let nothing = vec![(vec![0.0; width], Vec::new()); self.outputs.len()];
            return Ok(tokens.pooled_all(width, &nothing, true));
        }
        let weights = self.branches.iter().map(|(query, attention)| attention.weights(query, &tokens.rows));
        let mut weights: Vec<Vec<Vec<f64>>> = weights.collect();
        if self.outputs.len() == 1 {
            let heads = 0..weights[0].len();
            let of_head = |head: usize| weights.iter().map(|branch| branch[head].clone()).collect::<Vec<_>>();
            weights = vec![heads.map(|head| mean_of_heads(&of_head(head))).collect()];
        }
        let all: Vec<_> = weights
            .iter()
            .zip(&self.outputs)
            .map(|(weights, output)| (output.apply(weights, &tokens.rows), mean_of_heads(weights)))
            .collect();
        Ok(tokens.pooled_all(width, &all, true))
    }

    fn gives_several(&self) -> bool {
        self.outputs.len() > 1
    }
}
