//! The inner loop of every matrix product.

use super::F32s;

/// A tile `out[i][j] = Σ_p a[i][p] · b[p][j]` (plus what is there already, if `accumulate`) for `i` of some rows and
/// `j` of some vectors.
///
/// `a` and `b` are read where they lie: `a` element by element, `b` a whole number of vectors of each of its `depth` rows,
/// and `out` is written likewise.
pub(crate) struct Product {
    pub(crate) a: *const f32,
    /// From a row of `a` to the next.
    pub(crate) a_stride: usize,
    /// From an element of a row of `a` to the next: 1, or the width of what lies there transposed.
    pub(crate) a_step: usize,
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
    let Product { a_stride, a_step, b_stride, depth, out, out_stride, accumulate, .. } = *product;
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
            a = a.add(a_step);
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

/// The parts that `count` things are worked on in, at most `most` at a time: first and count of each. As even as can be:
/// two tiles of two keep the machine busier than one of three and one of one.
#[inline(always)]
pub(crate) fn evenly(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = count.div_ceil(most);
    let (least, larger) = (count / parts.max(1), count % parts.max(1));
    (0..parts).map(move |part| (part * least + part.min(larger), least + usize::from(part < larger)))
}

/// A product of any numbers of rows and of vectors, tile by tile.
///
/// # Safety
/// `product`'s pointers cover what it describes.
#[inline(always)]
pub(crate) unsafe fn tiled<V: F32s>(product: &Product, rows: usize, vectors: usize) {
    for (row, of_rows) in evenly(rows, V::TILE_ROWS) {
        for (vector, of_vectors) in evenly(vectors, V::TILE_VECTORS) {
            // SAFETY: within what the caller promises.
            unsafe {
                let tile = Product {
                    a: product.a.add(row * product.a_stride),
                    b: product.b.add(vector * V::LANES),
                    out: product.out.add(row * product.out_stride + vector * V::LANES),
                    ..*product
                };
                V::product(&tile, of_rows, of_vectors);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_and_differ_by_one_at_most() {
        for count in 0..40 {
            for most in 1..9 {
                let mut next = 0;
                let sizes: Vec<usize> = evenly(count, most)
                    .map(|(first, of_part)| {
                        assert_eq!(first, next, "{count} by {most}");
                        next += of_part;
                        of_part
                    })
                    .collect();
                assert_eq!(next, count, "{count} by {most}");
                assert_eq!(sizes.len(), count.div_ceil(most), "{count} by {most}");
                let (least, largest) = (sizes.iter().min(), sizes.iter().max());
                assert!(largest.is_none_or(|&largest| largest <= most && largest - least.unwrap() <= 1));
            }
        }
    }
}
