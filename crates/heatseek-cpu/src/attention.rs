use heatseek_ops::{Attention, ExecutorError, Operands};
use rten_gemm::{GemmError, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

use crate::gemm::{Executor, internal};
use crate::{math, parallel};

/// See [`Attention`]. Each tile of queries is a task for each head: a matrix product makes its scores, their
/// exponentials are taken row by row, and another product weighs the values with them.
pub(crate) fn attention(
    executor: &Executor,
    op: &Attention,
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let y = operands.output("y");
    let (heads, d, width) = (op.num_attention_heads, op.head_dim, op.width());
    let tiles = Tile::all(operands.table("tiles"));
    let qkv = Qkv::new(executor, *op, operands.input("qkv"));
    let (keys, values) = (qkv.packed_keys(&tiles), qkv.packed_values(&tiles));

    // Heads of a tile one after the other, so that products can write where they belong.
    let mut by_head = vec![0.0; y.len()];
    let mut rest = by_head.as_mut_slice();
    let mut tasks = Vec::with_capacity(tiles.len() * heads);
    for tile in &tiles {
        for head in 0..heads {
            let out;
            (out, rest) = rest.split_at_mut(tile.queries * d);
            tasks.push((*tile, head, out));
        }
    }
    let done = parallel::map(tasks, |(tile, head, out)| {
        let packed = tile.sequence * heads + head;
        let (weights, inverse_sums) = qkv.exponentials(tile, head, &keys[packed])?;
        let weights = NdTensorView::from_data([tile.queries, tile.keys], &weights[..]);
        let values = GemmInputB::Packed(&values[packed]);
        executor.gemm(out, GemmInputA::Unpacked(weights), values, GemmOptions::default())?;
        for (row, inverse) in out.chunks_exact_mut(d).zip(inverse_sums) {
            row.iter_mut().for_each(|v| *v *= inverse);
        }
        Ok(())
    });
    check(op, done)?;

    let (mut y, mut by_head) = (y, by_head.as_slice());
    for tile in tiles {
        let (rows, of_tile);
        (rows, y) = y.split_at_mut(tile.queries * width);
        (of_tile, by_head) = by_head.split_at(tile.queries * width);
        for (row, out) in rows.chunks_exact_mut(width).enumerate() {
            for (head, out) in out.chunks_exact_mut(d).enumerate() {
                out.copy_from_slice(&of_tile[(head * tile.queries + row) * d..][..d]);
            }
        }
    }
    Ok(())
}

/// The outcome of all tasks: shapes that do not fit would be our mistake.
pub(crate) fn check(op: &Attention, done: Vec<Result<(), GemmError>>) -> Result<(), ExecutorError> {
    let done: Result<(), GemmError> = done.into_iter().collect();
    done.map_err(|e| {
        internal(format!("attention of {} heads of {}: {e:?}", op.num_attention_heads, op.head_dim))
    })
}

/// Packed rows of queries, keys and values.
pub(crate) struct Qkv<'a> {
    executor: &'a Executor,
    op: Attention,
    rows: NdTensorView<'a, f32, 2>,
}

impl<'a> Qkv<'a> {
    pub(crate) fn new(executor: &'a Executor, op: Attention, qkv: &'a [f32]) -> Self {
        let stride = 3 * op.width();
        let rows = NdTensorView::from_data([qkv.len() / stride.max(1), stride], qkv);
        Self { executor, op, rows }
    }

    /// The keys of every head of every sequence, laid out once for all tiles of queries that meet them.
    pub(crate) fn packed_keys(&self, tiles: &[Tile]) -> Vec<PackedBMatrix<f32>> {
        self.packed(tiles, |tile, head| self.part(1, head, tile.k0, tile.keys).transposed())
    }

    fn packed_values(&self, tiles: &[Tile]) -> Vec<PackedBMatrix<f32>> {
        self.packed(tiles, |tile, head| self.part(2, head, tile.k0, tile.keys))
    }

