use std::ops::Range;

use crate::Isa;
use crate::simd::{F32s, Kernel};

/// Sixteen values on a cache line of their own, so that no vector lies across two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Floats that begin on a cache line.
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    /// `len` zeros, and those that fill the last line.
    pub(crate) fn zeros(len: usize) -> Self {
        Self(vec![Line([0.0; 16]); len.div_ceil(16)])
    }

    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }

    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val(&self.0[..])
    }

    fn len(&self) -> usize {
        16 * self.0.len()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

/// A weight `[n, k]` as the kernels read it: for each panel of as many columns as a tile has, the values of the
/// panel's columns for each of the `k`, one after the other. The last panel has as many whole vectors as it needs, filled
/// with zeros. All panels are there, or some that follow each other.
pub struct PackedWeight {
    pub(super) n: usize,
    pub(super) k: usize,
    /// Columns of a panel.
    pub(super) width: usize,
    /// The panel that `lines` begin with.
    first: usize,
    lines: Lines,
}

impl PackedWeight {
    /// Packs `weight [n, k]` for `isa`.
    pub(crate) fn new(isa: Isa, n: usize, k: usize, weight: &[f32]) -> Self {
        let mut packed = Self::room(isa, n, k, usize::MAX);
        packed.lay_out(isa, weight, 0..packed.panels());
        packed
    }

    /// Room for `most` panels of a weight `[n, k]`, or for all if there are fewer.
    pub(super) fn room(isa: Isa, n: usize, k: usize, most: usize) -> Self {
        let [lanes, width] = isa.run(Extents);
        let columns = n.next_multiple_of(lanes).min(width.saturating_mul(most));
        Self { n, k, width, first: 0, lines: Lines::zeros(columns * k) }
    }

    /// Packs `panels` of `weight [n, k]` in place of what was there.
    pub(super) fn lay_out(&mut self, isa: Isa, weight: &[f32], panels: Range<usize>) {
        let Self { n, k, width, .. } = *self;
        assert_eq!(weight.len(), n * k, "a weight is [n, k]");
        let columns = panels.start * width..(panels.end * width).min(n);
        assert!(columns.len() * k <= self.lines.len(), "there is room for the panels");
        self.first = panels.start;
        isa.run(Pack { k, width, weight: &weight[columns.start * k..columns.end * k], to: &mut self.lines });
    }

    /// Bytes it holds.
    pub(super) fn size_bytes(&self) -> usize {
        self.lines.size_bytes()
    }

    /// How many panels there are of the whole weight.
    pub(super) fn panels(&self) -> usize {
        self.n.div_ceil(self.width)
    }

    /// Where panel `index` begins: all before it are whole.
    #[inline(always)]
    pub(super) fn panel(&self, index: usize) -> *const f32 {
        debug_assert!(index >= self.first, "panel {index} is laid out");
        // SAFETY: `lay_out` has laid out the panels that are asked for.
        unsafe { self.lines.as_ptr().add((index - self.first) * self.width * self.k) }
    }
}

/// Elements of a vector, and columns of a panel.
struct Extents;

impl Kernel for Extents {
    type Output = [usize; 2];

    #[inline(always)]
    fn run<V: F32s>(self) -> [usize; 2] {
        [V::LANES, V::LANES * V::TILE_VECTORS]
    }
}

/// Packs whole panels, and the last.
struct Pack<'a> {
    k: usize,
    width: usize,
    /// The rows that become these panels.
    weight: &'a [f32],
    to: &'a mut Lines,
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        let Self { k, width, weight, to } = self;
        let n = weight.len() / k.max(1);
        for first in (0..n).step_by(width) {
            let columns = width.min(n - first);
            let stride = columns.next_multiple_of(V::LANES);
            // SAFETY: there is room for all panels, and those before this one are whole, so it begins at `first · k`; the
            // columns are rows of the weight.
            unsafe {
                let to = to.as_mut_ptr().add(first * k);
                if columns < stride {
                    // Another panel may have been here.
                    to.write_bytes(0, stride * k);
                }
                transpose::<V>(weight.as_ptr().add(first * k), k, columns, k, to, stride);
            }
        }
    }
}

/// Writes `from [rows, columns]` transposed to `to [columns, rows]`.
///
/// # Safety
/// Both can be read and written so far.
#[inline(always)]
pub(crate) unsafe fn transpose<V: F32s>(
    from: *const f32,
    from_stride: usize,
    rows: usize,
    columns: usize,
    to: *mut f32,
    to_stride: usize,
) {
    let (whole_rows, whole_columns) = (rows / 4 * 4, columns / 4 * 4);
    // SAFETY: as the caller promises.
    unsafe {
        for row in (0..whole_rows).step_by(4) {
            for column in (0..whole_columns).step_by(4) {
                let from = from.add(row * from_stride + column);
                V::transpose4(from, from_stride, to.add(column * to_stride + row), to_stride);
            }
            for (row, column) in
                (row..row + 4).flat_map(|row| (whole_columns..columns).map(move |c| (row, c)))
            {
                *to.add(column * to_stride + row) = *from.add(row * from_stride + column);
            }
        }
        for row in whole_rows..rows {
            for column in 0..columns {
                *to.add(column * to_stride + row) = *from.add(row * from_stride + column);
            }
        }
    }
}
