use std::borrow::Cow;

use half::f16;
use half::slice::HalfFloatSliceExt;
use heatseek_ops::int8::{BLOCK, QuantizedWeight};
use heatseek_ops::{Dtype, Gemm, Op, Tensor};

/// Columns a GEMM workgroup computes, in every tile, so that all of them share packed weights.
pub const COLUMN_TILE: usize = 64;

/// A constant as its kernel reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Packed<'a> {
    /// Stored as f32.
    F32(Cow<'a, [f32]>),
    /// Stored as f16, rounded to the nearest.
    F16(Vec<f16>),
    /// A quantised weight, four integers to a word, and bits of floats behind them.
    Int8(Vec<u32>),
}

impl Packed<'_> {
    /// The bytes to upload.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::F32(values) => bytemuck::cast_slice(values),
            Self::F16(values) => bytemuck::cast_slice(values.reinterpret_cast()),
            Self::Int8(words) => bytemuck::cast_slice(words),
        }
    }
}

/// A constant in the layout its kernel reads, padded with zeros, stored as `dtype`:
/// [`Storage::of_binding`](crate::Storage::of_binding) of the step that binds it.
///
/// A GEMM's `weight [n, k]` becomes `[ceil(n/64)][ceil(k/d)·d][64]`, with d = 16 for f32 and 32 for f16: column tiles,
/// transposed, so that a workgroup streams contiguous memory. Its per-column vectors (`bias`, `colsum`, both rows
/// of `residual_affine`) are padded to whole column tiles. Everything else is passed through.
///
/// In int8, the weight becomes `[ceil(n/64)][ceil(k/32)·8][64]` words of four integers along k each, and behind them come
/// two rows of n floats, padded to whole column tiles: the columns' scales, and the sums of what their integers stand for.
pub fn pack<'a>(op: &Op, binding: &str, tensor: &'a Tensor, dtype: Dtype) -> Packed<'a> {
    let values = match op {
        Op::Gemm(gemm) => match (binding, dtype) {
            ("weight", Dtype::Int8) => {
                return Packed::Int8(integer_tiles(&QuantizedWeight::new(&tensor.values(), gemm.k), gemm));
            }
            ("weight", _) => Cow::Owned(column_tiles(&tensor.values(), gemm.n, gemm.k, depth_step(dtype))),
            ("bias" | "colsum" | "residual_affine", _) if gemm.n % COLUMN_TILE != 0 => {
                Cow::Owned(padded_rows(&tensor.values(), gemm.n))
            }
            _ => tensor.values(),
        },
        _ => tensor.values(),
    };
    match dtype {
        // Nothing but weights of GEMMs is int8, and no GPU stores bf16.
        Dtype::F32 | Dtype::Bf16 | Dtype::Int8 => Packed::F32(values),
        Dtype::F16 => Packed::F16(values.iter().map(|&value| to_half(value)).collect()),
    }
}

/// The nearest f16 that is finite: an infinity would spoil every sum it enters.
fn to_half(value: f32) -> f16 {
    f16::from_f32(value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()))
}

/// Depth to which a weight is padded: what is staged at a time, of f16 on matrix units.
fn depth_step(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F32 | Dtype::Bf16 => 16,
        Dtype::F16 | Dtype::Int8 => 32,
    }
}

fn column_tiles(weight: &[f32], n: usize, k: usize, step: usize) -> Vec<f32> {
    let depth = k.next_multiple_of(step);
    let mut packed = vec![0.0; n.next_multiple_of(COLUMN_TILE) * depth];
    for (tile, rows) in packed.chunks_exact_mut(depth * COLUMN_TILE).zip(weight.chunks(COLUMN_TILE * k)) {
        // Four columns at a time: what is written together is a vector, and a cache line is met a quarter as often.
        let fours = rows.chunks_exact(4 * k);
        let (left, done) = (fours.remainder(), COLUMN_TILE.min(rows.len() / k) / 4 * 4);
        for (column, four) in fours.enumerate().map(|(at, four)| (4 * at, four)) {
            let [a, b, c, d] = [0, 1, 2, 3].map(|at| &four[at * k..][..k]);
            let values = a.iter().zip(b).zip(c).zip(d);
            for (depth_row, (((&a, &b), &c), &d)) in tile.chunks_exact_mut(COLUMN_TILE).zip(values) {
                depth_row[column..column + 4].copy_from_slice(&[a, b, c, d]);
            }
        }
        for (column, row) in left.chunks_exact(k).enumerate() {
            for (depth_row, &value) in tile.chunks_exact_mut(COLUMN_TILE).zip(row) {
                depth_row[done + column] = value;
            }
        }
    }
    packed
}

/// A quantised weight in column tiles, its scales and the sums of what it stands for.
fn integer_tiles(weight: &QuantizedWeight, gemm: &Gemm) -> Vec<u32> {
    let (columns, words) = (gemm.n.next_multiple_of(COLUMN_TILE), gemm.k.next_multiple_of(BLOCK) / 4);
    let mut packed = vec![0; columns * words];
    let tiles = packed.chunks_exact_mut((words * COLUMN_TILE).max(1));
    for (tile, rows) in tiles.zip(weight.values.chunks(COLUMN_TILE * gemm.k)) {
        for (column, row) in rows.chunks_exact(gemm.k).enumerate() {
            for (depth_row, integers) in tile.chunks_exact_mut(COLUMN_TILE).zip(row.chunks(4)) {
                let mut bytes = [0; 4];
                bytes.iter_mut().zip(integers).for_each(|(byte, integer)| *byte = integer.cast_unsigned());
                depth_row[column] = u32::from_le_bytes(bytes);
            }
        }
    }
    let sums = weight.scales.iter().zip(&weight.sums).map(|(scale, &sum)| scale * sum as f32);
    let scales = weight.scales.iter().copied();
    for row in [scales.collect::<Vec<f32>>(), sums.collect()] {
        packed.extend(row.iter().map(|v| v.to_bits()));
        packed.resize(packed.len() + columns - gemm.n, 0);
    }
    packed
}

fn padded_rows(values: &[f32], n: usize) -> Vec<f32> {
    let padding = n.next_multiple_of(COLUMN_TILE) - n;
    let padded = |row: &[f32]| [row, &vec![0.0; padding]].concat();
    values.chunks_exact(n).flat_map(padded).collect()
}
