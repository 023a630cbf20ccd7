//! One task of a GEMM: some rows against some panels of the weight.

use std::ops::Range;

use super::epilogue::{Epilogue, Tile};
use super::{MAX_ROWS, Output, PackedWeight};
use crate::math::mean_and_rstd;
use crate::simd::{F32s, Kernel, Product, evenly};

/// The most elements of a tile on any instruction set.
const TILE_ELEMS: usize = 8 * 48;

pub(super) struct Block<'a> {
    pub(super) x: &'a [f32],
    /// Its rows as pairs of bf16, if these are to be multiplied.
    pub(super) pairs: Option<&'a [f32]>,
    /// Elements of a row of `x`.
    pub(super) k: usize,
    pub(super) rows: Range<usize>,
    pub(super) weight: &'a PackedWeight,
    pub(super) panels: Range<usize>,
    pub(super) epilogue: Epilogue<'a>,
    pub(super) y: &'a Output<'a>,
    pub(super) stats: &'a Output<'a>,
}

/// The sums of a tile between the product and the epilogue.
#[repr(C, align(64))]
struct Sums([f32; TILE_ELEMS]);

impl Kernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        const { assert!(V::TILE_ROWS * V::TILE_VECTORS * V::LANES <= TILE_ELEMS) };
        let Self { x, pairs, k, rows, weight, panels, epilogue, y, stats } = self;
        let (n, depth, width) = (weight.n, weight.k, weight.width);
        let a = pairs.unwrap_or(x);
        let mut moments = [(0.0f32, 0.0f32); MAX_ROWS];
        if let Some(eps) = epilogue.norm_in {
            for (row, moments) in rows.clone().zip(&mut moments) {
                *moments = mean_and_rstd::<V>(&x[row * k..][..k], eps);
                if panels.start == 0 {
                    // SAFETY: only the task with the first panel writes the statistics of these rows.
                    unsafe { stats.at(2 * row).cast::<[f32; 2]>().write([moments.0, moments.1]) };
                }
            }
        }
        let mut sums = Sums([0.0; TILE_ELEMS]);
        for panel in panels {
            let (column, b) = (panel * width, weight.panel(panel));
            let columns = width.min(n - column);
            let vectors = columns.div_ceil(V::LANES);
            let b_stride = vectors * V::LANES;
            for (first, count) in evenly(rows.len(), V::TILE_ROWS) {
                let row = rows.start + first;
                let product = Product {
                    a: a[row * depth..].as_ptr(),
                    a_stride: depth,
                    a_step: 1,
                    b,
                    b_stride,
                    depth,
                    out: sums.0.as_mut_ptr(),
                    out_stride: b_stride,
                    accumulate: false,
                };
                // SAFETY: `count` rows of `x` and all of the panel are there, and `sums` holds any tile.
                unsafe {
                    match pairs {
                        None => V::product(&product, count, vectors),
                        Some(_) => crate::simd::bf16::product(&product, count, vectors),
                    }
                }
                let tile = Tile { row, rows: count, column, columns, stride: b_stride };
                // SAFETY: these rows and columns of `y` are this task's.
                unsafe { epilogue.apply::<V>(&tile, &sums.0, &moments[first..], y) };
            }
        }
    }
}
