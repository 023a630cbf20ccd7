//! No instruction set at all: arrays of four.

use super::product::byte_tiles;
use super::{ByteProduct, Bytes};
use crate::simd::F32s;
use crate::simd::scalar::Scalar;

/// Signed bytes, four to a sum.
pub(crate) struct ScalarBytes;

// SAFETY of every block: as the methods' callers promise.
impl Bytes for ScalarBytes {
    type Floats = Scalar;
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 2;
    const GROUP: usize = 4;

    type Sums = [i32; 4];
    type Columns = [[i8; 4]; 4];
    type Group = [i8; 4];

    type Kept = ();

    #[inline(always)]
    unsafe fn load(from: *const i32) -> [i32; 4] {
        unsafe { from.cast::<[i32; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn columns(from: *const i8) -> [[i8; 4]; 4] {
        unsafe { from.cast::<[[i8; 4]; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn group(from: *const u8) -> [i8; 4] {
        unsafe { from.cast::<[i8; 4]>().read() }
    }
    #[inline(always)]
    fn kept() {}
    #[inline(always)]
    fn dot((): (), mut sums: [i32; 4], group: [i8; 4], columns: [[i8; 4]; 4]) -> [i32; 4] {
        for (sum, column) in sums.iter_mut().zip(columns) {
            for (a, b) in group.into_iter().zip(column) {
                *sum += i32::from(a) * i32::from(b);
            }
        }
        sums
    }
    #[inline(always)]
    fn floats(sums: [i32; 4]) -> Scalar {
        Scalar(sums.map(|sum| sum as f32))
    }
    #[inline(always)]
    unsafe fn store_integers(values: Scalar, flip: u8, to: *mut u8) {
        let bytes: [u8; Scalar::LANES] = values.0.map(|value| value.to_bits() as u8 ^ flip);
        unsafe { to.cast::<[u8; 4]>().write(bytes) }
    }
    #[inline(always)]
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
        unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4] x [1, 2]) }
    }
}
