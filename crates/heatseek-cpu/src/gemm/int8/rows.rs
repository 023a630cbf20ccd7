//! From floats to integers: the rows of `x`.

use std::cell::Cell;

use heatseek_ops::int8::RowScale;

use super::super::Output;
use crate::math::mean_and_rstd;
use crate::parallel::Parts;
use crate::simd::bytes::{ByteKernel, Bytes, Encoding};
use crate::simd::{F32s, load_up_to};

thread_local! {
    /// What the last product of this thread needed, for the next: steps of a plan allocate nothing.
    static KEPT: Cell<Rows> = Cell::default();
}

/// What a product needs of rows beside their integers. With a folded LayerNorm the mean is in the middle already.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) integers: Vec<u8>,
    /// Bytes from a row to the next.
    pub(super) stride: usize,
    pub(super) scales: Vec<RowScale>,
    /// Of each row 0 and rstd; without a LayerNorm 1.
    pub(super) moments: Vec<(f32, f32)>,
}

/// One task: quantises some rows.
pub(super) struct Quantize<'a> {
    pub(super) x: &'a [f32],
    pub(super) k: usize,
    pub(super) first: usize,
    pub(super) norm_in: Option<f32>,
    pub(super) encoding: Encoding,
    pub(super) stride: usize,
    pub(super) integers: &'a mut [u8],
    pub(super) scales: &'a mut [RowScale],
    pub(super) moments: &'a mut [(f32, f32)],
    pub(super) stats: &'a Output<'a>,
}

impl Rows {
    /// Room for `rows` rows of `stride` bytes, to be [kept](Self::keep) when it is no longer needed.
    pub(super) fn new(rows: usize, stride: usize) -> Self {
        let mut kept = KEPT.take();
        kept.stride = stride;
        // Of what was there before nothing is read: every row is quantised before it is multiplied, and what fills its
        // last group meets zeros of the weight.
        kept.integers.resize(rows * stride, 0);
        kept.scales.resize(rows, RowScale { scale: 0.0, middle: 0.0 });
        kept.moments.resize(rows, (0.0, 1.0));
        kept
    }

    /// Lets the next product of this thread have the room.
    pub(super) fn keep(self) {
        KEPT.set(self);
    }

    /// The same in parts of `rows` rows, for tasks: integers, scales, moments.
    pub(super) fn parts(
        &mut self,
        rows: usize,
    ) -> (Parts<'_, u8>, Parts<'_, RowScale>, Parts<'_, (f32, f32)>) {
        (
            Parts::new(&mut self.integers, rows * self.stride),
            Parts::new(&mut self.scales, rows),
            Parts::new(&mut self.moments, rows),
        )
    }
}

impl ByteKernel for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<B: Bytes>(self) {
        let Self { x, k, first, norm_in, encoding, stride, integers, scales, moments, stats } = self;
        for (i, (integers, scale)) in integers.chunks_exact_mut(stride).zip(scales).enumerate() {
            let row = &x[(first + i) * k..][..k];
            *scale = quantize_row::<B>(row, encoding, integers);
            moments[i] = (0.0, 1.0);
            if let Some(eps) = norm_in {
                let (mean, rstd) = mean_and_rstd::<B::Floats>(row, eps);
                scale.middle -= mean;
                moments[i] = (0.0, rstd);
                // SAFETY: only this task writes the statistics of its rows.
                unsafe { stats.at(2 * (first + i)).cast::<[f32; 2]>().write([mean, rstd]) };
            }
        }
    }
}

/// [`heatseek_ops::int8::quantize_row`] to the same integers, as `encoding` writes them. `integers` has room for whole
/// vectors.
#[inline(always)]
fn quantize_row<B: Bytes>(row: &[f32], encoding: Encoding, integers: &mut [u8]) -> RowScale {
    let lanes = B::Floats::LANES;
    assert!(integers.len() >= row.len().next_multiple_of(lanes) * B::ROW_BYTES, "rows are whole vectors");
    let (least, largest, finite) = range::<B::Floats>(row);
    let bits = encoding.bits();
    let range = largest - least;
    let steps = bits.steps() / range;
    let inverse = if steps.is_finite() { steps } else { 0.0 };
    let (leasts, inverses) = (B::Floats::splat(least), B::Floats::splat(inverse));
    // 1.5 · 2²³: adding it rounds to an integer in the low bits. Not fused: the product is rounded first everywhere.
    let round = B::Floats::splat(12_582_912.0);
    for at in (0..row.len()).step_by(lanes) {
        // SAFETY: what is read of the row is left of it, and the integers have room for whole vectors.
        unsafe {
            let values: B::Floats = load_up_to(row.as_ptr().add(at), row.len() - at);
            let rounded = values.sub(leasts).mul(inverses).add(round);
            B::store_integers(rounded, encoding.flip(), integers.as_mut_ptr().add(at * B::ROW_BYTES));
        }
    }
    let scale = match inverse {
        _ if !finite => f32::NAN,
        0.0 => 0.0,
        _ => range / bits.steps(),
    };
    RowScale { scale, middle: least + bits.half() * scale }
}

/// The least and the largest of `row`, and whether all are finite.
#[inline(always)]
fn range<V: F32s>(row: &[f32]) -> (f32, f32, bool) {
    let whole = row.len() / V::LANES * V::LANES;
    let (mut least, mut largest) = ([V::splat(f32::INFINITY); 2], [V::splat(f32::NEG_INFINITY); 2]);
    // 0 times what is not finite is NaN, and stays it.
    let mut zeros = [V::splat(0.0); 2];
    // SAFETY: within the row.
    unsafe {
        for (turn, at) in (0..whole).step_by(V::LANES).enumerate() {
            let values = V::load(row.as_ptr().add(at));
            least[turn % 2] = least[turn % 2].min(values);
            largest[turn % 2] = largest[turn % 2].max(values);
            zeros[turn % 2] = values.mul_add(V::splat(0.0), zeros[turn % 2]);
        }
    }
    let tail = row[whole..].iter().copied();
    let zero = zeros[0].add(zeros[1]).sum() + tail.clone().map(|v| v * 0.0).sum::<f32>();
    let negated = V::splat(0.0).sub(least[0].min(least[1]));
    let least = tail.clone().fold(-negated.largest(), |a, b| if b < a { b } else { a });
    let largest = tail.fold(largest[0].max(largest[1]).largest(), |a, b| if b > a { b } else { a });
    if row.is_empty() { (0.0, 0.0, true) } else { (least, largest, zero == 0.0) }
}
