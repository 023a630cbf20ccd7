//! Learned linear maps as papers write them.

use crate::{Params, PoolError};

/// `x W + b`, W `[inputs, outputs]`.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Matrix {
    /// Tensor `weight` of `shape` `[inputs, outputs]`, and `bias` `[outputs]`, which is 0 where it is missing.
    pub(crate) fn read(
        params: &Params,
        weight: &str,
        bias: &str,
        shape: [usize; 2],
    ) -> Result<Self, PoolError> {
        let weight = params.require(weight, &shape)?.to_vec();
        Ok(Self { weight, bias: params.or_zeros(bias, &[shape[1]])? })
    }

    /// One each of several: tensor `weight` `[K, inputs, outputs]` and `bias` `[K, outputs]`; or one for all, as `read`
    /// has it.
    pub(crate) fn several(
        params: &Params,
        weight: &str,
        bias: &str,
        [inputs, outputs]: [usize; 2],
    ) -> Result<Vec<Self>, PoolError> {
        let Some((&[count, ..], 3)) = params.get(weight).map(|(shape, _)| (shape, shape.len())) else {
            return Ok(vec![Self::read(params, weight, bias, [inputs, outputs])?]);
        };
        let weights =
            params.require(weight, &[count.max(1), inputs, outputs])?.chunks_exact(inputs * outputs);
        let biases = params.or_zeros(bias, &[count, outputs])?;
        let one = |(weight, bias): (&[f32], &[f32])| Self { weight: weight.to_vec(), bias: bias.to_vec() };
        Ok(weights.zip(biases.chunks_exact(outputs)).map(one).collect())
    }

    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    pub(crate) fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    pub(crate) fn apply(&self, x: &[f64]) -> Vec<f64> {
        let mut sum: Vec<f64> = self.bias.iter().map(|&b| f64::from(b)).collect();
        for (x, row) in x.iter().zip(self.weight.chunks_exact(sum.len())) {
            sum.iter_mut().zip(row).for_each(|(sum, &w)| *sum += x * f64::from(w));
        }
        sum
    }
}

/// Columns of tensor `name` `[inputs, columns]`, or of several such, or how it is not there.
pub(crate) fn columns(params: &Params, name: &str, inputs: usize) -> Result<usize, PoolError> {
    match params.get(name) {
        Some((&[.., rows, columns], _)) if rows == inputs && columns > 0 => Ok(columns),
        found => Err(PoolError::Tensor {
            tensor: name.to_owned(),
            got: found.map_or("missing".to_owned(), |(shape, _)| format!("F32 {shape:?}")),
            expected: format!("F32 [{inputs}, any]"),
        }),
    }
}
