//! See [`Attention`]: scores, their exponentials and the weighted values of a block of keys after another, so that
//! all of it stays in the nearest cache (an online softmax: Milakov & Gimelshein, arXiv 1805.02867; Dao et al., arXiv
//! 2205.14135).

mod scores;

use heatseek_ops::{Attention, ExecutorError, Operands};

use crate::gemm::{Output, internal};
use crate::math::Decay;
use crate::simd::{F32s, Kernel, Product, evenly, load_up_to, store_up_to};
use crate::{Isa, parallel};
use scores::MAX_KEYS_BY_KEY;
pub(crate) use scores::{Head, Keys, LOWEST, MAX_QUERIES, Qkv, Scratch, Tile};

/// Pairs of a query and a key, over all of a head, that are worth a task.
const MIN_TASK_PRODUCTS: u64 = 1 << 19;
/// Tasks for each thread, so that one that is held up does not keep the others waiting for long.
const TASKS_OF_THREAD: usize = 8;
/// The most elements of a tile on any instruction set.
const TILE_ELEMS: usize = 8 * 48;
/// Columns of values that are worked on at once.
const MAX_COLUMNS: usize = 64;

/// See [`Attention`]. Each tile of queries has a share for each head, and a task takes shares that cost about as much as
/// any other task's.
pub(crate) fn attention(isa: Isa, op: &Attention, operands: &mut Operands<'_>) -> Result<(), ExecutorError> {
    let (qkv, y, table) = (Qkv::of(op, operands)?, operands.output("y"), operands.table("tiles"));
    if qkv.len() != 3 * y.len() {
        return Err(internal(format!("attention of {} values writes {}", qkv.len(), y.len())));
    }
    let shares = Shares { table, op };
    let cost = shares.cost();
    let tasks = match parallel::threads() {
        1 => 1,
        threads => {
            (cost * op.head_dim as u64 / MIN_TASK_PRODUCTS).clamp(1, (TASKS_OF_THREAD * threads) as u64)
        }
    };
    let y = Output::new(y);
    parallel::run(tasks as usize, |task| {
        let costs = cost * task as u64 / tasks..cost * (task as u64 + 1) / tasks;
        isa.run(Task { qkv, shares, costs, y: &y });
    });
    Ok(())
}

/// The tiles of queries with the keys they see, each as often as there are heads.
#[derive(Clone, Copy)]
struct Shares<'a> {
    table: &'a [u32],
    op: &'a Attention,
}

impl<'a> Shares<'a> {
    fn tiles(self) -> impl Iterator<Item = Tile> + use<'a> {
        let rows = self.table.chunks_exact(4).map(|row| [row[0], row[1], row[2], row[3]].map(|i| i as usize));
        rows.map(move |[q0, queries, k0, keys]| Tile { q0, queries, k0, keys }.of_seen(self.op))
    }

    /// Pairs of a query and a key, of all heads.
    fn cost(self) -> u64 {
        self.op.num_attention_heads as u64 * self.tiles().map(|tile| tile.cost()).sum::<u64>()
    }
}

struct Task<'a> {
    qkv: Qkv<'a>,
    shares: Shares<'a>,
    /// The shares that begin here, counted in pairs.
    costs: std::ops::Range<u64>,
    y: &'a Output<'a>,
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        let mut scratch = Scratch::new();
        let op = self.shares.op;
        let mut begins = 0;
        for tile in self.shares.tiles() {
            let cost = tile.cost();
            let of_tile = begins..begins + cost * op.num_attention_heads as u64;
            begins = of_tile.end;
            if of_tile.end <= self.costs.start || of_tile.start >= self.costs.end {
                continue;
            }
            for head in 0..op.num_attention_heads {
                if self.costs.contains(&(of_tile.start + head as u64 * cost)) {
                    let head = (self.qkv.head(head), head * op.head_dim);
                    attend::<V>(op, head, &tile, &mut scratch, self.y);
                }
            }
        }
    }
}

/// What is known of each query of a tile, one a lane.
#[repr(C, align(64))]
struct Softmax {
    /// The largest score so far.
    highest: [f32; MAX_QUERIES],
    /// The sum of exponentials so far.
    sums: [f32; MAX_QUERIES],
    /// What was summed so far is to be multiplied with, as `highest` has grown.
    factors: [f32; MAX_QUERIES],
    /// What is to become of the sums in the end.
    scales: [f32; MAX_QUERIES],
}

