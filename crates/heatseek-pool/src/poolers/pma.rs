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

const TENSORS: &str = "seeds [m, D], query, key, value and output, each .weight [D, D] and optionally .bias [D], optionally norm0 and norm1, each .weight [D] and .bias [D]; optionally the same of sab, as sab.query.weight, but for seeds";

pub(crate) const ROWS: &[Row] = &[Row {
    name: "pma",
    aliases: &[],
    papers: &[(1, "D2LLM"), (55, "Set Transformer")],
    equation: "O = r + concat_h softmax_t(q_h · k_th / √D) v_th; O = LN(O); z = LN(O + ReLU(W_O O)); r is q (set) or the seed (d2llm); with sab the vectors then attend to each other in the same way, r the query",
    options: "kind=set|d2llm (set), heads (4), hide_top: the largest scores of each head hidden (0)",
    tensors: TENSORS,
    kind: Kind::Learned,
    expect: "as good as its training; several seeds give several vectors",
    make: pma,
}];

/// PyTorch's default.
const EPS: f64 = 1e-5;

struct Pma {
    seeds: Vec<Vec<f64>>,
    block: Block,
    /// What the vectors of several seeds then make of each other.
    sab: Option<Block>,
}

/// The Set Transformer's multi-head attention block.
struct Block {
    attention: Attention,
    feed_forward: Linear,
    norms: [Option<Norm>; 2],
    /// Whether the query is added as it is, not projected.
    raw: bool,
}

fn pma(options: &mut Options<'_>, params: Option<&Params>, sizes: Sizes) -> Result<Box<dyn Pool>, PoolError> {
    let raw = options.word("kind", false, &[("set", false), ("d2llm", true)])?;
    let width = sizes.hidden_size;
    let params = params.ok_or(PoolError::NeedsWeights { pooler: "pma", tensors: TENSORS })?;
    let several = params.get("seeds").and_then(|(shape, _)| shape.first().copied()).unwrap_or(1);
    let seeds = params.require("seeds", &[several, width])?.chunks_exact(width.max(1)).map(to_f64).collect();
    let heads = options.parts("heads", 4, width)?;
    let hide_top = options.whole("hide_top", 0)?;
    let sab = params.get("sab.query.weight").map(|_| Block::read(params, "sab.", width, (heads, 0), false));
    let block = Block::read(params, "", width, (heads, hide_top), raw)?;
    Ok(Box::new(Pma { seeds, block, sab: sab.transpose()? }))
}

impl Block {
    fn read(
        params: &Params,
        prefix: &str,
        width: usize,
        (heads, hide_top): (usize, usize),
        raw: bool,
    ) -> Result<Self, PoolError> {
        let square = |name: &str| Linear::read(params, &format!("{prefix}{name}"), Some(width), width);
        let projections = Projections {
            query: Some(square("query")?),
            key: Some(square("key")?),
            value: Some(square("value")?),
            output: None,
        };
        let norm = |name: &str| Norm::optional(params, &format!("{prefix}{name}"), width, EPS);
        Ok(Self {
            attention: Attention { projections, heads, scale: Scale::SqrtWidth, hide_top },
            feed_forward: square("output")?,
            norms: [norm("norm0")?, norm("norm1")?],
            raw,
        })
    }

    /// What `asks` makes of the rows, and how much of each.
    fn apply(&self, asks: &[f64], rows: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
        let query = self.attention.query(asks);
        let (attended, weights) = self.attention.attend(&query, rows);
        let norm = |norm: &Option<Norm>, x: Vec<f64>| match norm {
            None => x,
            Some(norm) => norm.apply(&x),
        };
        let added = if self.raw { asks } else { &query };
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
            false => self.block.apply(seed, &tokens.rows),
        };
        let mut all: Vec<_> = self.seeds.iter().map(pool).collect();
        if let Some(sab) = self.sab.as_ref().filter(|_| !tokens.rows.is_empty()) {
            let vectors: Vec<Vec<f64>> = all.iter().map(|(vector, _)| vector.clone()).collect();
            // Weights stay those of the seeds: what tokens weigh in the vectors that are mixed here.
            all.iter_mut().for_each(|(vector, _)| *vector = sab.apply(vector, &vectors).0);
        }
        Ok(tokens.pooled_all(states.width, &all, true))
    }

    fn gives_several(&self) -> bool {
        self.seeds.len() > 1
    }
}
