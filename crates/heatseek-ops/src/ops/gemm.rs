//! `gemm`: a linear layer with everything around it fused in.

use crate::{Batch, Binding, Dim};

/// Elementwise function of a GEMM's epilogue. Names as in PyTorch and `config.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `v`.
    #[default]
    Identity,
    /// `v/2 · (1 + erf(v/√2))`; `hidden_act: "gelu"`.
    GeluErf,
    /// `v/2 · (1 + tanh(√(2/π)(v + 0.044715 v³)))`; `"gelu_new"`, `"gelu_pytorch_tanh"`.
    GeluTanh,
    /// `max(v, 0)`.
    Relu,
    /// `v · sigmoid(v)`; `"silu"`, `"swish"`.
    Silu,
    /// `tanh(v)`.
    Tanh,
    /// `v · sigmoid(1.702 v)`; `"quick_gelu"`.
    QuickGelu,
}

/// What a GEMM's epilogue adds to its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Residual {
    /// Nothing.
    #[default]
    None,
    /// `residual[r][j]`.
    Add,
    /// The LayerNorm of the residual row, from statistics an earlier GEMM wrote:
    /// `(residual[r][j] − mean[r]) · rstd[r] · gamma[j] + beta[j]`.
    AddNormalized,
}

/// `y = activation(x · weightᵀ + bias) + residual`, optionally with the LayerNorm of `x` folded in.
///
/// With `norm_in`, `weight` must hold `gamma ⊙ W`, `bias` `b + W · beta` and `colsum[j]` `Σ_k weight[j][k]`;
/// then `y = activation(rstd · (x · weightᵀ − mean · colsum) + bias)` equals the linear layer of the
/// normalised rows, and the rows' statistics are written for a later [`Residual::AddNormalized`].
///
/// In plans of [`Dtype::Bf16`](crate::Dtype::Bf16) `weight` and the rows of `x` are rounded as [`crate::bf16`] says; means
/// and `colsum` are those of what they were.
///
/// In plans of [`Dtype::Int8`](crate::Dtype::Int8) `weight` and the rows of `x` are quantised as [`crate::int8`] says,
/// and `colsum` is not read: what takes its place is the sum of the quantised weight, so that the fold stays exact.
///
/// | binding | shape | when |
/// | --- | --- | --- |
/// | `x` | `[rows, k]` | always |
/// | `weight` | `[n, k]`, PyTorch's Linear layout | always |
/// | `bias` | `[n]` | always |
/// | `colsum` | `[n]` | `norm_in` |
/// | `residual` | `[rows, n]` | a residual |
/// | `residual_stats` | `[rows, 2]`: mean, rstd | `AddNormalized` |
/// | `residual_affine` | `[2, n]`: gamma, beta | `AddNormalized` |
/// | out `y` | `[rows, n]` | always |
/// | out `stats` | `[rows, 2]`: mean, rstd | `norm_in` |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gemm {
    /// Input width.
    pub k: usize,
    /// Output width.
    pub n: usize,
    /// Epsilon of the folded LayerNorm of `x`.
    pub norm_in: Option<f32>,
    /// Applied before the residual.
    pub activation: Activation,
    /// Added last.
    pub residual: Residual,
}

impl Gemm {
    /// `x · weightᵀ + bias`.
    pub fn linear(k: usize, n: usize) -> Self {
        Self { k, n, norm_in: None, activation: Activation::Identity, residual: Residual::None }
    }

    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        let (k, n) = (Dim::Fixed(self.k), Dim::Fixed(self.n));
        let stats = [Dim::Rows, Dim::Fixed(2)];
        let mut all = vec![
            Binding::input("x", &[Dim::Rows, k]),
            Binding::input("weight", &[n, k]),
            Binding::input("bias", &[n]),
        ];
        if self.norm_in.is_some() {
            all.push(Binding::input("colsum", &[n]));
        }
        if self.residual != Residual::None {
            all.push(Binding::input("residual", &[Dim::Rows, n]));
        }
        if self.residual == Residual::AddNormalized {
            all.push(Binding::input("residual_stats", &stats));
            all.push(Binding::input("residual_affine", &[Dim::Fixed(2), n]));
        }
        all.push(Binding::output("y", &[Dim::Rows, n]));
        if self.norm_in.is_some() {
            all.push(Binding::output("stats", &stats));
        }
        all
    }

    pub(crate) fn flops(&self, rows: usize, _: &Batch) -> u64 {
        2 * (rows * self.k * self.n) as u64
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;

    let control = Gemm { norm_in: None, ..Gemm::linear(64, 64) };
    // Weights of 3/√k give outputs of about 1, as in a trained layer; with larger ones the bar would have to
    // grow with the rounding errors of the sums instead.
    let case = |name: &str, op: Gemm, rows: usize| {
        Case::new(name, op, Rows::Tokens, &[rows]).with_scale("weight", 3.0 / (op.k as f32).sqrt())
    };
    let mut all = Vec::new();
    // Both sides of every tile boundary in rows (tiles of 16, 32 and 64 rows), and the empty batch.
    // And of the CPU's, of 4, 6 and 8 rows in tasks of at most 256.
    for rows in [0, 1, 2, 5, 7, 9, 15, 16, 17, 31, 33, 63, 64, 65, 130, 255, 257, 333] {
        all.push(case(&format!("rows_{rows}"), control, rows));
    }
    // Columns: tiles are 64 wide, vectors 4; and the CPU's panels 8, 12, 16 and 48.
    for n in [4, 8, 12, 16, 20, 44, 48, 52, 60, 64, 68, 96, 100, 128, 132] {
        all.push(case(&format!("n_{n}"), Gemm { n, ..control }, 33));
    }
    // Depth: steps of 16.
    for k in [4, 12, 16, 20, 36, 384] {
        all.push(case(&format!("k_{k}"), Gemm { k, ..control }, 33));
    }
    for activation in [
        Activation::GeluErf,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::Silu,
        Activation::Tanh,
        Activation::QuickGelu,
    ] {
        all.push(case(&format!("{activation:?}"), Gemm { activation, ..control }, 33));
    }
    for residual in [Residual::Add, Residual::AddNormalized] {
        for (rows, n) in [(5, 64), (70, 68)] {
            all.push(case(&format!("{residual:?}_{rows}x{n}"), Gemm { residual, n, ..control }, rows));
        }
    }
    for (rows, k, n) in [(1, 384, 64), (17, 36, 68), (70, 64, 64), (130, 48, 132)] {
        let op = Gemm { k, n, norm_in: Some(1e-12), ..control };
        all.push(case(&format!("norm_in_{rows}x{n}x{k}"), op, rows));
        let op = Gemm { activation: Activation::GeluErf, norm_in: Some(1e-5), ..op };
        all.push(case(&format!("norm_in_gelu_{rows}x{n}x{k}"), op, rows));
    }
    all.push(Case::new("sequence_rows", control, Rows::Sequences, &[3, 1, 2]));
    all
}