/// Writes what one head makes of a tile to its `column` of `y`.
#[inline(always)]
fn attend<V: F32s>(
    op: &Attention,
    (head, column): (Head<'_>, usize),
    tile: &Tile,
    scratch: &mut Scratch,
    y: &Output<'_>,
) {
    let mut softmax = Softmax {
        highest: [LOWEST; MAX_QUERIES],
        sums: [0.0; MAX_QUERIES],
        factors: [0.0; MAX_QUERIES],
        scales: [1.0; MAX_QUERIES],
    };
    for (first, count) in evenly(tile.keys, MAX_KEYS_BY_KEY) {
        let width = head.scores_by_key::<V>(tile, (first, count), scratch);
        let is_last = first + count == tile.keys;
        head.hide(tile, (first, count), width, scratch, LOWEST);
        for (vector, vectors) in evenly(width / V::LANES, 2) {
            let scores = scratch.scores.as_mut_ptr().cast::<f32>();
            let block = Scores { scores, width, count, first: vector * V::LANES };
            match vectors {
                1 => exponentials::<V, 1>(&block, op.scale(), is_last, &mut softmax),
                _ => exponentials::<V, 2>(&block, op.scale(), is_last, &mut softmax),
            }
        }
        head.hide(tile, (first, count), width, scratch, 0.0);
        for (from, columns) in
            (0..op.head_dim).step_by(MAX_COLUMNS).map(|c| (c, MAX_COLUMNS.min(op.head_dim - c)))
        {
            let values = Values { first, count, from, columns, weights: width };
            weigh::<V>(op, (head, column), tile, &values, &softmax, scratch, y);
        }
    }
}

/// Some columns, from `first` on, of a block of scores by key.
struct Scores {
    scores: *mut f32,
    width: usize,
    count: usize,
    first: usize,
}

/// Makes `VECTORS` vectors of each row of `block` exponentials, as far as the largest of their columns, and counts them.
#[inline(always)]
fn exponentials<V: F32s, const VECTORS: usize>(
    block: &Scores,
    scale: f32,
    is_last: bool,
    softmax: &mut Softmax,
) {
    let &Scores { scores, width, count, first } = block;
    assert!(first + VECTORS * V::LANES <= width && width <= MAX_QUERIES, "there are so many columns");
    let decay = Decay::<V>::new(scale);
    // SAFETY: the columns are there, of the scores and of what is known of each.
    unsafe {
        let at = |values: &mut [f32; MAX_QUERIES]| values.as_mut_ptr().add(first);
        let scores = scores.add(first);
        let (highests, sums, factors, scales) = (
            at(&mut softmax.highest),
            at(&mut softmax.sums),
            at(&mut softmax.factors),
            at(&mut softmax.scales),
        );
        let mut highest = [V::splat(0.0); VECTORS];
        for (j, highest) in highest.iter_mut().enumerate() {
            *highest = V::load(highests.add(j * V::LANES));
        }
        for row in 0..count {
            for (j, highest) in highest.iter_mut().enumerate() {
                *highest = highest.max(V::load(scores.add(row * width + j * V::LANES)));
            }
        }
        let mut counted = [V::splat(0.0); VECTORS];
        for row in 0..count {
            for (j, counted) in counted.iter_mut().enumerate() {
                let to = scores.add(row * width + j * V::LANES);
                let value = decay.of(V::load(to).sub(highest[j]));
                value.store(to);
                *counted = counted.add(value);
            }
        }
        for j in 0..VECTORS {
            let at = j * V::LANES;
            // In the first block nearly nothing, of nothing: what was before is the lowest. And until a query has seen
            // something, what is hidden from it counts as if it were seen; then it becomes nearly nothing.
            let factor = decay.of(V::load(highests.add(at)).sub(highest[j]));
            let sum = V::load(sums.add(at)).mul_add(factor, counted[j]);
            highest[j].store(highests.add(at));
            factor.store(factors.add(at));
            sum.store(sums.add(at));
            if is_last {
                V::splat(1.0).div(sum).store(scales.add(at));
            }
        }
    }
}

/// Some columns of the values of some keys, and how many weights a key has.
struct Values {
    first: usize,
    count: usize,
    from: usize,
    columns: usize,
    weights: usize,
}

/// Adds `values`, weighed, to what has been summed in `y`.
#[inline(always)]
fn weigh<V: F32s>(
    op: &Attention,
    (head, column): (Head<'_>, usize),
    tile: &Tile,
    values: &Values,
    softmax: &Softmax,
    scratch: &mut Scratch,
    y: &Output<'_>,
) {
    #[repr(C, align(64))]
    struct Sums([f32; TILE_ELEMS]);
    const { assert!(V::TILE_ROWS * V::TILE_VECTORS * V::LANES <= TILE_ELEMS) };
    let mut sums = Sums([0.0; TILE_ELEMS]);
    let &Values { first, count, from, columns, weights } = values;
    let width = columns.next_multiple_of(V::LANES);
    let rows = &head.part(2, tile.k0 + first)[from..];
    assert!(rows.len() >= (count - 1) * head.stride() + columns, "all values are there");
    let block: *mut f32 = scratch.block.as_mut_ptr().cast();
    // SAFETY: rows of values as asserted; the block holds `count` rows of whole vectors. The sums hold any tile, and these
    // rows and columns of `y` are this task's.
    unsafe {
        // Together, as rows that lie far apart push each other out of the nearest cache.
        for row in 0..count {
            for at in (0..width).step_by(V::LANES) {
                let value: V = load_up_to(rows.as_ptr().add(row * head.stride() + at), columns - at);
                value.store(block.add(row * width + at));
            }
        }
        for (vector, vectors) in evenly(width / V::LANES, V::TILE_VECTORS) {
            for (row, rows) in evenly(tile.queries, V::TILE_ROWS) {
                let product = Product {
                    a: scratch.scores.as_ptr().cast::<f32>().add(row),
                    a_stride: 1,
                    a_step: weights,
                    b: block.add(vector * V::LANES),
                    b_stride: width,
                    depth: count,
                    out: sums.0.as_mut_ptr(),
                    out_stride: vectors * V::LANES,
                    accumulate: false,
                };
                V::product(&product, rows, vectors);
                for i in 0..rows {
                    let factor = V::splat(softmax.factors[row + i]);
                    let scale = V::splat(softmax.scales[row + i]);
                    let out = (tile.q0 + row + i) * op.width() + column + from;
                    for j in vector..vector + vectors {
                        let (to, left) = (y.at(out + j * V::LANES), columns - j * V::LANES);
                        let mut sum = V::load(sums.0.as_ptr().add((i * vectors + j - vector) * V::LANES));
                        if first > 0 {
                            sum = load_up_to::<V>(to, left).mul_add(factor, sum);
                        }
                        store_up_to(sum.mul(scale), to, left);
                    }
                }
            }
        }
    }
}
