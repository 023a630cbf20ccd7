//! Weights from learned scores of each token: rows 4 and 83.

use heatseek_ops::Activation;

use super::Pool;
use crate::attn::{Attention, Projections, Scale, Source, mean_of_heads, sum_by_head};
use crate::linear::{Linear, each};
use crate::math::softmax_hiding;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{self, Row};
use crate::scorer::{Kind, Scorer};
use crate::tokens::Tokens;
use crate::{DeviceForm, Params, PoolError, Pooled, States};

const TENSORS: &str = "score [B, D], or [B, h] with hidden [h, D] or [B h, D] (tanh, gated) and gate as hidden (gated), optionally value [V, D] and output [D', V]; each .weight and optionally .bias";

pub(crate) const ROWS: &[Row] = &[Row {
    name: "score_pool",
    aliases: &["attentive", "branches"],
    papers: &[(4, "Whisper attentive pooling"), (83, "ACMIL")],
    equation: "a_b = softmax_t(w_b · f(x_t) + k_b), z = W_O Σ_t a_t W_V x_t; f is x, tanh(W x + b) or that times σ(U x + c)",
    options: "kind=linear|tanh|gated (tanh), combine=mean|concat: branches averaged, or each weighs its part of the values (mean), hide_top: the largest scores of each branch hidden (0)",
    tensors: TENSORS,
    kind: registry::Kind::Learned,
    expect: "as good as its training; hide_top shows how much hangs on a few tokens",
    make: score_pool,
}];

struct ScorePool {
    scorer: Scorer,
    values: Projections,
    concat: bool,
    hide_top: usize,
}

fn score_pool(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let width = sizes.hidden_size;
    let kinds = [("linear", Kind::Linear), ("tanh", Kind::Tanh), ("gated", Kind::Gated)];
    let kind = options.word("kind", Kind::Tanh, &kinds)?;
    let concat = options.word("combine", false, &[("mean", false), ("concat", true)])?;
    let hide_top = options.whole("hide_top", 0)?;
    let needs = PoolError::NeedsWeights { pooler: "score_pool", tensors: TENSORS };
    let params = params.ok_or(needs)?;
    let scorer = Scorer::read(params, kind, width)?;
    let value = Linear::optional(Some(params), "value", None, width)?;
    let wide = value.as_ref().map_or(width, |value| value.outputs);
    let output = Linear::optional(Some(params), "output", None, wide)?;
    if concat && wide % scorer.branches() != 0 {
        let expected = format!("mean, since {} branches do not divide {wide}", scorer.branches());
        return Err(options.wrong("combine", "concat".into(), &expected));
    }
    let values = Projections { value, output, ..Projections::default() };
    Ok(Box::new(ScorePool { scorer, values, concat, hide_top }))
}

impl Pool for ScorePool {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        if tokens.rows.is_empty() {
            return Ok(tokens.nothing(self.values.width(states.width)));
        }
        let mut branches = self.scorer.scores(&tokens.rows);
        branches.iter_mut().for_each(|scores| softmax_hiding(scores, self.hide_top));
        let mean = mean_of_heads(&branches);
        let values = each(self.values.value.as_ref(), &tokens.rows);
        let vector = sum_by_head(if self.concat { &branches } else { std::slice::from_ref(&mean) }, &values);
        let vector = self.values.output.as_ref().map_or(vector.clone(), |output| output.apply(&vector));
        Ok(tokens.pooled(&vector, Some(&mean)))
    }

    fn width(&self, sizes: Sizes) -> usize {
        self.values.width(sizes.hidden_size)
    }

    /// An attention whose query is `w`, and whose keys are what the scorer makes of the tokens.
    fn device_form(&self, sizes: Sizes) -> Option<DeviceForm> {
        if self.scorer.branches() > 1 || self.scorer.gated() {
            return None;
        }
        let source = Source::Learned(self.scorer.score.row(0).to_vec());
        let projections = Projections { key: self.scorer.hidden.clone(), ..self.values.clone() };
        let attention = Attention { projections, heads: 1, scale: Scale::One, hide_top: self.hide_top };
        attention.device_form(&source, false, Activation::Tanh, sizes.hidden_size)
    }
}
