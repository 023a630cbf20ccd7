//! One query compared with many rows: products and distances of floats, products of integers, and of signs.
//!
//! A row's result depends on nothing but it and the query: not on what is asked for beside it, nor on threads.

use heatseek_ops::ExecutorError;

use crate::simd::{F32s, Kernel, narrow::Narrow};
use crate::{CpuKernels, Isa};

/// Rows that are read at once. Processors read ahead best where one row comes after the other; engines of WebAssembly keep
/// little in registers, so that there rows share what is loaded of the query.
const TOGETHER: usize = if cfg!(target_arch = "wasm32") { 4 } else { 1 };

/// Sums of each row. With those of the others, four run beside each other, which hides how long each step takes.
const SUMS: usize = 4 / TOGETHER;

/// Scans on the kernels of an instruction set.
///
/// Rows lie one after the other, each as wide as the query; `places` says which of them are compared, and `out` gets a
/// result for each of these. Consecutive places are read as fast as memory allows.
///
/// # Panics
/// All scans, if a place is behind the last row or `out` is not as long as `places`.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    isa: Isa,
}

/// The largest size of an integer of a query of `width`: sums of its products with bytes stay within 32 bits, and it
/// itself within 16.
pub const fn max_half(width: usize) -> i16 {
    const LARGEST_BYTE: usize = 128;
    let most = i32::MAX as usize / LARGEST_BYTE / if width == 0 { 1 } else { width };
    if most > i16::MAX as usize { i16::MAX } else { most as i16 }
}

impl Scan {
    /// On [`Isa::chosen`].
    pub fn new() -> Self {
        Self { isa: Isa::chosen() }
    }

    /// On this instruction set.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if this machine lacks it.
    pub fn with_isa(isa: Isa) -> Result<Self, ExecutorError> {
        CpuKernels::with_isa(isa).map(|_| Self { isa })
    }

    /// Dot products. Each sum has an error of `width · 2⁻²⁴` of the product of the lengths at most.
    pub fn dot(self, query: &[f32], rows: &[f32], places: &[u32], out: &mut [f32]) {
        check(query.len(), rows.len(), places, out.len());
        self.isa.run(Floats { query, rows, places, out, measure: Product });
    }

    /// [`Self::dot`] with rows of 16-bit floats, given as bits.
    pub fn dot_f16(self, query: &[f32], rows: &[u16], places: &[u32], out: &mut [f32]) {
        check(query.len(), rows.len(), places, out.len());
        self.isa.run(Floats { query, rows, places, out, measure: Product });
    }

    /// Squares of Euclidean distances, of the differences themselves: near rows far from zero are told apart.
    pub fn squared_distance(self, query: &[f32], rows: &[f32], places: &[u32], out: &mut [f32]) {
        check(query.len(), rows.len(), places, out.len());
        self.isa.run(Floats { query, rows, places, out, measure: SquaredDifference });
    }

    /// [`Self::squared_distance`] of rows of 16-bit floats, given as bits.
    pub fn squared_distance_f16(self, query: &[f32], rows: &[u16], places: &[u32], out: &mut [f32]) {
        check(query.len(), rows.len(), places, out.len());
        self.isa.run(Floats { query, rows, places, out, measure: SquaredDifference });
    }

    /// Dot products of integers, exact if none of `query` is larger than [`max_half`] allows. With 16 bits of the query it
    /// adds next to nothing to the error that rows of 8 bits have, and is as fast: memory is slower.
    pub fn dot_int8(self, query: &[i16], rows: &[i8], places: &[u32], out: &mut [i32]) {
        check(query.len(), rows.len(), places, out.len());
        self.isa.run(Integers { query, rows, places, out });
    }

