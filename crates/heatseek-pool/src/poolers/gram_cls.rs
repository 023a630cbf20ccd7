//! A class vector made of how channels vary together, then one layer of class attention.

use heatseek_ops::{Activation, reference::activation};

use super::Pool;
use crate::attn::{Attention, Projections, Scale, mean_of_heads, sum_by_head};
use crate::math::to_f64;
use crate::matrix::{Matrix, columns};
use crate::norm::Norm;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "gram_cls",
    aliases: &[],
    papers: &[(12, "Gramian Attention Heads are Strong yet Efficient Vision Learners")],
    equation: "X' = XW_r + b_r, c = l2(triu(X'ᵀX'/n))W_g + b_g, c += γ_1 CA(LN([c; X])), c += γ_2 MLP(LN(c))",
    options: "heads=1",
    tensors: "W_r [D, r], b_r, W_g [r(r+1)/2, D], b_g (batch norms folded in), W_q, W_k, W_v [D, E], W_o [E, D], gamma_1, gamma_2 [D], W_1 [D, M], b_1, W_2 [M, D], b_2; ln_1, ln_2, each .weight and .bias [D]; what is called b may be missing",
    kind: Kind::Learned,
    expect: "pictures, with weights trained for it",
    make: |options, params, sizes| {
        let d = sizes.hidden_size;
        let tensors = "W_r, W_g, W_q, W_k, W_v, W_o, gamma_1, gamma_2, W_1 and W_2";
        let params = params.ok_or(PoolError::NeedsWeights { pooler: "gram_cls", tensors })?;
        let (r, inner) = (columns(params, "W_r", d)?, columns(params, "W_q", d)?);
        let feed = columns(params, "W_1", d)?;
        let matrix = |name: &str, inputs, outputs| {
            Matrix::read(params, &format!("W_{name}"), &format!("b_{name}"), [inputs, outputs])
        };
        let gamma = |name: &str| params.require(name, &[d]).map(to_f64);
        let heads = options.parts("heads", 1, inner)?;
        Ok(Box::new(GramCls {
            reduce: matrix("r", d, r)?,
            class: matrix("g", r * (r + 1) / 2, d)?,
            query: matrix("q", d, inner)?,
            key: matrix("k", d, inner)?,
            value: matrix("v", d, inner)?,
            output: matrix("o", inner, d)?,
            up: matrix("1", d, feed)?,
            down: matrix("2", feed, d)?,
            gammas: [gamma("gamma_1")?, gamma("gamma_2")?],
            norms: [Norm::read(Some(params), "ln_1", d, 1e-5)?, Norm::read(Some(params), "ln_2", d, 1e-5)?],
            attention: Attention {
                projections: Projections::default(),
                heads,
                scale: Scale::SqrtHead,
                hide_top: 0,
            },
        }))
    },
}];

struct GramCls {
    reduce: Matrix,
    class: Matrix,
    query: Matrix,
    key: Matrix,
    value: Matrix,
    output: Matrix,
    up: Matrix,
    down: Matrix,
    gammas: [Vec<f64>; 2],
    norms: [Norm; 2],
    attention: Attention,
}

impl Pool for GramCls {
    /// Weights are what the class vector looks at; the rest, up to 1, is itself.
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        if tokens.rows.is_empty() {
            return Ok(tokens.nothing(states.width));
        }
        let reduced: Vec<Vec<f64>> = tokens.rows.iter().map(|x| self.reduce.apply(x)).collect();
        let mut gram = super::gram::gram(&reduced, false, reduced[0].len());
        super::gram::to_unit(&mut gram);
        let mut class = self.class.apply(&gram);
        let rows: Vec<Vec<f64>> =
            [&class].into_iter().chain(&tokens.rows).map(|x| self.norms[0].apply(x)).collect();
        let each = |map: &Matrix| -> Vec<Vec<f64>> { rows.iter().map(|row| map.apply(row)).collect() };
        let weights = self.attention.weights(&self.query.apply(&rows[0]), &each(&self.key));
        let attended = self.output.apply(&sum_by_head(&weights, &each(&self.value)));
        let add = |class: &mut [f64], gamma: &[f64], more: &[f64]| {
            class.iter_mut().zip(gamma.iter().zip(more)).for_each(|(c, (gamma, v))| *c += gamma * v);
        };
        add(&mut class, &self.gammas[0], &attended);
        let mut up = self.up.apply(&self.norms[1].apply(&class));
        up.iter_mut().for_each(|v| *v = activation(Activation::GeluErf, *v));
        add(&mut class, &self.gammas[1], &self.down.apply(&up));
        Ok(tokens.pooled(&class, Some(&mean_of_heads(&weights)[1..])))
    }
}
