//! The inner loop of every product in 8 bits.

use heatseek_ops::int8::RowScale;

use super::Bytes;
use crate::simd::F32s;

/// A tile `out[i][j] = scale_j · (scale_i · (start_j + Σ_p a[i][p] · b[p][j]) + middle_i · sum_j)` for `i` of some rows
/// and `j` of some vectors: the sums of [`heatseek_ops::int8`], as floats.
pub(crate) struct ByteProduct {
    /// Integers of rows, as their encoding writes them.
    pub(crate) a: *const u8,
    /// Bytes from a row of `a` to the next.
    pub(crate) a_stride: usize,
    /// For each group of `b`'s depth, that many bytes of each column.
    pub(crate) b: *const i8,
    /// Groups of the depth.
    pub(crate) groups: usize,
    /// Of each row.
    pub(crate) rows: *const RowScale,
    pub(crate) columns: OutColumns,
    pub(crate) out: *mut f32,
    /// Elements from a row of `out` to the next.
    pub(crate) out_stride: usize,
}

/// What is known of the columns of a weight, of whole vectors of them.
#[derive(Clone, Copy)]
pub(crate) struct OutColumns {
    /// What sums start with: what makes up for an encoding whose zero is not 0.
    pub(crate) starts: *const i32,
    pub(crate) scales: *const f32,
    /// Sums of the weight's integers.
    pub(crate) sums: *const f32,
}

/// [`ByteProduct`] of `ROWS` rows and `VECTORS` vectors, all sums in registers.
///
/// # Safety
/// `product`'s pointers cover what it describes.
#[inline(always)]
pub(crate) unsafe fn tile<B: Bytes, const ROWS: usize, const VECTORS: usize>(product: &ByteProduct) {
    let ByteProduct { a_stride, groups, rows, columns, out, out_stride, .. } = *product;
    let lanes = B::Floats::LANES;
    let (mut a, mut b) = (product.a, product.b);
    // SAFETY: all within what the caller promises.
    unsafe {
        let starts: [B::Sums; VECTORS] = std::array::from_fn(|j| B::load(columns.starts.add(j * lanes)));
        // Where steps take two rows, the first half of these is used. A last row without another is paired with itself.
        let mut sums = [starts; ROWS];
        let kept = B::kept();
        let steps = ROWS.div_ceil(B::STEP_ROWS);
        for _ in 0..groups {
            let columns: [B::Columns; VECTORS] =
                std::array::from_fn(|j| B::columns(b.add(j * lanes * B::GROUP)));
            for (step, sums) in sums.iter_mut().enumerate().take(steps) {
                let row = step * B::STEP_ROWS;
                let next = if row + 1 < ROWS { a_stride } else { 0 };
                let group = B::groups(a.add(row * a_stride), next);
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = B::dot(kept, *sum, group, columns);
                }
            }
            a = a.add(B::GROUP * B::ROW_BYTES);
            b = b.add(VECTORS * lanes * B::GROUP);
        }
        for j in 0..VECTORS {
            let scale = B::Floats::load(columns.scales.add(j * lanes));
            let column_sum = B::Floats::load(columns.sums.add(j * lanes));
            for i in 0..ROWS {
                let row = &*rows.add(i);
                let moved = column_sum.mul(B::Floats::splat(row.middle));
                let sums = B::floats_of(sums[i / B::STEP_ROWS][j], i % B::STEP_ROWS);
                let value = sums.mul_add(B::Floats::splat(row.scale), moved).mul(scale);
                value.store(out.add(i * out_stride + j * lanes));
            }
        }
    }
}

/// The body of [`Bytes::product`]: a tile function for each of the listed rows and vectors.
macro_rules! byte_tiles {
    ($product:expr, $rows:expr, $vectors:expr; $all_rows:tt x [$($of_vectors:literal),+]) => {
        match $vectors {
            $($of_vectors => $crate::simd::bytes::product::byte_tiles!(
                @rows $product, $rows; $all_rows, $of_vectors
            ),)+
            // A tile has as many vectors as it may.
            _ => unreachable!(),
        }
    };
    (@rows $product:expr, $rows:expr; [$($of_rows:literal),+], $of_vectors:literal) => {
        match $rows {
            $($of_rows => $crate::simd::bytes::product::tile::<Self, $of_rows, $of_vectors>($product),)+
            // A tile has as many rows as it may.
            _ => unreachable!(),
        }
    };
}
pub(crate) use byte_tiles;
