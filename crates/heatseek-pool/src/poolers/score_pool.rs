//! Weights from learned scores of each token: rows 4 and 83.

use heatseek_ops::Activation;

use super::Pool;
use super::branch_mha::{BranchMha, EPS};
use crate::attn::{Attention, Projections, Scale, Source, mean_of_heads, sum_by_head};
use crate::linear::{Linear, each};
use crate::math::softmax_hiding;
use crate::norm::Norm;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{self, Row};
use crate::scorer::{Kind, Scorer};
use crate::tokens::Tokens;
use crate::{DeviceForm, Params, PoolError, Pooled, States};

const TENSORS: &str = "score [B, D], or [B, h] with hidden [h, D] or [B h, D] (tanh, gated) and gate as hidden (gated), optionally value [V, D] and output [D', V], each .weight and optionally .bias, and norm.weight and norm.bias [D'] of a LayerNorm behind them; mha, as the authors' file: q [B, D], sub_attention.b.q_proj and k_proj [K, D] of each branch, bag_attention.v_proj [V, D], out_proj [D, V] and layer_norm [D] (combine=each: these of each sub_attention.b), each .weight and optionally .bias";

pub(crate) const ROWS: &[Row] = &[Row {
    name: "score_pool",
    aliases: &["attentive", "branches"],
    papers: &[(4, "Whisper attentive pooling"), (83, "ACMIL")],
    equation: "a_b = softmax_t(w_b · f(x_t) + k_b), z = W_O Σ_t a_t W_V x_t; f is x, tanh(W x + b) or that times σ(U x + c); mha: a_bh = softmax_t(W_Q^b q_b · W_K^b x_t / √d) of each head, z = LN(W_O concat_h Σ_t mean_b a_bht W_V x_t)",
    options: "kind=linear|tanh|gated|mha (tanh), combine=mean|concat|each: branches averaged, or each weighs its part of the values (not of mha), or a vector for each (mean), hide_top: the largest scores of each branch and head hidden (0), heads: of mha (8)",
    tensors: TENSORS,
    kind: registry::Kind::Learned,
    expect: "as good as its training; hide_top shows how much hangs on a few tokens",
    make: score_pool,
}];

#[derive(Clone, Copy, PartialEq)]
enum Combine {
    Mean,
    Concat,
    Each,
}

struct ScorePool {
    scorer: Scorer,
    values: Projections,
    norm: Option<Norm>,
    combine: Combine,
    hide_top: usize,
}

fn score_pool(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let width = sizes.hidden_size;
    let kinds = [
        ("linear", Some(Kind::Linear)),
        ("tanh", Some(Kind::Tanh)),
        ("gated", Some(Kind::Gated)),
        ("mha", None),
    ];
    let kind = options.word("kind", Some(Kind::Tanh), &kinds)?;
    let ways = [("mean", Combine::Mean), ("concat", Combine::Concat), ("each", Combine::Each)];
    let combine = options.word("combine", Combine::Mean, &ways)?;
    let hide_top = options.whole("hide_top", 0)?;
    let needs = PoolError::NeedsWeights { pooler: "score_pool", tensors: TENSORS };
    let params = params.ok_or(needs)?;
    let Some(kind) = kind else {
        if combine == Combine::Concat {
            return Err(options.wrong("combine", "concat".into(), "mean or each where kind is mha"));
        }
        let each = combine == Combine::Each;
        return Ok(Box::new(BranchMha::read(options, params, width, hide_top, each)?));
    };
    let scorer = Scorer::read(params, kind, width)?;
    let value = Linear::optional(Some(params), "value", None, width)?;
    let wide = value.as_ref().map_or(width, |value| value.outputs);
    let output = Linear::optional(Some(params), "output", None, wide)?;
    if combine == Combine::Concat && wide % scorer.branches() != 0 {
        let expected = format!("mean, since {} branches do not divide {wide}", scorer.branches());
        return Err(options.wrong("combine", "concat".into(), &expected));
    }
    let values = Projections { value, output, ..Projections::default() };
    let norm = Norm::optional(params, "norm", values.width(width), EPS)?;
    Ok(Box::new(ScorePool { scorer, values, norm, combine, hide_top }))
}

impl ScorePool {
    /// Values so weighted, `[branches][tokens]`, and projected.
    fn vector(&self, branches: &[Vec<f64>], values: &[Vec<f64>]) -> Vec<f64> {
        let vector = sum_by_head(branches, values);
        let vector = self.values.output.as_ref().map_or(vector.clone(), |output| output.apply(&vector));
        self.norm.as_ref().map_or(vector.clone(), |norm| norm.apply(&vector))
    }
}

impl Pool for ScorePool {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let (tokens, width) = (Tokens::counted(states), self.values.width(states.width));
        if tokens.rows.is_empty() {
            let count = if self.gives_several() { self.scorer.branches() } else { 1 };
            return Ok(tokens.pooled_all(width, &vec![(vec![0.0; width], Vec::new()); count], true));
        }
        let mut branches = self.scorer.scores(&tokens.rows);
        branches.iter_mut().for_each(|scores| softmax_hiding(scores, self.hide_top));
        let values = each(self.values.value.as_ref(), &tokens.rows);
        let all: Vec<_> = match self.combine {
            Combine::Each => branches
                .into_iter()
                .map(|branch| (self.vector(std::slice::from_ref(&branch), &values), branch))
                .collect(),
            Combine::Concat => vec![(self.vector(&branches, &values), mean_of_heads(&branches))],
            Combine::Mean => {
                let mean = mean_of_heads(&branches);
                vec![(self.vector(std::slice::from_ref(&mean), &values), mean)]
            }
        };
        Ok(tokens.pooled_all(width, &all, true))
    }

    fn width(&self, sizes: Sizes) -> usize {
        self.values.width(sizes.hidden_size)
    }

    fn gives_several(&self) -> bool {
        self.combine == Combine::Each && self.scorer.branches() > 1
    }

    /// An attention whose query is `w`, and whose keys are what the scorer makes of the tokens.
    fn device_form(&self, sizes: Sizes) -> Option<DeviceForm> {
        if self.scorer.branches() > 1 || self.scorer.gated() || self.norm.is_some() {
            return None;
        }
        let source = Source::Learned(self.scorer.score.row(0).to_vec());
        let projections = Projections { key: self.scorer.hidden.clone(), ..self.values.clone() };
        let attention = Attention { projections, heads: 1, scale: Scale::One, hide_top: self.hide_top };
        attention.device_form(&source, false, Activation::Tanh, sizes.hidden_size)
    }
}
