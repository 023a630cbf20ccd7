//! What queries and keys make of each other, a block of keys at a time.

use std::mem::MaybeUninit;

use heatseek_ops::Attention;

use crate::gemm::transpose;
use crate::simd::{F32s, Product, tiled};

/// The most queries of a block.
pub(crate) const MAX_QUERIES: usize = heatseek_ops::ATTENTION_TILE_QUERIES;
/// The most keys of a block; a whole number of vectors. With the scores they stay in the nearest cache.
const MAX_KEYS: usize = 96;
/// The most keys of a block beside which the queries lie too.
pub(super) const MAX_KEYS_BY_KEY: usize = 64;
/// How much of a head is worked on at once.
pub(super) const MAX_DEPTH: usize = 64;

/// What a task keeps beside its operands: on the stack, as tasks allocate nothing.
#[repr(C, align(64))]
pub(crate) struct Scratch {
    /// Queries of a tile transposed.
    queries: [MaybeUninit<f32>; MAX_DEPTH * MAX_QUERIES],
    /// Scores of a block, row by row.
    pub(super) scores: [MaybeUninit<f32>; MAX_QUERIES * MAX_KEYS],
    /// Keys transposed, or values, of a block.
    pub(super) block: [MaybeUninit<f32>; MAX_KEYS * MAX_DEPTH],
}

impl Scratch {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            queries: [MaybeUninit::uninit(); MAX_DEPTH * MAX_QUERIES],
            scores: [MaybeUninit::uninit(); MAX_QUERIES * MAX_KEYS],
            block: [MaybeUninit::uninit(); MAX_KEYS * MAX_DEPTH],
        }
    }
}

/// Queries of one sequence, one after another, and the keys they may see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile {
    pub(crate) q0: usize,
    pub(crate) queries: usize,
    pub(crate) k0: usize,
    pub(crate) keys: usize,
}

impl Tile {
    /// Pairs of a query and a key.
    pub(super) fn cost(&self) -> u64 {
        self.queries as u64 * self.keys as u64
    }
}

/// Some keys of a tile, counted from its first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// From a row of their scores to the next.
    pub(crate) stride: usize,
}

/// One head of packed rows of queries, keys and values.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    qkv: &'a [f32],
    op: Attention,
    head: usize,
}

impl<'a> Head<'a> {
    pub(crate) fn new(qkv: &'a [f32], op: Attention, head: usize) -> Self {
        Self { qkv, op, head }
    }

    /// From a row to the next.
    pub(super) fn stride(&self) -> usize {
        3 * self.op.width()
    }