    /// For each row of `words` words of bits, `Σ_j 2ʲ · (bits that plane j and the row have in common)`, where the last
    /// plane counts `−2ʲ`: with the planes of integers of a query in two's complement, the sum of those whose bit is set
    /// in the row.
    pub fn dot_bits(self, planes: &[u64], words: usize, rows: &[u64], places: &[u32], out: &mut [i32]) {
        check(words, rows.len(), places, out.len());
        assert!(words == 0 || planes.len().is_multiple_of(words), "planes are as wide as rows");
        self.isa.run(Bits { planes, words, rows, places, out });
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self::new()
    }
}

fn check(width: usize, elements: usize, places: &[u32], out: usize) {
    assert_eq!(places.len(), out, "a result for each place");
    let rows = elements.checked_div(width).unwrap_or(usize::MAX);
    let behind = places.iter().fold(0, |most, &place| most.max(place as usize + 1));
    assert!(behind <= rows, "place {behind} of {rows} rows");
}

/// Where the rows of up to [`TOGETHER`] places begin; the last again where there are fewer.
///
/// # Safety
/// The places are of rows.
#[inline(always)]
unsafe fn starts<E>(rows: &[E], width: usize, places: &[u32]) -> [*const E; TOGETHER] {
    let mut starts = [rows.as_ptr(); TOGETHER];
    for (i, start) in starts.iter_mut().enumerate() {
        // SAFETY: as the caller promises.
        *start = unsafe { start.add(places[i.min(places.len() - 1)] as usize * width) };
    }
    starts
}

/// How floats are stored.
trait Stored: Copy {
    /// # Safety
    /// A vector of them can be read.
    unsafe fn load<V: F32s>(from: *const Self) -> V;
    /// The first `count`, fewer than a vector; then zeros.
    ///
    /// # Safety
    /// `count` can be read.
    unsafe fn load_first<V: F32s>(from: *const Self, count: usize) -> V;
}

impl Stored for f32 {
    #[inline(always)]
    unsafe fn load<V: F32s>(from: *const Self) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::load(from) }
    }
    #[inline(always)]
    unsafe fn load_first<V: F32s>(from: *const Self, count: usize) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::load_first(from, count) }
    }
}

impl Stored for u16 {
    #[inline(always)]
    unsafe fn load<V: F32s>(from: *const Self) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::load_f16(from) }
    }
    #[inline(always)]
    unsafe fn load_first<V: F32s>(from: *const Self, count: usize) -> V {
        // The most lanes there are.
        let mut lanes = [0u16; 16];
        // SAFETY: as the caller promises.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count.min(16));
            V::load_f16(lanes.as_ptr())
        }
    }
}

/// What is summed.
trait Measure: Copy {
    fn add<V: F32s>(self, sum: V, query: V, row: V) -> V;
}

#[derive(Clone, Copy)]
struct Product;

impl Measure for Product {
    #[inline(always)]
    fn add<V: F32s>(self, sum: V, query: V, row: V) -> V {
        query.mul_add(row, sum)
    }
}

#[derive(Clone, Copy)]
struct SquaredDifference;

impl Measure for SquaredDifference {
    #[inline(always)]
    fn add<V: F32s>(self, sum: V, query: V, row: V) -> V {
        let difference = query.sub(row);
        difference.mul_add(difference, sum)
    }
}

struct Floats<'a, E, M> {
    query: &'a [f32],
    rows: &'a [E],
    places: &'a [u32],
    out: &'a mut [f32],
    measure: M,
}