    fn packed(
        &self,
        tiles: &[Tile],
        part: impl Fn(Tile, usize) -> NdTensorView<'a, f32, 2> + Sync + Send,
    ) -> Vec<PackedBMatrix<f32>> {
        let mut of_sequences = tiles.to_vec();
        of_sequences.dedup_by_key(|tile| tile.sequence);
        let heads = 0..self.op.num_attention_heads;
        let tasks =
            of_sequences.into_iter().flat_map(|tile| heads.clone().map(move |head| (tile, head))).collect();
        parallel::map(tasks, |(tile, head)| self.executor.prepack_b(part(tile, head)))
    }

    /// `exp(score − the largest of its row)` of a tile's queries and keys, 0 where a query sees no key, and one
    /// over the sum of each row.
    pub(crate) fn exponentials(
        &self,
        tile: Tile,
        head: usize,
        keys: &PackedBMatrix<f32>,
    ) -> Result<(Vec<f32>, Vec<f32>), GemmError> {
        let mut scores = vec![0.0; tile.queries * tile.keys];
        let queries = GemmInputA::Unpacked(self.part(0, head, tile.q0, tile.queries));
        let options = GemmOptions { alpha: self.op.scale(), ..GemmOptions::default() };
        self.executor.gemm(&mut scores, queries, GemmInputB::Packed(keys), options)?;
        let mut inverse_sums = Vec::with_capacity(tile.queries);
        for (row, scores) in scores.chunks_exact_mut(tile.keys).enumerate() {
            let seen = if self.op.causal { tile.q0 + row - tile.k0 + 1 } else { tile.keys };
            let (seen, unseen) = scores.split_at_mut(seen);
            let max = math::max(seen);
            seen.iter_mut().for_each(|s| *s = math::exp(*s - max));
            inverse_sums.push(1.0 / math::sum(seen, |s| s));
            unseen.fill(0.0);
        }
        Ok((scores, inverse_sums))
    }

    /// Queries (0), keys (1) or values (2) of one head.
    fn part(&self, part: usize, head: usize, first: usize, rows: usize) -> NdTensorView<'a, f32, 2> {
        let column = part * self.op.width() + head * self.op.head_dim;
        self.rows.slice((first..first + rows, column..column + self.op.head_dim))
    }
}

/// Queries that lie one after the other and see the same keys.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    pub(crate) q0: usize,
    pub(crate) queries: usize,
    k0: usize,
    pub(crate) keys: usize,
    /// Which of the sequences that tiles are of, counted as they come.
    pub(crate) sequence: usize,
}

impl Tile {
    /// The rows of the attention tile table: they are in the order of their queries, and cover them all.
    fn all(table: &[u32]) -> Vec<Self> {
        let rows = table.chunks_exact(4).map(|tile| [tile[0], tile[1], tile[2], tile[3]]);
        Self::counted(rows.map(|tile| tile.map(|i| i as usize)))
    }

    /// Tiles of at most `most` of the queries of a span table, in its order.
    pub(crate) fn of_spans(table: &[u32], most: usize) -> Vec<Self> {
        let mut tiles: Vec<[usize; 4]> = Vec::new();
        for span in table.chunks_exact(3) {
            let [q, k0, keys] = [span[0], span[1], span[2]].map(|i| i as usize);
            match tiles.last_mut() {
                Some([q0, queries, first, _]) if *first == k0 && *q0 + *queries == q && *queries < most => {
                    *queries += 1;
                }
                _ => tiles.push([q, 1, k0, keys]),
            }
        }
        Self::counted(tiles.into_iter())
    }

    /// Where in its sequence the first query is.
    pub(crate) fn place(&self) -> usize {
        self.q0 - self.k0
    }

    fn counted(tiles: impl Iterator<Item = [usize; 4]>) -> Vec<Self> {
        let (mut sequence, mut of_keys) = (0, None);
        let tile = |[q0, queries, k0, keys]: [usize; 4]| {
            sequence += usize::from(of_keys.is_some_and(|before| before != k0));
            of_keys = Some(k0);
            Self { q0, queries, k0, keys, sequence }
        };
        tiles.map(tile).collect()
    }
}
