//! Weights as the ops want them: concatenated, or with a LayerNorm folded in. Everything is computed
//! when an executor asks for it, so that a Program holds no copy of the checkpoint.

use heatseek_ops::Tensor;

use crate::weights::{Linear, NormWeights};

/// `[2, width]`: gamma, beta.
pub(crate) fn affine(norm: &NormWeights) -> Tensor {
    let NormWeights { gamma, beta } = norm.clone();
    Tensor::computed(&[2, gamma.len()], move || [gamma.values(), beta.values()].concat())
}

/// The rows of several linear layers of one input, one below the other: weight `[Σn, k]`, bias `[Σn]`.
pub(crate) fn stack(parts: &[Linear]) -> Linear {
    if let [one] = parts {
        return one.clone();
    }
    let (n, k) = extents(parts);
    let weights: Vec<Tensor> = parts.iter().map(|p| p.weight.clone()).collect();
    let biases: Vec<Tensor> = parts.iter().map(|p| p.bias.clone()).collect();
    let concat = |tensors: Vec<Tensor>| {
        move || tensors.iter().flat_map(|t| t.values().into_owned()).collect::<Vec<f32>>()
    };
    Linear {
        weight: Tensor::computed(&[n, k], concat(weights)),
        bias: Tensor::computed(&[n], concat(biases)),
    }
}

/// A linear layer whose outputs are multiplied by `scale [n]`: a layer scale behind it.
pub(crate) fn scale_rows(linear: &Linear, scale: &Tensor) -> Linear {
    let scaled = |tensor: &Tensor| {
        let (values, scale, shape) = (tensor.clone(), scale.clone(), tensor.shape().to_vec());
        Tensor::computed(&shape, move || {
            let (values, scale) = (values.values(), scale.values());
            let width = (values.len() / scale.len().max(1)).max(1);
            let rows = values.chunks_exact(width).zip(&*scale);
            rows.flat_map(|(row, s)| row.iter().map(move |v| v * s)).collect()
        })
    };
    Linear { weight: scaled(&linear.weight), bias: scaled(&linear.bias) }
}

/// A linear layer of normalised rows as `heatseek_ops::Gemm` with `norm_in` wants it.
pub(crate) struct Folded {
    /// `gamma ⊙ W`, `[n, k]`.
    pub(crate) weight: Tensor,
    /// `b + W · beta`, `[n]`.
    pub(crate) bias: Tensor,
    /// Row sums of `weight`, `[n]`.
    pub(crate) colsum: Tensor,
}

/// Folds `norm` into the stacked `parts`, in f64, rounded once.
pub(crate) fn fold(norm: &NormWeights, parts: &[Linear]) -> Folded {
    let (n, k) = extents(parts);
    let source = move |make: fn(&[f32], &Linear, &NormWeights) -> Vec<f32>| {
        let (norm, parts) = (norm.clone(), parts.to_vec());
        move || parts.iter().flat_map(|p| make(&p.weight.values(), p, &norm)).collect::<Vec<f32>>()
    };
    Folded {
        weight: Tensor::computed(&[n, k], source(scaled)),
        bias: Tensor::computed(&[n], source(shifted)),
        colsum: Tensor::computed(&[n], source(sums)),
    }
}

fn extents(parts: &[Linear]) -> (usize, usize) {
    let k = parts.first().and_then(|p| p.weight.shape().get(1)).copied().unwrap_or_default();
    (parts.iter().map(|p| p.bias.len()).sum(), k)
}

fn scaled(weight: &[f32], _: &Linear, norm: &NormWeights) -> Vec<f32> {
    let gamma = norm.gamma.values();
    // A product of two f32 is exact in f64, so the product in f32 is that rounded once.
    weight.chunks_exact(gamma.len()).flat_map(|row| row.iter().zip(&*gamma).map(|(w, g)| w * g)).collect()
}

fn shifted(weight: &[f32], linear: &Linear, norm: &NormWeights) -> Vec<f32> {
    let (bias, beta) = (linear.bias.values(), norm.beta.values());
    let rows = weight.chunks_exact(beta.len()).zip(&*bias);
    rows.map(|(row, &b)| {
        let dot: f64 = row.iter().zip(&*beta).map(|(&w, &s)| f64::from(w) * f64::from(s)).sum();
        (f64::from(b) + dot) as f32
    })
    .collect()
}

/// Sums of the rounded `gamma ⊙ W`: what the GEMM multiplies the mean with must be what it summed up.
fn sums(weight: &[f32], linear: &Linear, norm: &NormWeights) -> Vec<f32> {
    let scaled = scaled(weight, linear, norm);
    let rows = scaled.chunks_exact(norm.gamma.len());
    rows.map(|row| row.iter().map(|&w| f64::from(w)).sum::<f64>() as f32).collect()
}