impl<E: Stored, M: Measure> Kernel for Floats<'_, E, M> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        let Self { query, rows, places, out, measure } = self;
        let (width, whole) = (query.len(), query.len() - query.len() % V::LANES);
        for (places, out) in places.chunks(TOGETHER).zip(out.chunks_mut(TOGETHER)) {
            // SAFETY: places were checked, and all is read within a row of `width`.
            unsafe {
                let rows = starts(rows, width, places);
                let mut sums = [[V::splat(0.0); TOGETHER]; SUMS];
                let mut at = 0;
                while at + SUMS * V::LANES <= whole {
                    for sums in &mut sums {
                        let query = V::load(query.as_ptr().add(at));
                        for (sum, row) in sums.iter_mut().zip(rows) {
                            *sum = measure.add(*sum, query, E::load(row.add(at)));
                        }
                        at += V::LANES;
                    }
                }
                while at < whole {
                    let query = V::load(query.as_ptr().add(at));
                    for (sum, row) in sums[0].iter_mut().zip(rows) {
                        *sum = measure.add(*sum, query, E::load(row.add(at)));
                    }
                    at += V::LANES;
                }
                if whole < width {
                    let query = V::load_first(query.as_ptr().add(whole), width - whole);
                    for (sum, row) in sums[0].iter_mut().zip(rows) {
                        *sum = measure.add(*sum, query, E::load_first(row.add(whole), width - whole));
                    }
                }
                for (i, out) in out.iter_mut().enumerate() {
                    let mut total = sums[0][i];
                    for sums in &sums[1..] {
                        total = total.add(sums[i]);
                    }
                    *out = total.sum();
                }
            }
        }
    }
}

struct Integers<'a> {
    query: &'a [i16],
    rows: &'a [i8],
    places: &'a [u32],
    out: &'a mut [i32],
}

impl Kernel for Integers<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        let Self { query, rows, places, out } = self;
        let step = <V as Narrow>::INTEGERS;
        let (width, whole) = (query.len(), query.len() - query.len() % step);
        // What is left of the query, then zeros; the most integers that a step takes.
        let mut rest = [0i16; 32];
        rest[..width - whole].copy_from_slice(&query[whole..]);
        for (places, out) in places.chunks(TOGETHER).zip(out.chunks_mut(TOGETHER)) {
            // SAFETY: places were checked, and all is read within a row of `width`.
            unsafe {
                let rows = starts(rows, width, places);
                let mut sums = [[V::no_sums(); TOGETHER]; SUMS];
                let mut at = 0;
                while at + SUMS * step <= whole {
                    for sums in &mut sums {
                        for (sum, row) in sums.iter_mut().zip(rows) {
                            *sum = V::add_products(*sum, row.add(at), query.as_ptr().add(at));
                        }
                        at += step;
                    }
                }
                while at < whole {
                    for (sum, row) in sums[0].iter_mut().zip(rows) {
                        *sum = V::add_products(*sum, row.add(at), query.as_ptr().add(at));
                    }
                    at += step;
                }
                if whole < width {
                    for (sum, row) in sums[0].iter_mut().zip(rows) {
                        let mut bytes = [0i8; 32];
                        std::ptr::copy_nonoverlapping(row.add(whole), bytes.as_mut_ptr(), width - whole);
                        *sum = V::add_products(*sum, bytes.as_ptr(), rest.as_ptr());
                    }
                }
                for (i, out) in out.iter_mut().enumerate() {
                    // Sums of all that a query may hold fit in 32 bits together.
                    *out = 0;
                    for sums in &sums {
                        *out += V::total(sums[i]);
                    }
                }
            }
        }
    }
}

struct Bits<'a> {
    planes: &'a [u64],
    words: usize,
    rows: &'a [u64],
    places: &'a [u32],
    out: &'a mut [i32],
}

impl Kernel for Bits<'_> {
    type Output = ();

    /// No vectors: processors count the bits of a word as fast, and compilers make vectors of it where they do not.
    #[inline(always)]
    fn run<V: F32s>(self) {
        let Self { planes, words, rows, places, out } = self;
        for (place, out) in places.iter().zip(out) {
            let row = &rows[*place as usize * words..][..words];
            let mut total = 0i32;
            // Horner's rule, from the plane that counts most.
            for (j, plane) in planes.chunks_exact(words.max(1)).rev().enumerate() {
                let mut common = 0;
                for (a, b) in plane.iter().zip(row) {
                    common += (a & b).count_ones();
                }
                let common = common.cast_signed();
                total = 2 * total + if j == 0 { -common } else { common };
            }
            *out = total;
        }
    }
}

#[cfg(test)]
mod tests;
