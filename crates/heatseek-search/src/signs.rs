//! Signs of vectors, by which candidates are found.
//!
//! With `s = ±1` the signs of a row `r`, the multiple of `s` that has the same product with `r` as `r` itself,
//! `(‖r‖² / ‖r‖₁) · s`, stands for it (Gao & Long, "RaBitQ", 2024). The query keeps some bits of each element.

use heatseek_cpu::Scan;

use crate::Metric;
use crate::query::Planes;
use crate::storage::{BLOCK, put, take};

/// Signs of rows: a bit an element, the first in the lowest bit of the first word, 1 where it is above 0. Bits behind the
/// last element are 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signs {
    words: Vec<u64>,
    scales: Vec<f32>,
    /// Squares of lengths, for distances; of nothing otherwise.
    squares: Vec<f32>,
}

impl Signs {
    pub(crate) fn reserve(&mut self, more: usize, dim: usize, metric: Metric) {
        self.words.reserve_exact(more * dim.div_ceil(64));
        self.scales.reserve_exact(more);
        self.squares.reserve_exact(if metric == Metric::Euclidean { more } else { 0 });
    }

    /// Stores those of `row`, which is what scores are computed from, as row `place`, which is there or the next.
    pub(crate) fn set(&mut self, place: usize, row: &[f32], metric: Metric) {
        let word = |elements: &[f32]| {
            elements.iter().enumerate().fold(0u64, |word, (i, &v)| word | u64::from(v > 0.0) << i)
        };
        let words = row.len().div_ceil(64);
        put(&mut self.words, place * words, row.chunks(64).map(word));
        let [square, sum] = row.iter().fold([0.0f64; 2], |[square, sum], &v| {
            let v = f64::from(v);
            [square + v * v, sum + v.abs()]
        });
        let scale = if sum > 0.0 { square / sum } else { 0.0 };
        put(&mut self.scales, place, [scale as f32].into_iter());
        if metric == Metric::Euclidean {
            put(&mut self.squares, place, [square as f32].into_iter());
        }
    }

    /// Removes row `place`; the last takes its place.
    pub(crate) fn swap_remove(&mut self, place: usize, dim: usize) {
        take(&mut self.words, place, dim.div_ceil(64));
        take(&mut self.scales, place, 1);
        if !self.squares.is_empty() {
            take(&mut self.squares, place, 1);
        }
    }

    /// Words and scales.
    pub(crate) fn parts(&self) -> (&[u64], &[f32]) {
        (&self.words, &self.scales)
    }

    pub(crate) fn bytes(&self) -> usize {
        8 * self.words.capacity() + 4 * (self.scales.capacity() + self.squares.capacity())
    }

    /// Estimates of up to [`BLOCK`] rows, in the order of scores: of the product with the query, or of twice that less the
    /// square of the length. Allocates nothing.
    pub(crate) fn estimate(&self, scan: Scan, dim: usize, planes: &Planes, places: &[u32], out: &mut [f32]) {
        let mut sums = [0; BLOCK];
        let sums = &mut sums[..places.len()];
        scan.dot_bits(&planes.bits, dim.div_ceil(64), &self.words, places, sums);
        for ((&place, &sum), out) in places.iter().zip(&*sums).zip(out) {
            let place = place as usize;
            // Elements whose bit is not set count as negative.
            let product = self.scales[place] * planes.step * (2 * sum - planes.sum) as f32;
            *out = match self.squares.get(place) {
                Some(square) => 2.0 * product - square,
                None => product,
            };
        }
    }
}
