//! What queries and keys make of each other, a block of keys at a time.

use std::mem::MaybeUninit;
use std::ops::Range;

use heatseek_ops::{Attention, ExecutorError, Operands};

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

/// The score of what is hidden: below any other, and finite, for in a block all may be hidden from a query.
pub(crate) const LOWEST: f32 = -1e30;

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
    /// The same queries with the keys that some of them see.
    pub(crate) fn of_seen(self, op: &Attention) -> Self {
        let keys = self.k0..self.k0 + self.keys;
        let first = op.seen(self.q0, keys.clone()).start;
        let end = op.seen(self.q0 + self.queries - 1, keys).end;
        Self { k0: first, keys: end - first, ..self }
    }

    fn queries(&self) -> Range<usize> {
        self.q0..self.q0 + self.queries
    }

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

/// What attention and its maps read.
#[derive(Clone, Copy)]
pub(crate) struct Qkv<'a> {
    op: &'a Attention,
    rows: &'a [f32],
    /// Empty if there is none.
    bias: &'a [f32],
}

impl<'a> Qkv<'a> {
    /// # Errors
    /// [`ExecutorError::Unsupported`] of a bias in browsers: no model that is loaded there has one yet, and everyone would
    /// download what adds it.
    pub(crate) fn of(op: &'a Attention, operands: &Operands<'a>) -> Result<Self, ExecutorError> {
        if cfg!(target_family = "wasm") && op.relative_bias.is_some() {
            return Err(ExecutorError::Unsupported {
                device: "the CPU".into(),
                what: "attention with a relative bias".into(),
                why: "the build for browsers lacks it; run it natively".into(),
            });
        }
        Ok(Self { op, rows: operands.input("qkv"), bias: operands.input("relative_bias") })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn head(self, head: usize) -> Head<'a> {
        Head { qkv: self, head }
    }
}

/// One head of packed rows of queries, keys and values.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    qkv: Qkv<'a>,
    head: usize,
}

impl<'a> Head<'a> {
    /// From a row to the next.
    pub(super) fn stride(&self) -> usize {
        3 * self.qkv.op.width()
    }

    /// Queries (0), keys (1) or values (2) of this head from `row` on.
    #[inline(always)]
    pub(super) fn part(&self, part: usize, row: usize) -> &'a [f32] {
        let Qkv { op, rows, .. } = self.qkv;
        &rows[row * self.stride() + part * op.width() + self.head * op.head_dim..]
    }

    /// Makes what queries do not see of scores by key, of `count` keys from `first` on, `value`.
    #[inline(never)]
    pub(super) fn hide(
        &self,
        tile: &Tile,
        (first, count): (usize, usize),
        width: usize,
        scratch: &mut Scratch,
        value: f32,
    ) {
        let op = self.qkv.op;
        if op.reach() == [usize::MAX; 2] {
            return;
        }
        for (key, row) in (tile.k0 + first..).zip(scratch.scores.chunks_exact_mut(width).take(count)) {
            let seeing = op.seeing(key, tile.queries());
            row[..seeing.start - tile.q0].fill(MaybeUninit::new(value));
            row[seeing.end - tile.q0..tile.queries].fill(MaybeUninit::new(value));
        }
    }

    /// Adds the bias to scores with a row for each of `rows` and, `width` from a row to the next, a column for each of
    /// `columns`: keys and queries if they are `by_key`, else queries and keys. It is divided by what scores are to be
    /// multiplied with.
    #[inline(never)]
    fn add_bias(
        &self,
        (rows, columns): (Range<usize>, Range<usize>),
        by_key: bool,
        width: usize,
        scratch: &mut Scratch,
    ) {
        let Qkv { op, bias, .. } = self.qkv;
        // In browsers there is none, and this takes no place.
        let Some(most) = op.relative_bias.filter(|_| !cfg!(target_family = "wasm")) else { return };
        let (bias, scale) = (&bias[self.head * (2 * most + 1)..][..2 * most + 1], op.scale());
        // Scores on a diagonal are of one offset, so that each is looked up once, from the last row's first on.
        let mut diagonals = [0.0; MAX_QUERIES + MAX_KEYS];
        let diagonals = &mut diagonals[..rows.len() + columns.len() - 1];
        for (column, value) in (columns.start..).zip(diagonals.iter_mut()) {
            let (key, query) = if by_key { (rows.end - 1, column) } else { (column, rows.end - 1) };
            *value = bias[(key + most).saturating_sub(query).min(2 * most)] / scale;
        }
        for (row, first) in (0..rows.len()).rev().enumerate() {
            let scores = &mut scratch.scores[row * width..][..columns.len()];
            // SAFETY: they have been written.
            let scores: &mut [f32] =
                unsafe { std::slice::from_raw_parts_mut(scores.as_mut_ptr().cast(), scores.len()) };
            scores.iter_mut().zip(&diagonals[first..]).for_each(|(score, bias)| *score += bias);
        }
    }

    /// The keys of `tile` in blocks of about the same size.
    pub(crate) fn blocks<V: F32s>(&self, tile: &Tile) -> impl Iterator<Item = Keys> + use<V> {
        let seen = tile.keys;
        let of_block = seen.div_ceil(seen.div_ceil(MAX_KEYS).max(1)).next_multiple_of(V::LANES).max(1);
        (0..seen).step_by(of_block).map(move |first| {
            let count = of_block.min(seen - first);
            Keys { first, count, stride: count.next_multiple_of(V::LANES) }
        })
    }

    /// Which of `keys`, counted from their first, query `index` of `tile` sees.
    #[inline(always)]
    pub(crate) fn seen(&self, tile: &Tile, keys: &Keys, index: usize) -> Range<usize> {
        let first = tile.k0 + keys.first;
        let seen = self.qkv.op.seen(tile.q0 + index, first..first + keys.count);
        seen.start - first..seen.end - first
    }

    /// Computes `q · k` of a tile and some keys, not scaled, and adds the bias; those that a query does not see included.
    #[inline(always)]
    pub(crate) fn scores<V: F32s>(&self, tile: &Tile, keys: &Keys, scratch: &mut Scratch) {
        const { assert!(MAX_KEYS.is_multiple_of(V::LANES)) };
        let (d, &Keys { count, stride, .. }) = (self.qkv.op.head_dim, keys);
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
        let first = tile.k0 + keys.first;
        self.add_bias((tile.queries(), first..first + count), false, stride, scratch);
    }

    /// Computes `k · q` and adds the bias, the same with a row for each of `count` keys from `first` on, one score for each
    /// query in it and zeros that fill its last vector: what belongs to a query is in one lane then. Gives the length of a
    /// row.
    #[inline(always)]
    pub(super) fn scores_by_key<V: F32s>(
        &self,
        tile: &Tile,
        (first, count): (usize, usize),
        scratch: &mut Scratch,
    ) -> usize {
        const { assert!(MAX_QUERIES.is_multiple_of(V::LANES) && MAX_KEYS_BY_KEY <= MAX_KEYS) };
        let (d, width) = (self.qkv.op.head_dim, tile.queries.next_multiple_of(V::LANES));
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
        self.add_bias((tile.k0 + first..tile.k0 + first + count, tile.queries()), true, width, scratch);
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
