//! Pooling by multi-head attention of learned seeds: rows 1 and 55.

use super::Pool;
use crate::attn::{Attention, Projections, Scale};
use crate::linear::Linear;
use crate::math::to_f64;
use crate::norm::Norm;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{Params, PoolError, Pooled, States};

const TENSORS: &str = "seeds [m, D], query, key, value and output, each .weight [D, D] and optionally .bias [D], optionally norm0 and norm1, each .weight [D] and .bias [D]";

pub(crate) const ROWS: &[Row] = &[Row {
    name: "pma",
    aliases: &[],
    papers: &[(1, "D2LLM"), (55, "Set Transformer")],
    equation: "O = r + concat_h softmax_t(q_h · k_th / √D) v_th; O = LN(O); z = LN(O + ReLU(W_O O)); r is q (set) or the seed (d2llm)",
    options: "kind=set|d2llm (set), heads (4)",
    tensors: TENSORS,
    kind: Kind::Learned,
    expect: "as good as its training; several seeds give several vectors",
    make: pma,
}];

/// PyTorch's default.
const EPS: f64 = 1e-5;

struct Pma {
    seeds: Vec<Vec<f64>>,
    attention: Attention,
    feed_forward: Linear,
    norms: [Option<Norm>; 2],
    /// Whether the seed is added as it is, not projected.
    raw: bool,
}

fn pma(options: &mut Options<'_>, params: Option<&Params>, sizes: Sizes) -> Result<Box<dyn Pool>, PoolError> {
    let raw = options.word("kind", false, &[("set", false), ("d2llm", true)])?;
    let width = sizes.hidden_size;
    let params = params.ok_or(PoolError::NeedsWeights { pooler: "pma", tensors: TENSORS })?;
    let several = params.get("seeds").and_then(|(shape, _)| shape.first().copied()).unwrap_or(1);
    let seeds = params.require("seeds", &[several, width])?.chunks_exact(width.max(1)).map(to_f64).collect();
    let square = |name: &str| Linear::read(params, name, Some(width), width);
    let projections = Projections {
        query: Some(square("query")?),
        key: Some(square("key")?),
        value: Some(square("value")?),
        output: None,
    };
    let heads = projections.heads(options, 4, width)?;
    let norm = |name: &str| Norm::optional(params, name, width, EPS);
    Ok(Box::new(Pma {
        seeds,
        attention: Attention { projections, heads, scale: Scale::SqrtWidth, hide_top: 0 },
        feed_forward: square("output")?,
        norms: [norm("norm0")?, norm("norm1")?],
        raw,
    }))
}

impl Pma {
    fn of_seed(&self, seed: &[f64], rows: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
        let query = self.attention.query(seed);
        let (attended, weights) = self.attention.attend(&query, rows);
        let norm = |norm: &Option<Norm>, x: Vec<f64>| match norm {
            None => x,
            Some(norm) => norm.apply(&x),
        };
        let added = if self.raw { seed } else { &query };
        let o = norm(&self.norms[0], attended.iter().zip(added).map(|(a, b)| a + b).collect());
        let fed = self.feed_forward.apply(&o);
        (norm(&self.norms[1], o.iter().zip(fed).map(|(o, fed)| o + fed.max(0.0)).collect()), weights)
    }
}

impl Pool for Pma {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        let nothing = || (vec![0.0; states.width], Vec::new());
        let pool = |seed: &Vec<f64>| match tokens.rows.is_empty() {
            true => nothing(),
            false => self.of_seed(seed, &tokens.rows),
        };
        let all: Vec<_> = self.seeds.iter().map(pool).collect();
        Ok(tokens.pooled_all(states.width, &all, true))
    }

    fn gives_several(&self) -> bool {
        self.seeds.len() > 1
    }
}
