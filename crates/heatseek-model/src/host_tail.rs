//! What follows pooling, in host memory: for vectors that no device pooled.

use heatseek_ops::Activation;
use heatseek_ops::reference::activation;

use crate::modules::PipelineStep;
use crate::weights::Linear;

/// The Dense layers of a model and scaling to unit length, as sentence-transformers applies them to a pooled vector.
/// Sums are in f64.
#[derive(Clone, Debug)]
pub struct HostTail {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    /// Weight `[n, k]`, bias `[n]`.
    Dense {
        weight: Vec<f32>,
        bias: Vec<f32>,
        activation: Activation,
    },
    Normalize,
}

impl HostTail {
    /// `dense` holds the Dense layers of `steps`, in order; `normalize` decides what is done last.
    pub(crate) fn new(steps: &[PipelineStep], dense: &[Linear], normalize: bool) -> Self {
        let last = steps.iter().rposition(|step| *step != PipelineStep::Normalize).map_or(0, |at| at + 1);
        let mut dense = dense.iter();
        let read = |step: &PipelineStep| match step {
            PipelineStep::Normalize => Some(Step::Normalize),
            PipelineStep::Dense(config) => dense.next().map(|linear| Step::Dense {
                weight: linear.weight.values().to_vec(),
                bias: linear.bias.values().to_vec(),
                activation: config.activation,
            }),
        };
        let steps = steps[..last].iter().filter_map(read).chain(normalize.then_some(Step::Normalize));
        Self { steps: steps.collect() }
    }

    /// What width of pooled vectors it takes, and what width it gives; `None` if it takes any and keeps it.
    pub fn widths(&self) -> Option<[usize; 2]> {
        let widths = |step: &Step| match step {
            Step::Dense { weight, bias, .. } => Some([weight.len() / bias.len().max(1), bias.len()]),
            Step::Normalize => None,
        };
        let mut all = self.steps.iter().filter_map(widths);
        let first = all.next()?;
        Some([first[0], all.next_back().unwrap_or(first)[1]])
    }

    /// Whether the vectors it gives have unit length.
    pub fn normalizes(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Normalize))
    }

    /// What becomes of `vector`, whose width must be that of [`HostTail::widths`].
    pub fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let mut x: Vec<f64> = vector.iter().map(|&v| f64::from(v)).collect();
        for step in &self.steps {
            match step {
                Step::Normalize => {
                    // As PyTorch's `functional.normalize`.
                    let length = x.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
                    x.iter_mut().for_each(|v| *v /= length);
                }
                Step::Dense { weight, bias, activation: kind } => {
                    let rows = weight.chunks_exact(x.len().max(1)).zip(bias);
                    x = rows
                        .map(|(row, &bias)| {
                            let sum: f64 = row.iter().zip(&x).map(|(&w, x)| f64::from(w) * x).sum();
                            activation(*kind, sum + f64::from(bias))
                        })
                        .collect();
                }
            }
        }
        x.into_iter().map(|v| v as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use heatseek_ops::Tensor;

    use super::*;
    use crate::DenseConfig;

    #[test]
    fn dense_layers_and_unit_length_by_hand() {
        let folder = String::new();
        let config =
            DenseConfig { folder, in_features: 2, out_features: 3, bias: true, activation: Activation::Relu };
        let steps = [PipelineStep::Dense(config), PipelineStep::Normalize];
        let dense = [Linear {
            weight: Tensor::new(&[3, 2], vec![1.0, 1.0, 2.0, 0.0, -1.0, 0.0]),
            bias: Tensor::new(&[3], vec![1.0, -2.0, 0.5]),
        }];
        let raw = HostTail::new(&steps, &dense, false);
        assert_eq!((raw.apply(&[2.0, -1.0]), raw.widths()), (vec![2.0, 2.0, 0.0], Some([2, 3])));
        let unit = HostTail::new(&steps, &dense, true).apply(&[2.0, -1.0]);
        assert!((unit[0] - 0.5f32.sqrt()).abs() < 1e-7 && unit[2] == 0.0, "{unit:?}");
        let none = HostTail::new(&[], &[], false);
        assert_eq!((none.apply(&[2.0]), none.widths(), none.normalizes()), (vec![2.0], None, false));
        assert_eq!(HostTail::new(&[], &[], true).apply(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
