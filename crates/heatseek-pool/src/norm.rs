//! LayerNorm.

use crate::{Params, PoolError};

/// `(x − mean) / √(variance + eps) · weight + bias`.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f64,
}

impl Norm {
    /// Tensors `{name}.weight` and `{name}.bias`, `[width]`; what is missing is 1 or 0.
    pub(crate) fn read(
        params: Option<&Params>,
        name: &str,
        width: usize,
        eps: f64,
    ) -> Result<Self, PoolError> {
        let none = Params::default();
        let params = params.unwrap_or(&none);
        let weight = match params.get(&format!("{name}.weight")) {
            None => vec![1.0; width],
            Some(_) => params.require(&format!("{name}.weight"), &[width])?.to_vec(),
        };
        Ok(Self { weight, bias: params.or_zeros(&format!("{name}.bias"), &[width])?, eps })
    }

    /// The same where the file has the weight; `None` stands for no LayerNorm at all.
    pub(crate) fn optional(
        params: &Params,
        name: &str,
        width: usize,
        eps: f64,
    ) -> Result<Option<Self>, PoolError> {
        let there = params.get(&format!("{name}.weight")).is_some();
        there.then(|| Self::read(Some(params), name, width, eps)).transpose()
    }

    pub(crate) fn apply(&self, x: &[f64]) -> Vec<f64> {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let scale = (variance + self.eps).sqrt().recip();
        let affine = self.weight.iter().zip(&self.bias);
        x.iter().zip(affine).map(|(v, (&w, &b))| (v - mean) * scale * f64::from(w) + f64::from(b)).collect()
    }
}