    /// Queries (0), keys (1) or values (2) of this head from `row` on.
    #[inline(always)]
    pub(super) fn part(&self, part: usize, row: usize) -> &'a [f32] {
        &self.qkv[row * self.stride() + part * self.op.width() + self.head * self.op.head_dim..]
    }

    /// How many keys some query of `tile` sees.
    pub(super) fn keys(&self, tile: &Tile) -> usize {
        if self.op.causal { tile.q0 + tile.queries - tile.k0 } else { tile.keys }
    }

    /// How many queries of `tile`, its first ones, do not see its key `index`.
    #[inline(always)]
    pub(super) fn blind(&self, tile: &Tile, index: usize) -> usize {
        if self.op.causal { (tile.k0 + index).saturating_sub(tile.q0).min(tile.queries) } else { 0 }
    }

    /// Makes what queries do not see of scores by key, of `count` keys from `first` on, `value`.
    #[inline(always)]
    pub(super) fn hide(
        &self,
        tile: &Tile,
        (first, count): (usize, usize),
        width: usize,
        scratch: &mut Scratch,
        value: f32,
    ) {
        for index in 0..count {
            let blind = self.blind(tile, first + index);
            scratch.scores[index * width..][..blind].fill(MaybeUninit::new(value));
        }
    }

    /// The keys that some query of `tile` sees, in blocks of about the same size.
    pub(crate) fn blocks<V: F32s>(&self, tile: &Tile) -> impl Iterator<Item = Keys> + use<V> {
        let seen = self.keys(tile);
        let of_block = seen.div_ceil(seen.div_ceil(MAX_KEYS).max(1)).next_multiple_of(V::LANES).max(1);
        (0..seen).step_by(of_block).map(move |first| {
            let count = of_block.min(seen - first);
            Keys { first, count, stride: count.next_multiple_of(V::LANES) }
        })
    }

    /// How many of `keys` query `index` of `tile` sees.
    #[inline(always)]
    pub(crate) fn seen(&self, tile: &Tile, keys: &Keys, index: usize) -> usize {
        match self.op.causal {
            true => (tile.q0 + index + 1 - tile.k0).saturating_sub(keys.first).min(keys.count),
            false => keys.count,
        }
    }

    /// Computes `q · k` of a tile and some keys, not scaled, those that a query does not see included.
    #[inline(always)]
    pub(crate) fn scores<V: F32s>(&self, tile: &Tile, keys: &Keys, scratch: &mut Scratch) {
        const { assert!(MAX_KEYS.is_multiple_of(V::LANES)) };
        let (d, &Keys { count, stride, .. }) = (self.op.head_dim, keys);
        assert!(tile.queries <= MAX_QUERIES && stride <= MAX_KEYS, "a block fits in the scratch");
        let block: *mut f32 = scratch.block.as_mut_ptr().cast();
        for from in (0..d).step_by(MAX_DEPTH) {
            let depth = MAX_DEPTH.min(d - from);
            let rows = &self.part(1, tile.k0 + keys.first)[from..];
            assert!(rows.len() >= (count - 1) * self.stride() + depth, "all keys are there");
            let queries = &self.part(0, tile.q0)[from..];
            assert!(queries.len() >= (tile.queries - 1) * self.stride() + depth, "all queries are there");
            // SAFETY: as asserted, and `depth · stride` elements of the block are there.
            unsafe {
                transpose::<V>(rows.as_ptr(), self.stride(), count, depth, block, stride);
                for row in (0..depth).filter(|_| count < stride) {
                    std::slice::from_raw_parts_mut(block.add(row * stride + count), stride - count).fill(0.0);
                }
                let product = Product {
                    a: queries.as_ptr(),
                    a_stride: self.stride(),
                    a_step: 1,
                    b: block,
                    b_stride: stride,
                    depth,
                    out: scratch.scores.as_mut_ptr().cast(),
                    out_stride: stride,
                    accumulate: from > 0,
                };
                tiled::<V>(&product, tile.queries, stride / V::LANES);
            }
        }
    }

    /// Computes `k · q`, the same with a row for each of `count` keys from `first` on, one score for each query in it and
    /// zeros that fill its last vector: what belongs to a query is in one lane then. Gives the length of a row.
    #[inline(always)]
    pub(super) fn scores_by_key<V: F32s>(
        &self,
        tile: &Tile,
        (first, count): (usize, usize),
        scratch: &mut Scratch,
    ) -> usize {
        const { assert!(MAX_QUERIES.is_multiple_of(V::LANES) && MAX_KEYS_BY_KEY <= MAX_KEYS) };
        let (d, width) = (self.op.head_dim, tile.queries.next_multiple_of(V::LANES));
        assert!(width <= MAX_QUERIES && count <= MAX_KEYS_BY_KEY, "a block fits in the scratch");
        let transposed: *mut f32 = scratch.queries.as_mut_ptr().cast();
        for from in (0..d).step_by(MAX_DEPTH) {
            let depth = MAX_DEPTH.min(d - from);
            let keys = &self.part(1, tile.k0 + first)[from..];
            assert!(keys.len() >= (count - 1) * self.stride() + depth, "all keys are there");
            let queries = &self.part(0, tile.q0)[from..];
            assert!(queries.len() >= (tile.queries - 1) * self.stride() + depth, "all queries are there");
            // SAFETY: as asserted, and `depth · width` elements of the queries' room and `count · width` scores are there.
            unsafe {
                // Those of the first block are there still, if all of a head was worked on.
                if first == 0 || d > MAX_DEPTH {
                    transpose::<V>(queries.as_ptr(), self.stride(), tile.queries, depth, transposed, width);
                    for row in (0..depth).filter(|_| tile.queries < width) {
                        let gap = transposed.add(row * width + tile.queries);
                        std::slice::from_raw_parts_mut(gap, width - tile.queries).fill(0.0);
                    }
                }
                let product = Product {
                    a: keys.as_ptr(),
                    a_stride: self.stride(),
                    a_step: 1,
                    b: transposed,
                    b_stride: width,
                    depth,
                    out: scratch.scores.as_mut_ptr().cast(),
                    out_stride: width,
                    accumulate: from > 0,
                };
                tiled::<V>(&product, count, width / V::LANES);
            }
        }
        width
    }

    /// The scores of query `index` with `keys` that [`Head::scores`] has computed.
    #[inline(always)]
    pub(crate) fn row<'s>(&self, scratch: &'s mut Scratch, keys: &Keys, index: usize) -> &'s mut [f32] {
        let row = &mut scratch.scores[index * keys.stride..][..keys.count];
        // SAFETY: `scores` has written them.
        unsafe { std::slice::from_raw_parts_mut(row.as_mut_ptr().cast(), row.len()) }
    }
}
