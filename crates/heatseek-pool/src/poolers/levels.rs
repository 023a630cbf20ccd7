//! Layers as levels of detail: gates of whole layers, or of every token.

use super::Pool;
use super::layer::chosen;
use crate::math::{dot, sigmoid, softmax, to_f64};
use crate::registry::{Kind, Row};
use crate::tokens::weighted;
use crate::{Layers, Needs, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "levels",
    aliases: &[],
    papers: &[
        (28, "Medusa: Universal Feature Learning via Attentional Multitasking"),
        (112, "Dynamic Head: Unifying Object Detection Heads with Attentions"),
    ],
    equation: "gate: mean over l of hσ(ReLU(w·mean_t Z_l + b)) Z_l, hσ(x) = clamp((x+3)/6, 0, 1); scales: f_l = σ(Z_l ⊙ W_l) ⊙ Z_l, Σ_l softmax_l(w_l·f_l[t]) f_l[t]; then the mean of the tokens",
    options: "kind=gate (or scales), layers=all (or last_4, or a list)",
    tensors: "gate: w [D], b [1]; scales: W [n, D], w [n, D]",
    kind: Kind::Learned,
    expect: "which layers matter, learned for a task",
    make: |options, params, sizes| {
        let layers = chosen(options, sizes, (1..=sizes.num_hidden_layers).collect())?;
        let (n, width) = (layers.len(), sizes.hidden_size);
        let scales = options.word("kind", false, &[("gate", false), ("scales", true)])?;
        let tensors = if scales { "W [layers, D] and w [layers, D]" } else { "w [D] and b [1]" };
        let params = params.ok_or(PoolError::NeedsWeights { pooler: "levels", tensors })?;
        let kind = match scales {
            true => Gates::Scales {
                mask: params.require("W", &[n, width])?.to_vec(),
                score: params.require("w", &[n, width])?.to_vec(),
            },
            false => Gates::Level {
                weight: params.require("w", &[width])?.to_vec(),
                bias: f64::from(params.or_zeros("b", &[1])?[0]),
            },
        };
        Ok(Box::new(Levels { layers, kind }))
    },
}];

enum Gates {
    Level { weight: Vec<f32>, bias: f64 },
    Scales { mask: Vec<f32>, score: Vec<f32> },
}

struct Levels {
    layers: Vec<usize>,
    kind: Gates,
}

impl Pool for Levels {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let (width, counted) = (states.width, states.counted());
        let n = counted.len().max(1) as f64;
        let row = |layer: usize, token: usize| to_f64(states.row(states.hidden[layer], token));
        let mut vector = vec![0.0; width];
        let mut add = |rows: &[Vec<f64>], weights: &[f64]| {
            let sum = weighted(rows, width, weights);
            vector.iter_mut().zip(sum).for_each(|(vector, v)| *vector += v);
        };
        match &self.kind {
            Gates::Level { weight, bias } => {
                for layer in 0..self.layers.len() {
                    let rows: Vec<_> = counted.clone().map(|token| row(layer, token)).collect();
                    let mean = weighted(&rows, width, &vec![1.0 / n; rows.len()]);
                    let gate = (((dot(&mean, weight) + bias).max(0.0) + 3.0) / 6.0).clamp(0.0, 1.0);
                    add(&[mean], &[gate / self.layers.len() as f64]);
                }
            }
            Gates::Scales { mask, score } => {
                for token in counted {
                    let masked = |layer: usize| -> Vec<f64> {
                        let mask = &mask[layer * width..];
                        row(layer, token)
                            .iter()
                            .zip(mask)
                            .map(|(x, &m)| sigmoid(x * f64::from(m)) * x)
                            .collect()
                    };
                    let scales: Vec<Vec<f64>> = (0..self.layers.len()).map(masked).collect();
                    let mut shares: Vec<f64> = scales
                        .iter()
                        .enumerate()
                        .map(|(l, f)| dot(f, &score[l * width..][..width]))
                        .collect();
                    softmax(&mut shares);
                    shares.iter_mut().for_each(|share| *share /= n);
                    add(&scales, &shares);
                }
            }
        }
        Ok(Pooled { vectors: crate::math::to_f32(&vector), width, weights: None })
    }

    fn needs(&self) -> Needs {
        Needs { layers: Layers::These(self.layers.clone()), ..Needs::default() }
    }
}
