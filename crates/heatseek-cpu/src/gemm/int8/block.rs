//! One task of a GEMM in 8 bits: some rows against some panels of the weight.

use std::ops::Range;

use super::super::Output;
use super::super::epilogue::{Epilogue, Tile};
use super::packed::PackedInt8;
use super::rows::Rows;
use crate::simd::bytes::{ByteKernel, ByteProduct, Bytes};
use crate::simd::{F32s, evenly};

/// The most elements of a tile on any instruction set.
const TILE_ELEMS: usize = 8 * 48;

pub(super) struct Block<'a> {
    pub(super) x: &'a Rows,
    pub(super) rows: Range<usize>,
    pub(super) weight: &'a PackedInt8,
    pub(super) panels: Range<usize>,
    pub(super) epilogue: Epilogue<'a>,
    pub(super) y: &'a Output<'a>,
}

/// The sums of a tile between the product and the epilogue.
#[repr(C, align(64))]
struct Sums([f32; TILE_ELEMS]);

impl ByteKernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<B: Bytes>(self) {
        const { assert!(B::TILE_ROWS * B::TILE_VECTORS * B::Floats::LANES <= TILE_ELEMS) };
        let Self { x, rows, weight, panels, epilogue, y } = self;
        let mut sums = Sums([0.0; TILE_ELEMS]);
        for panel in panels {
            let column = panel * weight.width;
            let columns = weight.width.min(weight.n - column);
            let vectors = columns.div_ceil(B::Floats::LANES);
            let stride = vectors * B::Floats::LANES;
            for (first, count) in evenly(rows.len(), B::TILE_ROWS) {
                let row = rows.start + first;
                let product = ByteProduct {
                    a: x.integers[row * x.stride..].as_ptr(),
                    a_stride: x.stride,
                    b: weight.panel(panel),
                    groups: weight.groups,
                    rows: x.scales[row..].as_ptr(),
                    columns: weight.columns(column),
                    out: sums.0.as_mut_ptr(),
                    out_stride: stride,
                };
                // SAFETY: `count` rows of `x` and all of the panel are there, and `sums` holds any tile.
                unsafe { B::product(&product, count, vectors) };
                let tile = Tile { row, rows: count, column, columns, stride };
                // SAFETY: these rows and columns of `y` are this task's.
                unsafe { epilogue.apply::<B::Floats>(&tile, &sums.0, &x.moments[row..], y) };
            }
        }
    }
}
