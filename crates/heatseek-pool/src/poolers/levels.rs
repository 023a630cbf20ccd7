//! Layers as levels of detail: gates of whole layers, of channels, or of every token.

use super::Pool;
use super::layer::chosen;
use crate::deform::Deformable;
use crate::dyrelu::{DyRelu, hard_sigmoid};
use crate::math::{dot, sigmoid, softmax, to_f32, to_f64};
use crate::matrix::Matrix;
use crate::registry::{Kind, Row};
use crate::tokens::weighted;
use crate::{Layers, Needs, Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "levels",
    aliases: &[],
    papers: &[
        (28, "Medusa: Universal Feature Learning via Attentional Multitasking"),
        (112, "Dynamic Head: Unifying Object Detection Heads with Attentions"),
    ],
    equation: "gate: F = mean over l of hσ(ReLU(w·mean_t Z_l + b)) Z_l, hσ(x) = clamp((x+3)/6, 0, 1); task: F = mean over l of Z_l, then max(α_1 F + β_1, α_2 F + β_2) of each channel, [α_1, β_1, α_2, β_2] = [1, 0, 0, 0] + [2, 1, 2, 1] (hσ(fc.2 ReLU(fc.0 mean_t F)) − ½); gate_task: the one on the other, in this order; spatial: between the two, F[p] = Σ_k W_k F[p + k + Δ_pk] σ(m_pk) over the 3 × 3 taps k of patch p, Δ and m by a convolution of the middle layer; scales: f_l = σ(Z_l W_l + b_l) ⊙ Z_l, Σ_l softmax_l(w_l·f_l[t] + k_l) f_l[t]; then the mean of the tokens",
    options: "kind=gate (or task, gate_task, scales), layers=all (or last_4, or a list), spatial=false (true: of pictures, not of scales)",
    tensors: "gate: w [D], b [1]; task: fc.0.weight [s, D], fc.2.weight [4D, s], each optionally with .bias; spatial: offset.weight [27, D, 3, 3], offset.bias [27], conv.weight [D, D, 3, 3], or [n, D, D, 3, 3] for one each; scales: W [n, D, D], or [n, D] which is multiplied with each channel, w [n, D], and optionally b [n, D], k [n]",
    kind: Kind::Learned,
    expect: "which layers and channels matter, learned for a task",
    make: |options, params, sizes| {
        let layers = chosen(options, sizes, (1..=sizes.num_hidden_layers).collect())?;
        let kinds = [("gate", (true, false)), ("task", (false, true)), ("gate_task", (true, true))];
        let kinds: Vec<_> =
            kinds.map(|(word, which)| (word, Some(which))).into_iter().chain([("scales", None)]).collect();
        let kind = options.word("kind", kinds[0].1, &kinds)?;
        let spatial = options.yes("spatial")?.unwrap_or(false);
        if spatial && kind.is_none() {
            return Err(options.wrong("spatial", "true".into(), "false where kind is scales"));
        }
        let tensors = match kind {
            None => "W [layers, D, D] or [layers, D], and w [layers, D]",
            Some((true, false)) => "w [D] and b [1]",
            Some((false, _)) => "fc.0.weight [s, D] and fc.2.weight [4D, s]",
            Some((true, true)) => "w [D], b [1], fc.0.weight [s, D] and fc.2.weight [4D, s]",
        };
        let params = params.ok_or(PoolError::NeedsWeights { pooler: "levels", tensors })?;
        let width = sizes.hidden_size;
        let gates = match kind {
            None => Gates::Scales(Scales::read(params, layers.len(), width)?),
            Some((level, task)) => Gates::Levels {
                level: level.then(|| LevelGate::read(params, width)).transpose()?,
                spatial: spatial.then(|| Deformable::read(params, layers.len(), width)).transpose()?,
                task: task.then(|| DyRelu::read(params, width)).transpose()?,
            },
        };
        Ok(Box::new(Levels { layers, gates }))
    },
}];

enum Gates {
    /// Dynamic Head: a gate of each layer, what is around each patch, then a gate of each channel.
    Levels { level: Option<LevelGate>, spatial: Option<Deformable>, task: Option<DyRelu> },
    /// Medusa.
    Scales(Scales),
}

/// `hσ(ReLU(w · mean + b))`.
struct LevelGate {
    weight: Vec<f32>,
    bias: f64,
}

impl LevelGate {
    fn read(params: &Params, width: usize) -> Result<Self, PoolError> {
        let bias = f64::from(params.or_zeros("b", &[1])?[0]);
        Ok(Self { weight: params.require("w", &[width])?.to_vec(), bias })
    }

    fn of(&self, mean: &[f64]) -> f64 {
        hard_sigmoid((dot(mean, &self.weight) + self.bias).max(0.0))
    }
}

/// Masks of all channels and scores, of each layer.
struct Scales {
    masks: Vec<Mask>,
    /// `[n][D]` and `[n]`.
    scores: Vec<(Vec<f32>, f64)>,
}

/// What σ is of.
enum Mask {
    Full(Matrix),
    Diagonal { weight: Vec<f32>, bias: Vec<f32> },
}

