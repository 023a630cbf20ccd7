//! What happens to a tile of sums before it is written.

use heatseek_ops::{Activation, Gemm, Operands, Residual};

use super::Output;
use crate::math::{erf, exp, tanh};
use crate::simd::{F32s, load_up_to, store_up_to};

/// Everything of a GEMM but its product.
#[derive(Clone, Copy)]
pub(super) struct Epilogue<'a> {
    pub(super) norm_in: Option<f32>,
    n: usize,
    activation: Activation,
    residual_kind: Residual,
    bias: &'a [f32],
    colsum: &'a [f32],
    residual: &'a [f32],
    residual_stats: &'a [f32],
    residual_affine: &'a [f32],
}

/// Where in `y` a tile lies, and how far apart the rows of its sums are.
pub(super) struct Tile {
    pub(super) row: usize,
    pub(super) rows: usize,
    pub(super) column: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
}

impl<'a> Epilogue<'a> {
    pub(super) fn new(op: &Gemm, operands: &Operands<'a>) -> Self {
        Self {
            norm_in: op.norm_in,
            n: op.n,
            activation: op.activation,
            residual_kind: op.residual,
            bias: operands.input("bias"),
            colsum: operands.input("colsum"),
            residual: operands.input("residual"),
            residual_stats: operands.input("residual_stats"),
            residual_affine: operands.input("residual_affine"),
        }
    }

    /// Fails unless all operands of `rows` rows are as long as they have to be.
    pub(super) fn check(&self, rows: usize) -> Result<(), String> {
        let norm = usize::from(self.norm_in.is_some());
        let residual = usize::from(self.residual_kind != Residual::None);
        let normalized = usize::from(self.residual_kind == Residual::AddNormalized);
        for (name, operand, least) in [
            ("bias", self.bias, self.n),
            ("colsum", self.colsum, norm * self.n),
            ("residual", self.residual, residual * rows * self.n),
            ("residual_stats", self.residual_stats, normalized * rows * 2),
            ("residual_affine", self.residual_affine, normalized * 2 * self.n),
        ] {
            if operand.len() < least {
                return Err(format!("a gemm's `{name}` has {} elements, not {least}", operand.len()));
            }
        }
        Ok(())
    }

    /// Writes a tile to `y`, given its sums and the mean and rstd of each of its rows.
    ///
    /// # Safety
    /// Nobody else may write to these rows and columns of `y`; [`Epilogue::check`] was content.
    #[inline(always)]
    pub(super) unsafe fn apply<V: F32s>(
        &self,
        tile: &Tile,
        sums: &[f32],
        moments: &[(f32, f32)],
        y: &Output<'_>,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match self.activation {
                Activation::Identity => self.write::<V, Identity>(tile, sums, moments, y),
                Activation::GeluErf => self.write::<V, GeluErf>(tile, sums, moments, y),
                Activation::GeluTanh => self.write::<V, GeluTanh>(tile, sums, moments, y),
                Activation::Relu => self.write::<V, Relu>(tile, sums, moments, y),
                Activation::Silu => self.write::<V, Silu>(tile, sums, moments, y),
                Activation::Tanh => self.write::<V, Tanh>(tile, sums, moments, y),
                Activation::QuickGelu => self.write::<V, QuickGelu>(tile, sums, moments, y),
            }
        }
    }

    /// # Safety
    /// As [`Epilogue::apply`].
    #[inline(always)]
    unsafe fn write<V: F32s, A: Elementwise>(
        &self,
        tile: &Tile,
        sums: &[f32],
        moments: &[(f32, f32)],
        y: &Output<'_>,
    ) {
        let &Tile { row, rows, column, columns, stride } = tile;
        debug_assert!(sums.len() >= rows * stride && moments.len() >= rows);
        // Column by column, so that what belongs to a column is loaded once.
        for at in (0..columns).step_by(V::LANES) {
            let (j, left) = (column + at, columns - at);
            // SAFETY: `left` columns are left of every operand, and all rows of the tile are there.
            unsafe {
                let bias: V = load_up_to(self.bias.as_ptr().add(j), left);
                let colsum: V = match self.norm_in {
                    Some(_) => load_up_to(self.colsum.as_ptr().add(j), left),
                    None => V::splat(0.0),
                };
                let (gamma, beta): (V, V) = match self.residual_kind {
                    Residual::AddNormalized => {
                        let gamma = self.residual_affine.as_ptr().add(j);
                        (load_up_to(gamma, left), load_up_to(gamma.add(self.n), left))
                    }
                    _ => (V::splat(0.0), V::splat(0.0)),
                };
                for (i, &(mean, rstd)) in moments[..rows].iter().enumerate() {
                    let sum = V::load(sums.as_ptr().add(i * stride + at));
                    let value = match self.norm_in {
                        Some(_) => {
                            let centred = colsum.mul_add(V::splat(-mean), sum);
                            centred.mul_add(V::splat(rstd), bias)
                        }
                        None => sum.add(bias),
                    };
                    let mut value = A::apply(value);
                    let place = (row + i) * self.n + j;
                    if self.residual_kind != Residual::None {
                        let residual: V = load_up_to(self.residual.as_ptr().add(place), left);
                        value = match self.residual_kind {
                            Residual::AddNormalized => {
                                let stats = self.residual_stats.as_ptr().add(2 * (row + i));
                                let centred = residual.sub(V::splat(*stats)).mul(V::splat(*stats.add(1)));
                                value.add(centred.mul_add(gamma, beta))
                            }
                            _ => value.add(residual),
                        };
                    }
                    store_up_to(value, y.at(place), left);
                }
            }
        }
    }
}

/// An [`Activation`] of a vector.
trait Elementwise {
    fn apply<V: F32s>(v: V) -> V;
}

struct Identity;
impl Elementwise for Identity {
    #[inline(always)]
    fn apply<V: F32s>(v: V) -> V {
        v
    }
}

struct GeluErf;
impl Elementwise for GeluErf {
    #[inline(always)]
    fn apply<V: F32s>(v: V) -> V {
        let half = v.mul(V::splat(0.5));
        erf(v.mul(V::splat(std::f32::consts::FRAC_1_SQRT_2))).mul_add(half, half)
    }
}

struct GeluTanh;
impl Elementwise for GeluTanh {
    #[inline(always)]
    fn apply<V: F32s>(v: V) -> V {
        // √(2/π), and 0.044715 as in the reference.
        let half = v.mul(V::splat(0.5));
        let cubic = v.mul(v).mul_add(V::splat(0.044_715), V::splat(1.0));
        tanh(v.mul(V::splat(0.797_884_6)).mul(cubic)).mul_add(half, half)
    }
}

struct Relu;
impl Elementwise for Relu {
    #[inline(always)]
    fn apply<V: F32s>(v: V) -> V {
        V::splat(0.0).max(v)
    }
}

struct Silu;
impl Elementwise for Silu {
    #[inline(always)]
    fn apply<V: F32s>(v: V) -> V {
        v.div(exp(v.mul(V::splat(-1.0))).add(V::splat(1.0)))
    }
}

struct Tanh;
impl Elementwise for Tanh {
    #[inline(always)]
    fn apply<V: F32s>(v: V) -> V {
        tanh(v)
    }
}

struct QuickGelu;
impl Elementwise for QuickGelu {
    #[inline(always)]
    fn apply<V: F32s>(v: V) -> V {
        v.div(exp(v.mul(V::splat(-1.702))).add(V::splat(1.0)))
    }
}
