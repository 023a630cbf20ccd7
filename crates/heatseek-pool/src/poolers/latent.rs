//! Learned latents that attend to the means of layers, or to tokens.

use heatseek_ops::{Activation, reference::activation};

use super::Pool;
use super::gram::to_unit;
use super::layer::chosen;
use crate::attn::{Attention, Projections, Scale, mean_of_heads, sum_by_head};
use crate::math::{to_f32, to_f64};
use crate::matrix::{Matrix, columns};
use crate::norm::Norm;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::{Tokens, weighted};
use crate::{Layers, Needs, Params, PoolError, Pooled, States};

const PAPER: &[(u16, &str)] =
    &[(23, "Pooling And Attention: What Are Effective Designs For LLM-Based Embedding Models?")];

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "latent_layers",
        aliases: &[],
        papers: PAPER,
        equation: "u_l = mean_t Z_l + E_l; x = softmax(LN(R)W_q (LN(u)W_k)ᵀ/√d) LN(u)W_v W_o + R; x + GEGLU(LN(x)W_1)W_2; l2(mean of the latents)",
        options: "layers=all (or last_4, or a list), heads=1",
        tensors: "R [r, D], E [n, D], W_q [D, i], W_kv [D, 2i], W_o [i, D], W_1 [D, 8D], W_2 [4D, D]; ln_latents, ln_states, ln_feed, each .weight and .bias [D], where they are not 1 and 0",
        kind: Kind::Learned,
        expect: "which layer says most, learned; for language models",
        make: |options, params, sizes| {
            let layers = chosen(options, sizes, (1..=sizes.num_hidden_layers).collect())?;
            Ok(Box::new(Latent::read("latent_layers", options, params, sizes, Some(layers))?))
        },
    },
    Row {
        name: "latent_tokens",
        aliases: &[],
        papers: PAPER,
        equation: "as latent_layers with the tokens of the last layer for u",
        options: "heads=1",
        tensors: "those of latent_layers without E",
        kind: Kind::Learned,
        expect: "the latent attention of NV-Embed and its kin",
        make: |options, params, sizes| {
            Ok(Box::new(Latent::read("latent_tokens", options, params, sizes, None)?))
        },
    },
];

struct Latent {
    /// Those attended to by their means; `None` for the tokens of the last.
    layers: Option<Vec<usize>>,
    /// `[r][D]`.
    latents: Vec<Vec<f64>>,
    /// `[n][D]`.
    embeddings: Vec<Vec<f64>>,
    query: Matrix,
    key_value: Matrix,
    output: Matrix,
    up: Matrix,
    down: Matrix,
    norms: [Norm; 3],
    attention: Attention,
}

impl Latent {
    fn read(
        pooler: &'static str,
        options: &mut Options<'_>,
        params: Option<&Params>,
        sizes: Sizes,
        layers: Option<Vec<usize>>,
    ) -> Result<Self, PoolError> {
        let d = sizes.hidden_size;
        let tensors = "R, W_q, W_kv, W_o, W_1, W_2 and, for layers, E";
        let params = params.ok_or(PoolError::NeedsWeights { pooler, tensors })?;
        let inner = columns(params, "W_q", d)?;
        let rows = params.get("R").and_then(|(shape, _)| shape.first().copied()).unwrap_or(1).max(1);
        let table = |name: &str, rows: usize| -> Result<Vec<Vec<f64>>, PoolError> {
            Ok(params.require(name, &[rows, d])?.chunks_exact(d).map(to_f64).collect())
        };
        let norm = |name: &str| Norm::read(Some(params), name, d, 1e-5);
        let heads = options.parts("heads", 1, inner)?;
        Ok(Self {
            latents: table("R", rows)?,
            embeddings: layers.as_ref().map_or(Ok(Vec::new()), |layers| table("E", layers.len()))?,
            layers,
            query: Matrix::read(params, "W_q", "b_q", [d, inner])?,
            key_value: Matrix::read(params, "W_kv", "b_kv", [d, 2 * inner])?,
            output: Matrix::read(params, "W_o", "b_o", [inner, d])?,
            up: Matrix::read(params, "W_1", "b_1", [d, 8 * d])?,
            down: Matrix::read(params, "W_2", "b_2", [4 * d, d])?,
            norms: [norm("ln_latents")?, norm("ln_states")?, norm("ln_feed")?],
            attention: Attention {
                projections: Projections::default(),
                heads,
                scale: Scale::SqrtHead,
                hide_top: 0,
            },
        })
    }

    /// The vector, and what the latents gave each state on average.
    fn vector(&self, states: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
        let d = self.latents[0].len();
        let projected = states.iter().map(|u| self.key_value.apply(&self.norms[1].apply(u)));
        let (keys, values): (Vec<_>, Vec<_>) = projected
            .map(|mut key| {
                let value = key.split_off(key.len() / 2);
                (key, value)
            })
            .unzip();
        let (mut mean, mut shares) = (vec![0.0; d], vec![0.0; states.len()]);
        let r = self.latents.len() as f64;
        for latent in &self.latents {
            let query = self.query.apply(&self.norms[0].apply(latent));
            let weights = self.attention.weights(&query, &keys);
            let attended = self.output.apply(&sum_by_head(&weights, &values));
            let x: Vec<f64> = attended.iter().zip(latent).map(|(a, r)| a + r).collect();
            let up = self.up.apply(&self.norms[2].apply(&x));
            let (left, gate) = up.split_at(up.len() / 2);
            let gated: Vec<f64> =
                left.iter().zip(gate).map(|(x, &g)| x * activation(Activation::GeluErf, g)).collect();
            let fed = self.down.apply(&gated);
            mean.iter_mut().zip(x.iter().zip(fed)).for_each(|(mean, (x, fed))| *mean += (x + fed) / r);
            shares.iter_mut().zip(mean_of_heads(&weights)).for_each(|(share, w)| *share += w / r);
        }
        to_unit(&mut mean);
        (mean, shares)
    }
}

impl Pool for Latent {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let (tokens, width) = (Tokens::counted(states), states.width);
        let n = tokens.rows.len();
        if n == 0 {
            return Ok(tokens.nothing(width));
        }
        if self.layers.is_none() {
            let (vector, shares) = self.vector(&tokens.rows);
            return Ok(tokens.pooled(&vector, Some(&shares)));
        }
        let even = vec![1.0 / n as f64; n];
        let means: Vec<Vec<f64>> = states
            .hidden
            .iter()
            .zip(&self.embeddings)
            .map(|(layer, embedding)| {
                let rows: Vec<Vec<f64>> =
                    states.counted().map(|token| to_f64(states.row(layer, token))).collect();
                weighted(&rows, width, &even).iter().zip(embedding).map(|(m, e)| m + e).collect()
            })
            .collect();
        // Layers have weights here, tokens all the same.
        Ok(Pooled { vectors: to_f32(&self.vector(&means).0), width, weights: None })
    }

    fn needs(&self) -> Needs {
        Needs { layers: self.layers.clone().map_or(Layers::Last, Layers::These), ..Needs::default() }
    }
}
