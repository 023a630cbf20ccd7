//! How kernels are chosen, launched and fed.

use heatseek_ops::{
    Activation, Attention, Batch, Embed, Gemm, L2Normalize, Op, Pool, Pooling, Residual, Tensor,
};
use heatseek_testkit::values;
use heatseek_wgsl::{RowClass, pack, select};

fn grid(op: impl Into<Op>, class: RowClass, rows: usize, lengths: &[usize]) -> [u32; 3] {
    select(&op.into(), class).unwrap().grid(rows, &Batch::of_lengths(lengths))
}

#[test]
fn grids_cover_the_rows_once() {
    let gemm = Gemm::linear(64, 132);
    for (rows, small, large) in [(0, 0, 0), (1, 1, 1), (16, 1, 1), (17, 2, 1), (64, 4, 1), (65, 5, 2)] {
        assert_eq!(grid(gemm, RowClass::Small, rows, &[rows])[..2], [3, small]);
        assert_eq!(grid(gemm, RowClass::Large, rows, &[rows])[..2], [3, large]);
    }
    assert_eq!(grid(Embed { hidden_size: 384 }, RowClass::Large, 3, &[3]), [5, 1, 1]);
    let heads = Attention { num_attention_heads: 12, head_dim: 32, causal: false };
    assert_eq!(grid(heads, RowClass::Large, 135, &[0, 65, 70]), [12, 4, 1]);
    let pool = Pool { width: 8, pooling: Pooling::Mean, norm_in: None, normalize: true };
    assert_eq!(grid(pool, RowClass::Small, 3, &[1, 0, 2]), [3, 1, 1]);
}

#[test]
fn no_rows_are_nothing_to_run() {
    for op in [Gemm::linear(4, 4).into(), Embed { hidden_size: 4 }.into(), L2Normalize { width: 4 }.into()] {
        let op: Op = op;
        assert!(grid(op, RowClass::Small, 0, &[]).contains(&0));
    }
}

#[test]
fn counts_beyond_a_dimension_continue_in_the_next() {
    let [x, y, z] = grid(L2Normalize { width: 4 }, RowClass::Large, 200_000, &[]);
    assert!(x <= 65_535 && z == 1, "{x} {y} {z}");
    assert!(x as usize * y as usize >= 200_000, "{x} {y}");
}

#[test]
fn what_no_kernel_can_do_is_said() {
    let unsupported = |op: Op| select(&op, RowClass::Large).unwrap_err().to_string();
    for (op, why) in [
        (Gemm::linear(6, 64).into(), "`x` is 6 wide, which is not a multiple of 4"),
        (Gemm::linear(64, 2).into(), "`bias` is 2 wide"),
        (Attention { num_attention_heads: 2, head_dim: 132, causal: false }.into(), "2 heads of 132"),
        (Attention { num_attention_heads: 4, head_dim: 6, causal: false }.into(), "4 heads of 6"),
        (Pool { width: 2052, pooling: Pooling::Cls, norm_in: None, normalize: false }.into(), "2052"),
        (
            Gemm { norm_in: Some(1e-5), residual: Residual::AddNormalized, ..Gemm::linear(8, 8) }.into(),
            "8 storage buffers",
        ),
        (
            Gemm { activation: Activation::Relu, residual: Residual::Add, ..Gemm::linear(8, 8) }.into(),
            "not shipped",
        ),
    ] {
        let said = unsupported(op);
        assert!(said.contains(why), "`{said}` does not say `{why}`");
    }
}

#[test]
fn packed_weights_follow_their_formula_and_are_zero_beyond() {
    for (n, k) in [(64, 16), (4, 4), (68, 20), (132, 36)] {
        let op = Op::from(Gemm::linear(k, n));
        let weight = Tensor::new(&[n, k], values(1, n * k, 1.0));
        let packed = pack(&op, "weight", &weight);
        let (tiles, depth) = (n.div_ceil(64), k.div_ceil(16) * 16);
        assert_eq!(packed.len(), tiles * depth * 64);
        for (at, &value) in packed.iter().enumerate() {
            let (column, row) = (at / (depth * 64) * 64 + at % 64, at / 64 % depth);
            let inside = column < n && row < k;
            let wanted = if inside { weight.values()[column * k + row] } else { 0.0 };
            assert_eq!(value, wanted, "[{n}, {k}] at column {column}, depth {row}");
        }
    }
}

#[test]
fn column_vectors_are_padded_row_by_row_and_the_rest_is_not() {
    let op = Op::from(Gemm { residual: Residual::AddNormalized, ..Gemm::linear(4, 68) });
    let affine = Tensor::new(&[2, 68], values(2, 136, 1.0));
    let packed = pack(&op, "residual_affine", &affine);
    assert_eq!(packed.len(), 2 * 128);
    assert_eq!(packed[..68], affine.values()[..68]);
    assert_eq!(packed[128..][..68], affine.values()[68..]);
    assert!(packed[68..128].iter().chain(&packed[196..]).all(|&v| v == 0.0));
    let bias = Tensor::new(&[68], values(3, 68, 1.0));
    assert_eq!(pack(&op, "bias", &bias).len(), 128);
    assert_eq!(pack(&op, "x", &affine), affine.values());
    let norm = Op::from(L2Normalize { width: 68 });
    assert_eq!(pack(&norm, "bias", &bias), bias.values());
}
