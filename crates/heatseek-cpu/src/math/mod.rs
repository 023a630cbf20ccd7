//! Functions of vectors, without branches, and sums over rows.

mod erf;
mod exp;
mod rows;
mod tanh;
#[cfg(test)]
mod tests;

pub(crate) use erf::erf;
pub(crate) use exp::{Decay, exp};
pub(crate) use rows::{dot, exp_row, largest, mean_and_rstd, sum};
pub(crate) use tanh::tanh;

use crate::simd::F32s;

/// The polynomial of these coefficients, lowest power first, at `x`.
#[inline(always)]
fn polynomial<V: F32s, const N: usize>(x: V, coefficients: &'static [f32; N]) -> V {
    let coefficients = V::constants(coefficients);
    let mut value = V::splat(coefficients[N - 1]);
    for at in (0..N - 1).rev() {
        value = value.mul_add(x, V::splat(coefficients[at]));
    }
    value
}
