//! The class token's attention over the maximum of several layers.

use super::Pool;
use super::layer::{last, most};
use crate::attn::{Attention, Projections, Scale};
use crate::linear::Linear;
use crate::math::{to_f32, to_f64};
use crate::registry::{Kind, Row};
use crate::tokens::weighted;
use crate::{Layers, Needs, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "max_seq_mha",
    aliases: &["maxseq_mha"],
    papers: &[(3, "MaxPoolBERT: Enhancing BERT Classification via Layer- and Token-Wise Aggregation")],
    equation: "X_t = max (or mean, sum) over the last k layers of Z_l[t]; MHA(q = X_cls, K = V = X), scale 1/√d",
    options: "k=3, over=max (or mean, sum: of the layers), heads=4 (1 where 4 does not divide D), hide_top: the largest scores of each head hidden (0)",
    tensors: "in_proj_weight [3D, D], in_proj_bias [3D], out_proj.weight [D, D], out_proj.bias [D], as PyTorch's MultiheadAttention",
    kind: Kind::Either,
    expect: "without weights, a mean of the tokens like the class token",
    make: |options, params, sizes| {
        let width = sizes.hidden_size;
        let layers = last(options, sizes)?;
        let over = [("max", None), ("mean", Some(1.0 / layers.len() as f64)), ("sum", Some(1.0))];
        let share = options.word("over", None, &over)?;
        let heads = options.parts("heads", if width % 4 == 0 { 4 } else { 1 }, width)?;
        let projections = match params {
            None => Projections::default(),
            Some(params) => {
                let all = Linear::of(params, "in_proj_weight", "in_proj_bias", 3 * width, width)?;
                Projections {
                    query: Some(all.part(0, width)),
                    key: Some(all.part(width, width)),
                    value: Some(all.part(2 * width, width)),
                    output: Some(Linear::read(params, "out_proj", Some(width), width)?),
                }
            }
        };
        let hide_top = options.whole("hide_top", 0)?;
        let attention = Attention { projections, heads, scale: Scale::SqrtHead, hide_top };
        Ok(Box::new(MaxSeq { layers, share, attention }))
    },
}];

struct MaxSeq {
    layers: Vec<usize>,
    /// What each layer has in their sum; `None` for the maximum.
    share: Option<f64>,
    attention: Attention,
}

impl Pool for MaxSeq {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let width = states.width;
        if states.counted().is_empty() {
            return Ok(Pooled { vectors: vec![0.0; width], width, weights: Some(vec![0.0; states.tokens]) });
        }
        let row = |t: usize| {
            let layers: Vec<_> = states.hidden.iter().map(|h| to_f64(states.row(h, t))).collect();
            match self.share {
                None => most(&layers),
                Some(share) => weighted(&layers, width, &vec![share; layers.len()]),
            }
        };
        let rows: Vec<Vec<f64>> = states.counted().map(row).collect();
        let (vector, some) = self.attention.attend(&self.attention.query(&row(0)), &rows);
        let mut weights = vec![0.0; states.skip];
        weights.extend(to_f32(&some));
        Ok(Pooled { vectors: to_f32(&self.attention.output(vector)), width, weights: Some(weights) })
    }

    fn needs(&self) -> Needs {
        Needs { layers: Layers::These(self.layers.clone()), ..Needs::default() }
    }
}
