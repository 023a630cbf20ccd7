//! The inner loop of every matrix product.

use super::F32s;

/// A tile `out[i][j] = Σ_p a[i][p] · b[p][j]` (plus what is there already, if `accumulate`) for `i` of some rows and
/// `j` of some vectors.
///
/// `a` and `b` are read where they lie: `a` row by row, `b` a whole number of vectors of each of its `depth` rows,
/// and `out` is written likewise.
pub(crate) struct Product {
    pub(crate) a: *const f32,
    /// From a row of `a` to the next.
    pub(crate) a_stride: usize,
    pub(crate) b: *const f32,
    /// From a row of `b` to the next.
    pub(crate) b_stride: usize,
    pub(crate) depth: usize,
    pub(crate) out: *mut f32,
    /// From a row of `out` to the next.
    pub(crate) out_stride: usize,
    /// Whether to add to `out` rather than to overwrite it.
    pub(crate) accumulate: bool,
}

/// How a tile multiplies a value of a row with those of some columns.
pub(crate) trait Multiply<V> {
    /// `sums` and the products.
    fn add_product(sums: V, value: V, columns: V) -> V;
}

/// As floats.
pub(crate) struct Floats;

impl<V: F32s> Multiply<V> for Floats {
    #[inline(always)]
    fn add_product(sums: V, value: V, columns: V) -> V {
        value.mul_add(columns, sums)
    }
}

/// [`Product`] of `ROWS` rows and `VECTORS` vectors, all sums in registers. Each is summed in the same order whatever
/// tile it is of, so that a text's vector does not depend on what else is in its batch: with one row, several sums for each
/// element would be faster, and would round otherwise.
///
/// # Safety
/// `product`'s pointers cover what it describes.
#[inline(always)]
pub(crate) unsafe fn tile<V: F32s, M: Multiply<V>, const ROWS: usize, const VECTORS: usize>(
    product: &Product,
) {
    let Product { a_stride, b_stride, depth, out, out_stride, accumulate, .. } = *product;
    let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
    let (mut a, mut b) = (product.a, product.b);
    // SAFETY: all within what the caller promises.
    unsafe {
        for _ in 0..depth {
            let mut columns = [V::splat(0.0); VECTORS];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = V::load(b.add(j * V::LANES));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let value = V::splat(*a.add(i * a_stride));
                for (sum, column) in sums.iter_mut().zip(&columns) {
                    *sum = M::add_product(*sum, value, *column);
                }
            }
            a = a.add(1);
            b = b.add(b_stride);
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                let to = out.add(i * out_stride + j * V::LANES);
                let sum = if accumulate { V::load(to).add(*sum) } else { *sum };
                sum.store(to);
            }
        }
    }
}

/// A product of any numbers of rows and of vectors, tile by tile. Vectors are shared out evenly: two tiles of two
/// keep the machine busier than one of three and one of one.
///
/// # Safety
/// `product`'s pointers cover what it describes.
#[inline(always)]
pub(crate) unsafe fn tiled<V: F32s>(product: &Product, rows: usize, vectors: usize) {
    let most = vectors.div_ceil(vectors.div_ceil(V::TILE_VECTORS).max(1)).max(1);
    for row in (0..rows).step_by(V::TILE_ROWS) {
        for vector in (0..vectors).step_by(most) {
            // SAFETY: within what the caller promises.
            unsafe {
                let tile = Product {
                    a: product.a.add(row * product.a_stride),
                    b: product.b.add(vector * V::LANES),
                    out: product.out.add(row * product.out_stride + vector * V::LANES),
                    ..*product
                };
                V::product(&tile, V::TILE_ROWS.min(rows - row), most.min(vectors - vector));
            }
        }
    }
}

/// All tiles of an instruction set, of floats unless it is said: a tile function for each of the listed rows and vectors.
macro_rules! tiles {
    ([$V:ty, $M:ty], $product:expr, $rows:expr, $vectors:expr; $all_rows:tt x [$($of_vectors:literal),+]) => {
        match $vectors {
            $($of_vectors => $crate::simd::product::tiles!(
                @rows [$V, $M], $product, $rows; $all_rows, $of_vectors
            ),)+
            // A tile has as many vectors as it may.
            _ => unreachable!(),
        }
    };
    (@rows [$V:ty, $M:ty], $product:expr, $rows:expr; [$($of_rows:literal),+], $of_vectors:literal) => {
        match $rows {
            $($of_rows => $crate::simd::product::tile::<$V, $M, $of_rows, $of_vectors>($product),)+
            // A tile has as many rows as it may.
            _ => unreachable!(),
        }
    };
    ($V:ty, $($rest:tt)+) => {
        $crate::simd::product::tiles!([$V, $crate::simd::product::Floats], $($rest)+)
    };
}
pub(crate) use tiles;
