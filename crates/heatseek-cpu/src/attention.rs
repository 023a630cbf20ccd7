use heatseek_ops::{Attention, ExecutorError, Operands};
use rten_gemm::{GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

use crate::gemm::{Executor, internal};
use crate::{math, parallel};

/// See [`Attention`]. Keys and values of each head are packed once; then each tile of queries is a task for each
/// head: a matrix product makes its scores, their exponentials are taken row by row, and another product weighs
/// the values with them.
pub(crate) fn attention(
    executor: &Executor,
    op: &Attention,
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let y = operands.output("y");
    let (heads, d, width) = (op.num_attention_heads, op.head_dim, op.width());
    let qkv = NdTensorView::from_data([y.len() / width.max(1), 3 * width], operands.input("qkv"));
    let part = |part: usize, head: usize, first: usize, rows: usize| {
        let column = part * width + head * d;
        qkv.slice((first..first + rows, column..column + d))
    };

    let tiles = Tile::all(operands.table("tiles"));
    let of_sequences = tiles.iter().filter(|tile| tile.q0 == tile.k0);
    let of_heads = of_sequences.flat_map(|tile| (0..heads).map(move |head| (*tile, head))).collect();
    let packed: Vec<Head> = parallel::map(of_heads, |(tile, head)| Head {
        keys: executor.prepack_b(part(1, head, tile.k0, tile.keys).transposed()),
        values: executor.prepack_b(part(2, head, tile.k0, tile.keys)),
    });

    // Heads of a tile one after the other, so that products can write where they belong.
    let mut by_head = vec![0.0; y.len()];
    let mut rest = by_head.as_mut_slice();
    let mut tasks = Vec::with_capacity(tiles.len() * heads);
    for tile in &tiles {
        for head in 0..heads {
            let out;
            (out, rest) = rest.split_at_mut(tile.queries * d);
            tasks.push((*tile, head, &packed[tile.sequence * heads + head], out));
        }
    }
    let done = parallel::map(tasks, |(tile, head, packed, out)| {
        let mut scores = vec![0.0; tile.queries * tile.keys];
        let queries = GemmInputA::Unpacked(part(0, head, tile.q0, tile.queries));
        let options = GemmOptions { alpha: op.scale(), ..GemmOptions::default() };
        executor.gemm(&mut scores, queries, GemmInputB::Packed(&packed.keys), options)?;
        let mut inverse = Vec::with_capacity(tile.queries);
        for (row, scores) in scores.chunks_exact_mut(tile.keys).enumerate() {
            let seen = if op.causal { tile.q0 + row - tile.k0 + 1 } else { tile.keys };
            let (seen, unseen) = scores.split_at_mut(seen);
            let max = math::max(seen);
            seen.iter_mut().for_each(|s| *s = math::exp(*s - max));
            inverse.push(1.0 / math::sum(seen, |s| s));
            unseen.fill(0.0);
        }
        let weights = GemmInputA::Unpacked(NdTensorView::from_data([tile.queries, tile.keys], &scores[..]));
        executor.gemm(out, weights, GemmInputB::Packed(&packed.values), GemmOptions::default())?;
        for (row, inverse) in out.chunks_exact_mut(d).zip(inverse) {
            row.iter_mut().for_each(|v| *v *= inverse);
        }
        Ok(())
    });
    let done: Result<(), rten_gemm::GemmError> = done.into_iter().collect();
    done.map_err(|e| internal(format!("attention of {heads} heads of {d}: {e:?}")))?;

    let (mut y, mut by_head) = (y, by_head.as_slice());
    for tile in tiles {
        let (rows, heads);
        (rows, y) = y.split_at_mut(tile.queries * width);
        (heads, by_head) = by_head.split_at(tile.queries * width);
        for (row, out) in rows.chunks_exact_mut(width).enumerate() {
            for (head, out) in out.chunks_exact_mut(d).enumerate() {
                out.copy_from_slice(&heads[(head * tile.queries + row) * d..][..d]);
            }
        }
    }
    Ok(())
}

/// What a head of one sequence looks at.
struct Head {
    keys: PackedBMatrix<f32>,
    values: PackedBMatrix<f32>,
}

/// A row of the attention tile table. They are in the order of their queries, and cover them all.
#[derive(Clone, Copy)]
struct Tile {
    q0: usize,
    queries: usize,
    k0: usize,
    keys: usize,
    /// Which of the sequences that have rows.
    sequence: usize,
}

impl Tile {
    fn all(table: &[u32]) -> Vec<Self> {
        let mut sequences = 0;
        let tiles = table.chunks_exact(4).map(|tile| {
            let [q0, queries, k0, keys] = [tile[0], tile[1], tile[2], tile[3]].map(|i| i as usize);
            // The first tile of a sequence begins where its keys do.
            sequences += usize::from(q0 == k0);
            Self { q0, queries, k0, keys, sequence: sequences - 1 }
        });
        tiles.collect()
    }
}

/// First key row and number of keys of every query row.
pub(crate) fn keys_of_rows(tiles: &[u32], rows: usize, causal: bool) -> Vec<(usize, usize)> {
    let mut keys = vec![(0, 0); rows];
    for tile in tiles.chunks_exact(4) {
        let [q0, queries, k0, count] = [tile[0], tile[1], tile[2], tile[3]].map(|i| i as usize);
        for (q, keys) in (q0..).zip(&mut keys[q0..q0 + queries]) {
            *keys = (k0, if causal { q - k0 + 1 } else { count });
        }
    }
    keys
}
