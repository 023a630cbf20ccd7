//! See [`Attention`]: scores, their exponentials and the weighted values of a block of keys after another, so that
//! all of it stays in the nearest cache (an online softmax: Milakov & Gimelshein, arXiv 1805.02867; Dao et al., arXiv
//! 2205.14135).

mod scores;

use heatseek_ops::{Attention, ExecutorError, Operands};

use crate::gemm::{Output, internal};
use crate::math::{exp_row, largest};
use crate::simd::{F32s, Kernel, Product, load_up_to, store_up_to};
use crate::{Isa, parallel};
pub(crate) use scores::{Head, Keys, MAX_QUERIES, Scratch, Tile};

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
    let (qkv, y, table) = (operands.input("qkv"), operands.output("y"), operands.table("tiles"));
    if qkv.len() != 3 * y.len() {
        return Err(internal(format!("attention of {} values writes {}", qkv.len(), y.len())));
    }
    let shares = Shares { table, heads: op.num_attention_heads };
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
        isa.run(Task { op: *op, qkv, shares, costs, y: &y });
    });
    Ok(())
}

/// The tiles of queries, each as often as there are heads.
#[derive(Clone, Copy)]
struct Shares<'a> {
    table: &'a [u32],
    heads: usize,
}

impl<'a> Shares<'a> {
    fn tiles(self) -> impl Iterator<Item = Tile> + use<'a> {
        let rows = self.table.chunks_exact(4).map(|row| [row[0], row[1], row[2], row[3]].map(|i| i as usize));
        rows.map(|[q0, queries, k0, keys]| Tile { q0, queries, k0, keys })
    }

    /// Pairs of a query and a key, of all heads.
    fn cost(self) -> u64 {
        self.heads as u64 * self.tiles().map(|tile| tile.cost()).sum::<u64>()
    }
}

struct Task<'a> {
    op: Attention,
    qkv: &'a [f32],
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
        let mut begins = 0;
        for tile in self.shares.tiles() {
            let cost = tile.cost();
            let of_tile = begins..begins + cost * self.shares.heads as u64;
            begins = of_tile.end;
            if of_tile.end <= self.costs.start || of_tile.start >= self.costs.end {
                continue;
            }
            for head in 0..self.shares.heads {
                if self.costs.contains(&(of_tile.start + head as u64 * cost)) {
                    let head = (Head::new(self.qkv, self.op, head), head * self.op.head_dim);
                    attend::<V>(&self.op, head, &tile, &mut scratch, self.y);
                }
            }
        }
    }
}

/// What is known of each query of a tile.
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
        highest: [f32::NEG_INFINITY; MAX_QUERIES],
        sums: [0.0; MAX_QUERIES],
        factors: [0.0; MAX_QUERIES],
        scales: [1.0; MAX_QUERIES],
    };
    let mut blocks = head.blocks::<V>(tile).peekable();
    while let Some(keys) = blocks.next() {
        head.scores::<V>(tile, &keys, scratch);
        for index in 0..tile.queries {
            let seen = head.seen(tile, &keys, index);
            let (seen, unseen) = head.row(scratch, &keys, index).split_at_mut(seen);
            let before = softmax.highest[index];
            let now = before.max(largest::<V>(seen));
            softmax.highest[index] = now;
            softmax.factors[index] = before - now;
            softmax.scales[index] = exp_row::<V>(seen, op.scale(), now);
            unseen.fill(0.0);
        }
        let is_last = blocks.peek().is_none();
        // Of the first block these are e^−∞, of which nothing is made: there is nothing yet.
        exp_row::<V>(&mut softmax.factors[..tile.queries], op.scale(), 0.0);
        for index in 0..tile.queries {
            let sum = softmax.sums[index] * softmax.factors[index] + softmax.scales[index];
            softmax.sums[index] = sum;
            softmax.scales[index] = if is_last { 1.0 / sum } else { 1.0 };
        }
        for first in (0..op.head_dim).step_by(MAX_COLUMNS) {
            let columns = first..(first + MAX_COLUMNS).min(op.head_dim);
            weigh::<V>(op, (head, column), tile, &keys, columns, &softmax, scratch, y);
        }
    }
}

/// Adds the values of `keys`, weighed, to what has been summed in `y`.
#[expect(clippy::too_many_arguments, reason = "one step of a loop that has all of them")]
#[inline(always)]
fn weigh<V: F32s>(
    op: &Attention,
    (head, column): (Head<'_>, usize),
    tile: &Tile,
    keys: &Keys,
    columns: std::ops::Range<usize>,
    softmax: &Softmax,
    scratch: &mut Scratch,
    y: &Output<'_>,
) {
    #[repr(C, align(64))]
    struct Sums([f32; TILE_ELEMS]);
    const { assert!(V::TILE_ROWS * V::TILE_VECTORS * V::LANES <= TILE_ELEMS) };
    let mut sums = Sums([0.0; TILE_ELEMS]);
    let (width, count) = (columns.len(), columns.len().next_multiple_of(V::LANES));
    let values = &head.part(2, tile.k0 + keys.first)[columns.start..];
    assert!(values.len() >= (keys.count - 1) * head.stride() + width, "all values are there");
    let (mut b, mut b_stride) = (values.as_ptr(), head.stride());
    // SAFETY: rows of values as asserted; where they are not whole vectors, they are copied to where they are. The sums
    // hold any tile, and these rows and columns of `y` are this task's.
    unsafe {
        if width < count {
            let block: *mut f32 = scratch.block.as_mut_ptr().cast();
            for row in 0..keys.count {
                let to = block.add(row * count);
                std::ptr::copy_nonoverlapping(values.as_ptr().add(row * head.stride()), to, width);
                std::slice::from_raw_parts_mut(to.add(width), count - width).fill(0.0);
            }
            (b, b_stride) = (block, count);
        }
        let vectors = count / V::LANES;
        let most = vectors.div_ceil(vectors.div_ceil(V::TILE_VECTORS));
        for row in (0..tile.queries).step_by(V::TILE_ROWS) {
            let rows = V::TILE_ROWS.min(tile.queries - row);
            for vector in (0..vectors).step_by(most) {
                let of_tile = most.min(vectors - vector);
                let product = Product {
                    a: scratch.scores.as_ptr().cast::<f32>().add(row * keys.stride),
                    a_stride: keys.stride,
                    b: b.add(vector * V::LANES),
                    b_stride,
                    depth: keys.count,
                    out: sums.0.as_mut_ptr(),
                    out_stride: of_tile * V::LANES,
                    accumulate: false,
                };
                V::product(&product, rows, of_tile);
                for i in 0..rows {
                    let factor = V::splat(softmax.factors[row + i]);
                    let scale = V::splat(softmax.scales[row + i]);
                    let out = (tile.q0 + row + i) * op.width() + column + columns.start;
                    for j in vector..vector + of_tile {
                        let (to, left) = (y.at(out + j * V::LANES), width - j * V::LANES);
                        let mut sum = V::load(sums.0.as_ptr().add((i * of_tile + j - vector) * V::LANES));
                        if keys.first > 0 {
                            sum = load_up_to::<V>(to, left).mul_add(factor, sum);
                        }
                        store_up_to(sum.mul(scale), to, left);
                    }
                }
            }
        }
    }
}
