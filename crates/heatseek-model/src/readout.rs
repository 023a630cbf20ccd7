//! What each token gave to a vector: its own way into the space of vectors, and how much of that was taken.

use heatseek_ops::{Activation, BufferId, Gemm, LayerNorm, Op, Pooling, ProgramError, Rows};

use crate::builder::{Builder, Encoded};
use crate::modules::{Pipeline, PipelineStep};
use crate::weights::Linear;

/// The output that holds the rows that are pooled where [`heatseek_ops::HIDDEN`] is not these.
pub(crate) const STATES: &str = "states";

/// The output that holds each token carried into the space of vectors as if it were all there is.
pub(crate) const TOKEN_VECTORS: &str = "token_vectors";

/// A vector as a sum over tokens: weight times token vector, before it gets unit length. There is one where all
/// that follows the encoder is linear.
#[derive(Clone, Debug, PartialEq)]
pub struct Readout {
    pooling: Pooling,
    constant: Vec<f64>,
}

impl Readout {
    /// `None` where something is not linear: pooling by the maximum, a Dense layer with an activation, or one
    /// behind a scaling to unit length. `dense` holds the Dense layers of `steps`, in order.
    pub(crate) fn new(pooling: Pooling, steps: &[PipelineStep], dense: &[Linear]) -> Option<Self> {
        let last = steps.iter().rposition(|step| *step != PipelineStep::Normalize).map_or(0, |at| at + 1);
        let linear = |step: &PipelineStep| match step {
            PipelineStep::Dense(dense) => dense.activation == Activation::Identity,
            PipelineStep::Normalize => false,
        };
        if pool_weights(pooling, 1).is_none() || !steps[..last].iter().all(linear) {
            return None;
        }
        Some(Self { pooling, constant: dense.iter().fold(Vec::new(), |x, layer| apply(layer, &x)) })
    }

    /// How much each of `tokens` tokens weighs; see [`Pooling`].
    pub fn weights(&self, tokens: usize) -> Vec<f64> {
        pool_weights(self.pooling, tokens).unwrap_or_default()
    }

    /// What the biases of the Dense layers add to every token vector, and once to the vector itself; empty
    /// without Dense layers.
    pub fn constant(&self) -> &[f64] {
        &self.constant
    }
}

/// How much each of `tokens` tokens weighs in a vector, whatever follows; `None` of those, like the
/// maximum, that weigh columns and not tokens.
pub(crate) fn pool_weights(pooling: Pooling, tokens: usize) -> Option<Vec<f64>> {
    let n = tokens as f64;
    let weight = |at: usize| {
        Some(match pooling {
            Pooling::Mean => 1.0 / n,
            Pooling::MeanSqrtLen => 1.0 / n.sqrt(),
            Pooling::WeightedMean => (at + 1) as f64 / (n * (n + 1.0) / 2.0),
            Pooling::Cls => f64::from(at == 0),
            Pooling::Last => f64::from(at + 1 == tokens),
            _ => return None,
        })
    };
    (0..tokens).map(weight).collect()
}

/// The layer of `x`, of which nothing stands for zeros.
fn apply(layer: &Linear, x: &[f64]) -> Vec<f64> {
    let bias = layer.bias.values();
    let mut y: Vec<f64> = bias.iter().map(|&b| f64::from(b)).collect();
    if !x.is_empty() {
        let weight = layer.weight.values();
        for (y, row) in y.iter_mut().zip(weight.chunks_exact(x.len())) {
            *y += row.iter().zip(x).map(|(&w, &x)| f64::from(w) * x).sum::<f64>();
        }
    }
    y
}

impl Builder {
    /// The outputs [`STATES`] and [`TOKEN_VECTORS`], where they are not others; `dense` holds the Dense layers of
    /// `pipeline`, in order. The buffers of the layers are free by now.
    pub(crate) fn token_outputs(
        &mut self,
        pipeline: &Pipeline,
        dense: &[[BufferId; 2]],
        encoded: &Encoded,
    ) -> Result<(), ProgramError> {
        let (mut width, eps) = (self.sizes.hidden_size, self.sizes.layer_norm_eps);
        let mut states = encoded.rows;
        let mut ops: Vec<(Op, Vec<BufferId>)> = Vec::new();
        if let Some(norm) = encoded.norm {
            states = self.z_mid;
            ops.push((LayerNorm { width, eps }.into(), vec![encoded.rows, norm, states]));
        }
        if encoded.hidden_before_norm {
            let output = self.program.output(STATES, states);
            for (op, buffers) in &ops {
                self.program.push_for(output, op.clone(), Rows::Tokens, buffers)?;
            }
        }
        let layers = pipeline.steps.iter().filter_map(|step| match step {
            PipelineStep::Dense(config) => Some(config),
            PipelineStep::Normalize => None,
        });
        let mut y = states;
        for (config, &[weight, bias]) in layers.zip(dense) {
            let x = y;
            width = config.out_features;
            y = self.program.activation(format!("{TOKEN_VECTORS}.dense"), Rows::Tokens, width);
            let op = Gemm { activation: config.activation, ..Gemm::linear(config.in_features, width) };
            ops.push((op.into(), vec![x, weight, bias, y]));
        }
        if dense.is_empty() {
            return Ok(());
        }
        let output = self.program.output(TOKEN_VECTORS, y);
        ops.into_iter()
            .try_for_each(|(op, buffers)| self.program.push_for(output, op, Rows::Tokens, &buffers))
    }
}

#[cfg(test)]
mod tests {
    use heatseek_ops::Tensor;

    use super::*;
    use crate::DenseConfig;

    fn dense(activation: Activation) -> PipelineStep {
        let folder = String::new();
        PipelineStep::Dense(DenseConfig { folder, in_features: 2, out_features: 2, bias: true, activation })
    }

    #[test]
    fn only_what_is_linear_has_a_readout() {
        let of = |pooling, steps: &[PipelineStep]| Readout::new(pooling, steps, &[]).is_some();
        let (linear, unit) = (dense(Activation::Identity), PipelineStep::Normalize);
        for pooling in Pooling::OF_MODELS {
            assert_eq!(of(pooling, &[linear.clone(), unit.clone(), unit.clone()]), pooling != Pooling::Max);
        }
        assert!(!of(Pooling::Mean, &[dense(Activation::Tanh)]));
        assert!(!of(Pooling::Mean, &[unit, linear]));
    }

    #[test]
    fn biases_go_through_later_layers() {
        let layer = |weight: [f32; 4], bias: [f32; 2]| Linear {
            weight: Tensor::new(&[2, 2], weight.to_vec()),
            bias: Tensor::new(&[2], bias.to_vec()),
        };
        let layers = [layer([9.0, 9.0, 9.0, 9.0], [1.0, 2.0]), layer([1.0, 10.0, 0.0, 3.0], [0.5, -1.0])];
        let steps = [dense(Activation::Identity), dense(Activation::Identity)];
        let readout = Readout::new(Pooling::Cls, &steps, &layers);
        assert_eq!(readout.map(|r| r.constant), Some(vec![21.5, 5.0]));
    }

    #[test]
    fn weights_are_those_of_pooling() {
        let weights = |pooling| Readout { pooling, constant: Vec::new() }.weights(4);
        assert_eq!(weights(Pooling::Mean), [0.25; 4]);
        assert_eq!(weights(Pooling::MeanSqrtLen), [0.5; 4]);
        assert_eq!(weights(Pooling::WeightedMean), [0.1, 0.2, 0.3, 0.4]);
        assert_eq!(weights(Pooling::Cls), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(weights(Pooling::Last), [0.0, 0.0, 0.0, 1.0]);
    }
}
