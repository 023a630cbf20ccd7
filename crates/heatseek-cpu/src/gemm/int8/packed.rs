use heatseek_ops::int8::QuantizedWeight;

use crate::Int8Isa;
use crate::simd::F32s;
use crate::simd::bytes::{ByteKernel, Bytes, Encoding, OutColumns};

/// Bytes on a cache line of their own, so that no vector lies across two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([i8; 64]);

/// A [`QuantizedWeight`] as the kernels read it: for each panel of as many columns as a tile has, the integers of the
/// panel's columns for each group of the depth, one column after the other. The last panel has as many whole vectors as
/// it needs. Groups and vectors are filled with zeros.
pub struct PackedInt8 {
    pub(super) n: usize,
    pub(super) k: usize,
    /// Columns of a panel.
    pub(super) width: usize,
    /// Groups of the depth.
    pub(super) groups: usize,
    /// How rows have to be written to meet it.
    pub(super) encoding: Encoding,
    /// Bytes of a column.
    depth: usize,
    lines: Vec<Line>,
    /// Of whole vectors of columns: what sums start with, scales, sums of the integers.
    starts: Vec<i32>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

impl PackedInt8 {
    /// Packs a weight `[n, k]` for `isa`.
    pub(crate) fn new(isa: Int8Isa, n: usize, k: usize, weight: &QuantizedWeight) -> Self {
        Self::encoded(isa, isa.encoding(), n, k, weight)
    }

    /// The same for rows of another encoding that the instruction takes.
    pub(super) fn encoded(
        isa: Int8Isa,
        encoding: Encoding,
        n: usize,
        k: usize,
        weight: &QuantizedWeight,
    ) -> Self {
        assert_eq!(weight.values.len(), n * k, "a weight is [n, k]");
        isa.run(Pack { n, k, weight, encoding })
    }

    /// How many panels there are.
    pub(super) fn panels(&self) -> usize {
        self.n.div_ceil(self.width)
    }

    /// Where panel `index` begins: all before it are whole.
    #[inline(always)]
    pub(super) fn panel(&self, index: usize) -> *const i8 {
        debug_assert!(index < self.panels());
        // SAFETY: `new` has laid out all panels.
        unsafe { self.lines.as_ptr().cast::<i8>().add(index * self.width * self.depth) }
    }

    /// What is known of the columns from `first` on.
    #[inline(always)]
    pub(super) fn columns(&self, first: usize) -> OutColumns {
        OutColumns {
            starts: self.starts[first..].as_ptr(),
            scales: self.scales[first..].as_ptr(),
            sums: self.sums[first..].as_ptr(),
        }
    }

    /// Bytes it holds.
    pub(in crate::gemm) fn size_bytes(&self) -> usize {
        size_of_val(&self.lines[..])
            + size_of_val(&self.starts[..])
            + size_of_val(&self.scales[..])
            + size_of_val(&self.sums[..])
    }

    /// What makes up for the encoding's zero, to be spoilt.
    #[cfg(test)]
    pub(super) fn spoil_zero(&mut self) {
        self.starts.iter_mut().for_each(|start| *start += 1);
    }
}

struct Pack<'a> {
    n: usize,
    k: usize,
    weight: &'a QuantizedWeight,
    encoding: Encoding,
}

impl ByteKernel for Pack<'_> {
    type Output = PackedInt8;

    #[inline(always)]
    fn run<B: Bytes>(self) -> PackedInt8 {
        let Self { n, k, weight, encoding } = self;
        let (lanes, group) = (B::Floats::LANES, B::GROUP);
        let (width, groups) = (lanes * B::TILE_VECTORS, k.div_ceil(group));
        let (columns, depth) = (n.next_multiple_of(lanes), groups * group);
        let mut bytes = vec![0i8; columns * depth];
        for first in (0..n).step_by(width) {
            let of_panel = width.min(n - first);
            let stride = of_panel.next_multiple_of(lanes) * group;
            let panel = &mut bytes[first * depth..];
            for column in 0..of_panel {
                let from = &weight.values[(first + column) * k..][..k];
                for (step, values) in from.chunks(group).enumerate() {
                    panel[step * stride + column * group..][..values.len()].copy_from_slice(values);
                }
            }
        }
        let mut lines = vec![Line([0; 64]); bytes.len().div_ceil(64)];
        for (line, bytes) in lines.iter_mut().zip(bytes.chunks(64)) {
            line.0[..bytes.len()].copy_from_slice(bytes);
        }
        let mut scales = weight.scales.clone();
        scales.resize(columns, 0.0);
        let mut starts: Vec<i32> = weight.sums.iter().map(|sum| -encoding.zero() * sum).collect();
        starts.resize(columns, 0);
        // Exact: up to the depth that is taken they are below 2²⁴.
        let mut sums: Vec<f32> = weight.sums.iter().map(|&sum| sum as f32).collect();
        sums.resize(columns, 0.0);
        PackedInt8 { n, k, width, groups, encoding, depth, lines, starts, scales, sums }
    }
}
