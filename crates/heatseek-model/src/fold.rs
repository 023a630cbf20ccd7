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
    let concat = |len: usize, tensors: Vec<Tensor>| {
        move || {
            let mut all = Vec::with_capacity(len);
            tensors.iter().for_each(|tensor| all.extend_from_slice(&tensor.values()));
            all
        }
    };
    Linear {
        weight: Tensor::computed(&[n, k], concat(n * k, weights)),
        bias: Tensor::computed(&[n], concat(n, biases)),
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
    let source = move |len: usize, make: fn(&mut Vec<f32>, &[f32], &Linear, &NormWeights)| {
        let (norm, parts) = (norm.clone(), parts.to_vec());
        move || {
            let mut all = Vec::with_capacity(len);
            parts.iter().for_each(|part| make(&mut all, &part.weight.values(), part, &norm));
            all
        }
    };
    Folded {
        weight: Tensor::computed(&[n, k], source(n * k, scaled)),
        bias: Tensor::computed(&[n], source(n, shifted)),
        colsum: Tensor::computed(&[n], source(n, sums)),
    }
}

fn extents(parts: &[Linear]) -> (usize, usize) {
    let k = parts.first().and_then(|p| p.weight.shape().get(1)).copied().unwrap_or_default();
    (parts.iter().map(|p| p.bias.len()).sum(), k)
}

fn scaled(to: &mut Vec<f32>, weight: &[f32], _: &Linear, norm: &NormWeights) {
    let gamma = norm.gamma.values();
    // A product of two f32 is exact in f64, so the product in f32 is that rounded once.
    weight.chunks_exact(gamma.len()).for_each(|row| to.extend(row.iter().zip(&*gamma).map(|(w, g)| w * g)));
}

fn shifted(to: &mut Vec<f32>, weight: &[f32], linear: &Linear, norm: &NormWeights) {
    let (bias, beta) = (linear.bias.values(), norm.beta.values());
    let rows = weight.chunks_exact(beta.len()).zip(&*bias);
    let product = |w: f32, s: f32| f64::from(w) * f64::from(s);
    to.extend(rows.map(|(row, &b)| (f64::from(b) + summed(row, &beta, product)) as f32));
}

/// Sums of the rounded `gamma ⊙ W`: what the GEMM multiplies the mean with must be what it summed up.
fn sums(to: &mut Vec<f32>, weight: &[f32], _: &Linear, norm: &NormWeights) {
    let gamma = norm.gamma.values();
    let rows = weight.chunks_exact(gamma.len());
    to.extend(rows.map(|row| summed(row, &gamma, |w, g| f64::from(w * g)) as f32));
}

/// The sum of what `term` makes of elements of the same place, in four sums: none waits for the one before it.
fn summed(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f64) -> f64 {
    let (a_fours, a_left) = a.as_chunks::<4>();
    let (b_fours, b_left) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in a_fours.iter().zip(b_fours) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += term(a, b);
        }
    }
    let left: f64 = a_left.iter().zip(b_left).map(|(&a, &b)| term(a, b)).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + left
}
