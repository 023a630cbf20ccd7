//! Learned linear maps, in PyTorch's orientation.

use heatseek_ops::{Activation, Tensor};

use crate::math::dot;
use crate::{Params, PoolError, Projection};

/// `x W^T + b`.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// `[outputs, inputs]`.
    weight: Vec<f32>,
    /// `[outputs]`.
    bias: Vec<f32>,
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
}

impl Linear {
    /// Tensors `{name}.weight` `[outputs, inputs]` and, if there is one, `{name}.bias` `[outputs]`. Without `outputs`
    /// there are as many as the tensor has rows.
    pub(crate) fn read(
        params: &Params,
        name: &str,
        outputs: Option<usize>,
        inputs: usize,
    ) -> Result<Self, PoolError> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let rows = params.get(&weight).and_then(|(shape, _)| shape.first().copied());
        Self::of(params, &weight, &bias, outputs.or(rows).unwrap_or(inputs), inputs)
    }

    /// The same by the names of the two tensors.
    pub(crate) fn of(
        params: &Params,
        weight: &str,
        bias: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Self, PoolError> {
        let weight = params.require(weight, &[outputs, inputs])?.to_vec();
        Ok(Self { weight, bias: params.or_zeros(bias, &[outputs])?, outputs, inputs })
    }

    /// Of its values, `weight` row by row.
    pub(crate) fn plain(weight: Vec<f32>, bias: Vec<f32>) -> Self {
        let outputs = bias.len();
        Self { inputs: weight.len() / outputs, outputs, weight, bias }
    }

    /// The same where the file has it; `None` stands for the identity.
    pub(crate) fn optional(
        params: Option<&Params>,
        name: &str,
        outputs: Option<usize>,
        inputs: usize,
    ) -> Result<Option<Self>, PoolError> {
        let params = params.filter(|params| params.get(&format!("{name}.weight")).is_some());
        params.map(|params| Self::read(params, name, outputs, inputs)).transpose()
    }

    /// Of one vector.
    pub(crate) fn apply(&self, x: &[f64]) -> Vec<f64> {
        let rows = self.weight.chunks_exact(self.inputs.max(1)).zip(&self.bias);
        rows.map(|(row, bias)| f64::from(*bias) + dot(x, row)).collect()
    }

    /// Rows from `first` on, `count` of them: one part of several that are stacked.
    pub(crate) fn part(&self, first: usize, count: usize) -> Self {
        let inputs = self.inputs;
        Self {
            weight: self.weight[first * inputs..][..count * inputs].to_vec(),
            bias: self.bias[first..][..count].to_vec(),
            outputs: count,
            inputs,
        }
    }

    /// Row `row` of the weight.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.weight[row * self.inputs..][..self.inputs]
    }

    /// Element `row` of the bias.
    pub(crate) fn bias(&self, row: usize) -> f64 {
        f64::from(self.bias[row])
    }

    /// For a device.
    pub(crate) fn projection(&self, activation: Activation) -> Projection {
        Projection {
            weight: Tensor::new(&[self.outputs, self.inputs], self.weight.clone()),
            bias: Tensor::new(&[self.outputs], self.bias.clone()),
            activation,
        }
    }
}

/// `apply` of the map if there is one, otherwise the rows as they are.
pub(crate) fn each(map: Option<&Linear>, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    rows.iter().map(|row| map.map_or_else(|| row.clone(), |map| map.apply(row))).collect()
}