impl Scales {
    fn read(params: &Params, n: usize, width: usize) -> Result<Self, PoolError> {
        let masks = match params.get("W") {
            Some((&[layers, ..], _)) if layers == n && params.get("W").is_some_and(|(s, _)| s.len() == 3) => {
                Matrix::several(params, "W", "b", [width, width])?.into_iter().map(Mask::Full).collect()
            }
            _ => {
                let (weight, bias) = (params.require("W", &[n, width])?, params.or_zeros("b", &[n, width])?);
                let rows = weight.chunks_exact(width).zip(bias.chunks_exact(width));
                rows.map(|(w, b)| Mask::Diagonal { weight: w.to_vec(), bias: b.to_vec() }).collect()
            }
        };
        let scores = params.require("w", &[n, width])?.chunks_exact(width).map(<[f32]>::to_vec);
        let scores = scores.zip(to_f64(&params.or_zeros("k", &[n])?)).collect();
        Ok(Self { masks, scores })
    }

    /// One row of what token has in each layer.
    fn of(&self, layers: &[Vec<f64>]) -> Vec<f64> {
        let scales: Vec<Vec<f64>> = layers.iter().zip(&self.masks).map(|(x, mask)| mask.apply(x)).collect();
        let scores = scales.iter().zip(&self.scores).map(|(f, (w, k))| dot(f, w) + k);
        let mut shares: Vec<f64> = scores.collect();
        softmax(&mut shares);
        weighted(&scales, layers[0].len(), &shares)
    }
}

impl Mask {
    /// `σ(x W + b) ⊙ x`.
    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let inner: Vec<f64> = match self {
            Self::Full(matrix) => matrix.apply(x),
            Self::Diagonal { weight, bias } => {
                let affine = weight.iter().zip(bias);
                x.iter().zip(affine).map(|(x, (&w, &b))| x * f64::from(w) + f64::from(b)).collect()
            }
        };
        inner.into_iter().zip(x).map(|(inner, x)| sigmoid(inner) * x).collect()
    }
}

struct Levels {
    layers: Vec<usize>,
    gates: Gates,
}

impl Levels {
    /// The tokens that count, the layers of each made one.
    fn rows(&self, states: &States<'_>) -> Result<Vec<Vec<f64>>, PoolError> {
        let (width, n) = (states.width, states.counted().len());
        let row = |layer: &&[f32], token| to_f64(states.row(layer, token));
        let layers_of = |token| states.hidden.iter().map(|layer| row(layer, token)).collect::<Vec<_>>();
        match &self.gates {
            Gates::Scales(scales) => Ok(states.counted().map(|token| scales.of(&layers_of(token))).collect()),
            Gates::Levels { level, spatial, task } => {
                let gate = |layer: &&[f32]| {
                    let rows: Vec<_> = states.counted().map(|token| row(layer, token)).collect();
                    let gate = |gate: &LevelGate| gate.of(&weighted(&rows, width, &vec![1.0 / n as f64; n]));
                    level.as_ref().map_or(1.0, gate) / self.layers.len() as f64
                };
                let gates: Vec<f64> = states.hidden.iter().map(gate).collect();
                let mut rows: Vec<_> = match spatial {
                    Some(spatial) => around(states, spatial, &gates)?,
                    None => {
                        let gated = |token| weighted(&layers_of(token), width, &gates);
                        states.counted().map(gated).collect()
                    }
                };
                task.iter().for_each(|task| task.apply(&mut rows));
                Ok(rows)
            }
        }
    }
}

/// The patches that count, by what is around them in each layer times its gate. Others are as outside the picture.
fn around(states: &States<'_>, spatial: &Deformable, gates: &[f64]) -> Result<Vec<Vec<f64>>, PoolError> {
    let Some((prefix, rows, columns)) = states.grid else {
        return Err(PoolError::States {
            pooler: "levels",
            what: "the grid of patches that `spatial` is over".into(),
            got: "none".into(),
            expected: "that of a picture".into(),
        });
    };
    let counts = |token: &usize| states.counted().contains(token);
    let patches = prefix..prefix + rows * columns;
    let level = |(layer, gate): (&&[f32], &f64)| -> Vec<Vec<f64>> {
        let row = |token| states.row(layer, token).iter().map(|&v| f64::from(v) * gate).collect();
        let patch = |token| if counts(&token) { row(token) } else { vec![0.0; states.width] };
        patches.clone().map(patch).collect()
    };
    let levels: Vec<_> = states.hidden.iter().zip(gates).map(level).collect();
    // The paper's median level; `gates` have the mean over the levels in them.
    let middle = levels.len() / 2;
    let guide = levels[middle].iter();
    let guide = guide.map(|row| row.iter().map(|v| v * levels.len() as f64).collect()).collect();
    let all = spatial.apply(&guide, &levels, (rows, columns));
    Ok(all.into_iter().zip(patches).filter(|(_, token)| counts(token)).map(|(row, _)| row).collect())
}

impl Pool for Levels {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let (rows, width) = (self.rows(states)?, states.width);
        let vector = weighted(&rows, width, &vec![1.0 / rows.len() as f64; rows.len()]);
        Ok(Pooled { vectors: to_f32(&vector), width, weights: None })
    }

    fn needs(&self) -> Needs {
        Needs { layers: Layers::These(self.layers.clone()), ..Needs::default() }
    }
}
