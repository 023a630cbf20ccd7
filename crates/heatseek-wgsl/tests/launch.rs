//! How kernels are chosen, launched and fed.

use heatseek_ops::int8::QuantizedWeight;
use heatseek_ops::{
    Activation, Attention, AttentionMap, Batch, BufferId, Dtype, Embed, Gemm, HeadFusion, L2Normalize,
    LayerNorm, Op, Pool, Pooling, Program, Residual, Rows, Table, Tensor,
};
use heatseek_testkit::values;
use heatseek_wgsl::{
    AdapterClass, Packed, RowBand, RowClass, Storage, Target, candidates, pack, select, shape,
};

fn grid(op: impl Into<Op>, class: RowClass, rows: usize, lengths: &[usize]) -> [u32; 3] {
    let target = Target::default().staged();
    select(&op.into(), class, &target, &[]).unwrap().grid(rows, &Batch::of_lengths(lengths))
}

#[test]
fn grids_cover_the_rows_once() {
    let gemm = Gemm::linear(64, 132);
    for (rows, small, medium, large) in
        [(0, 0, 0, 0), (1, 1, 1, 1), (16, 1, 1, 1), (17, 2, 1, 1), (64, 4, 2, 1), (65, 5, 3, 2)]
    {
        assert_eq!(grid(gemm, RowClass::Few, rows, &[rows])[..2], [9, small]);
        assert_eq!(grid(gemm, RowClass::Small, rows, &[rows])[..2], [3, small]);
        assert_eq!(grid(gemm, RowClass::Medium, rows, &[rows])[..2], [3, medium]);
        assert_eq!(grid(gemm, RowClass::Large, rows, &[rows])[..2], [3, large]);
    }
    assert_eq!(grid(Embed { hidden_size: 384 }, RowClass::Large, 3, &[3]), [5, 1, 1]);
    let heads = Attention::new(12, 32);
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
    let unsupported = |op: Op| select(&op, RowClass::Large, &Target::default(), &[]).unwrap_err().to_string();
    for (op, why) in [
        (Gemm::linear(6, 64).into(), "`x` is 6 wide, which is not a multiple of 4"),
        (Gemm::linear(64, 2).into(), "`bias` is 2 wide"),
        (Attention::new(2, 132).into(), "2 heads of 132"),
        (Attention::new(4, 6).into(), "4 heads of 6"),
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
        for (dtype, step, tolerance) in [(Dtype::F32, 16, 0.0), (Dtype::F16, 32, 1.0 / 2048.0)] {
            let packed = f32s(&pack(&op, "weight", &weight, dtype));
            let (tiles, depth) = (n.div_ceil(64), k.div_ceil(step) * step);
            assert_eq!(packed.len(), tiles * depth * 64);
            for (at, &value) in packed.iter().enumerate() {
                let (column, row) = (at / (depth * 64) * 64 + at % 64, at / 64 % depth);
                let inside = column < n && row < k;
                let wanted = if inside { weight.values()[column * k + row] } else { 0.0 };
                let off = (value - wanted).abs();
                assert!(off <= tolerance * wanted.abs(), "[{n}, {k}] at column {column}, depth {row}: {off}");
            }
        }
    }
}

#[test]
fn quantized_weights_follow_their_formula_and_are_zero_beyond() {
    for (n, k) in [(64, 32), (4, 4), (68, 36), (132, 100)] {
        let op = Op::from(Gemm::linear(k, n));
        let weight = values(1, n * k, 1.0);
        let quantized = QuantizedWeight::new(&weight, k);
        let tensor = Tensor::new(&[n, k], weight);
        let Packed::Int8(words) = pack(&op, "weight", &tensor, Dtype::Int8) else { panic!("it is int8") };
        let (tiles, depth) = (n.div_ceil(64), k.div_ceil(32) * 8);
        assert_eq!(words.len(), tiles * (depth + 2) * 64);
        let (integers, columns) = words.split_at(tiles * depth * 64);
        for (at, word) in integers.iter().enumerate() {
            let (column, first) = (at / (depth * 64) * 64 + at % 64, at / 64 % depth * 4);
            for (byte, row) in word.to_le_bytes().into_iter().zip(first..) {
                let inside = column < n && row < k;
                let wanted = if inside { quantized.values[column * k + row] } else { 0 };
                assert_eq!(byte.cast_signed(), wanted, "[{n}, {k}] at column {column}, depth {row}");
            }
        }
        for (column, pair) in (0..tiles * 64).map(|c| (c, [columns[c], columns[tiles * 64 + c]])) {
            let wanted = match column < n {
                true => [quantized.scales[column], quantized.scales[column] * quantized.sums[column] as f32],
                false => [0.0; 2],
            };
            assert_eq!(pair.map(f32::from_bits), wanted, "[{n}, {k}] of column {column}");
        }
    }
}

fn f32s(packed: &Packed<'_>) -> Vec<f32> {
    match packed {
        Packed::F32(values) => values.to_vec(),
        Packed::F16(values) => values.iter().map(|v| v.to_f32()).collect(),
        Packed::Int8(_) => panic!("integers are no floats"),
    }
}

#[test]
fn halves_are_finite_and_take_two_bytes() {
    let op = Op::from(Gemm::linear(4, 4));
    let x = Tensor::new(&[1, 4], vec![1e9, -1e9, 0.5, -0.25]);
    let packed = pack(&op, "x", &x, Dtype::F16);
    assert_eq!(f32s(&packed), [65504.0, -65504.0, 0.5, -0.25]);
    assert_eq!(packed.bytes(), [0xff, 0x7b, 0xff, 0xfb, 0x00, 0x38, 0x00, 0xb4]);
    assert_eq!(pack(&op, "x", &x, Dtype::F32).bytes().len(), 16);
}

#[test]
fn tiles_grow_with_rows_and_sooner_on_few_cores() {
    let classes = |adapter| {
        let target = Target::new(Dtype::F32, adapter);
        [1, 32, 33, 128, 256, 1024, 4096].map(|rows| target.row_class(rows))
    };
    use RowClass::{Few, Large, Medium, Small};
    assert_eq!(classes(AdapterClass::Software), [Small, Large, Large, Large, Large, Large, Large]);
    let staged = Target::new(Dtype::F32, AdapterClass::Software).staged();
    assert_eq!([1, 32, 33].map(|rows| staged.row_class(rows)), [Small, Small, Large]);
    let bytes = Target::new(Dtype::Int8, AdapterClass::Software);
    assert_eq!([1, 32, 33].map(|rows| bytes.row_class(rows)), [Small, Small, Large]);
    assert_eq!(classes(AdapterClass::Integrated), [Few, Few, Small, Medium, Medium, Large, Large]);
    assert_eq!(classes(AdapterClass::Discrete), [Few, Few, Few, Few, Small, Medium, Large]);
    assert_eq!(RowClass::ALL.map(RowClass::index), [0, 1, 2, 3]);
}

#[test]
fn every_row_limit_of_the_tables_ends_a_band() {
    let bands: Vec<_> = RowBand::all().collect();
    assert_eq!((bands.len(), bands[0].rows(), bands[11].rows()), (RowBand::COUNT, 8, 16384));
    let of = |rows| RowBand::of(rows).rows();
    assert_eq!(
        [0, 1, 8, 9, 16, 17, 128, 129, 8192, 8193, 1 << 30].map(of),
        [8, 8, 8, 16, 16, 32, 128, 256, 8192, 16384, 16384]
    );
    assert!(bands.iter().enumerate().all(|(index, band)| band.index() == index));
    for adapter in [AdapterClass::Software, AdapterClass::Integrated, AdapterClass::Discrete] {
        for (dtype, matrix_units) in [(Dtype::F32, false), (Dtype::F16, true), (Dtype::Int8, false)] {
            let target = Target { matrix_units, ..Target::new(dtype, adapter) };
            for band in &bands[..11] {
                let (least, most) = (band.rows() / 2 + 1, band.rows());
                assert_eq!(target.row_class(least), target.row_class(most), "{target:?}");
            }
        }
    }
}

#[test]
fn candidates_begin_with_what_the_tables_say_and_have_every_tile_once() {
    let gemm = Op::from(Gemm { residual: Residual::Add, ..Gemm::linear(64, 64) });
    let heads = Op::from(Attention::new(2, 32));
    let norm = Op::from(L2Normalize { width: 64 });
    let names = |op: &Op, target: &Target, narrow: &[(&'static str, Dtype)]| -> Vec<&str> {
        let all = candidates(op, RowClass::Medium, target, narrow).unwrap();
        assert_eq!(all[0], select(op, RowClass::Medium, target, narrow).unwrap());
        assert!(all.iter().all(|selection| selection.constants == all[0].constants));
        all.iter().map(|selection| selection.kernel.name).collect()
    };
    let with = |dtype, adapter| Target::new(dtype, adapter);
    let software = names(&gemm, &with(Dtype::F32, AdapterClass::Software), &[]);
    assert_eq!(software[..2], ["gemm_direct_f32_m16_add", "gemm_direct_f32_m4_add"]);
    let discrete = names(&gemm, &with(Dtype::F32, AdapterClass::Discrete), &[]);
    assert_eq!(discrete[0], "gemm_f32_m32_add");
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    assert_eq!(software.len(), 6);
    assert_eq!(sorted(software), sorted(discrete), "the same ones, in another order");
    let half = [("weight", Dtype::F16)];
    let units = Target { matrix_units: true, ..with(Dtype::F16, AdapterClass::Discrete) };
    let small = names(&gemm, &units, &half);
    // Two of the tiles for matrix units are larger than what WebGPU guarantees.
    assert_eq!(small.len(), 6, "{small:?}");
    let large = names(&gemm, &Target { workgroup_bytes: 48 << 10, ..units }, &half);
    assert_eq!(large.len(), 9, "{large:?}");
    assert_eq!(large.iter().filter(|name| name.contains("m128")).count(), 1);
    assert!(large.contains(&"gemm_f16_matrix_m64_add"), "what a larger tile hides is there too");
    assert_eq!(names(&gemm, &with(Dtype::Int8, AdapterClass::Discrete), &[("weight", Dtype::Int8)]).len(), 3);
    assert_eq!(
        names(&heads, &with(Dtype::F32, AdapterClass::Software), &[]),
        ["attention_direct_f32_d32", "attention_f32_d32"]
    );
    assert_eq!(names(&norm, &with(Dtype::F32, AdapterClass::Software), &[]).len(), 1);
    assert_eq!(shape(&gemm, &[]).unwrap(), "gemm_f32_add 64x64");
    assert_eq!(shape(&gemm, &[("weight", Dtype::F16), ("x", Dtype::F16)]).unwrap(), "gemm_f16_x16_add 64x64");
    assert_eq!(shape(&heads, &[]).unwrap(), "attention_f32 2x32");
    assert_eq!(shape(&norm, &[]), None);
    // What is masked otherwise is timed apart, and runs in the same kernels; what has a bias has its own.
    let masked = Attention { causal: true, window: Some(64), ..Attention::new(2, 32) };
    assert_eq!(shape(&masked.into(), &[]).unwrap(), "attention_f32 2x32 causal window 64");
    let biased = Attention { relative_bias: Some(127), ..Attention::new(2, 32) };
    assert_eq!(shape(&biased.into(), &[]).unwrap(), "attention_f32 2x32 bias");
    let software = with(Dtype::F32, AdapterClass::Software);
    assert_eq!(names(&masked.into(), &software, &[]), ["attention_direct_f32_d32", "attention_f32_d32"]);
    let own = ["attention_direct_f32_d64_bias", "attention_f32_d64_bias"];
    assert_eq!(names(&biased.into(), &software, &[]), own);
}

/// Activations of a layer after BERT: what is wide is f16, what sums over layers and what is read back is not.
#[test]
fn halves_are_what_all_kernels_that_touch_it_can_store() {
    let (width, wide) = (64, 128);
    let mut program = Program::new();
    let weight = |program: &mut Program, shape: &[usize]| {
        program.weight("w", Tensor::computed(shape, || unreachable!("nothing is packed")))
    };
    let tiles = program.table(Table::AttentionTiles);
    let names = [("z", width), ("qkv", 3 * width), ("attention", width), ("mid", width), ("ffn", wide)];
    let [z, qkv, attention, mid, ffn] =
        names.map(|(name, width)| program.activation(name, Rows::Tokens, width));
    let next = program.activation("next", Rows::Tokens, width);
    let gemm = |program: &mut Program, op: Gemm, x, residual: Option<BufferId>, y| {
        let mut ids = vec![x, weight(program, &[op.n, op.k]), weight(program, &[op.n])];
        ids.extend(residual);
        ids.push(y);
        program.push(op, Rows::Tokens, &ids).unwrap();
    };
    let add = |k, n| Gemm { residual: Residual::Add, ..Gemm::linear(k, n) };
    gemm(&mut program, Gemm::linear(width, 3 * width), z, None, qkv);
    let heads = Attention::new(2, 32);
    program.push(heads, Rows::Tokens, &[qkv, tiles, attention]).unwrap();
    gemm(&mut program, add(width, width), attention, Some(z), mid);
    let hidden = Gemm { activation: Activation::GeluErf, ..Gemm::linear(width, wide) };
    gemm(&mut program, hidden, mid, None, ffn);
    gemm(&mut program, add(wide, width), ffn, Some(mid), next);
    let half = Target::new(Dtype::F16, AdapterClass::Discrete);
    let stored = |program: &Program, target: &Target| {
        let storage = Storage::new(program, target);
        [z, qkv, attention, mid, ffn, next].map(|id| storage.dtype(id) == Dtype::F16)
    };
    assert_eq!(stored(&program, &half), [false, true, true, false, true, false]);
    assert_eq!(stored(&program, &Target::default()), [false; 6]);
    // A map is made of halves too; a LayerNorm of the hidden layer is not.
    let spans = program.table(Table::QuerySpans);
    let map = program.capture("map", Rows::QueryPairs, 2);
    let output = program.output("map", map);
    let op = AttentionMap { attention: heads, fusion: HeadFusion::Each, mixed: false };
    program.push_for(output, op, Rows::Queries, &[qkv, spans, map]).unwrap();
    let normed = program.capture("normed", Rows::Tokens, wide);
    let affine = weight(&mut program, &[2, wide]);
    let norm = LayerNorm { width: wide, eps: 1e-5 };
    program.push_for(output, norm, Rows::Tokens, &[ffn, affine, normed]).unwrap();
    assert_eq!(stored(&program, &half), [false, true, true, false, false, false]);
    program.output("attention", attention);
    // No kernel writes f32 from qkv in f16.
    assert_eq!(stored(&program, &half), [false; 6]);
    let storage = Storage::new(&program, &half);
    assert!(
        program
            .steps()
            .iter()
            .filter(|s| s.op.name() == "gemm")
            .all(|s| storage.narrow(s) == [("weight", Dtype::F16)])
    );
    let bytes = Target { dtype: Dtype::Int8, ..half };
    assert_eq!(stored(&program, &bytes), [false; 6]);
    let storage = Storage::new(&program, &bytes);
    for step in program.steps() {
        let narrow: &[_] = if step.op.name() == "gemm" { &[("weight", Dtype::Int8)] } else { &[] };
        assert_eq!(storage.narrow(step), narrow);
        assert_eq!([storage.of_binding(step, "bias"), storage.of_binding(step, "y")], [Dtype::F32; 2]);
    }
}

#[test]
fn column_vectors_are_padded_row_by_row_and_the_rest_is_not() {
    let op = Op::from(Gemm { residual: Residual::AddNormalized, ..Gemm::linear(4, 68) });
    let affine = Tensor::new(&[2, 68], values(2, 136, 1.0));
    let packed = f32s(&pack(&op, "residual_affine", &affine, Dtype::F32));
    assert_eq!(packed.len(), 2 * 128);
    assert_eq!(packed[..68], affine.values()[..68]);
    assert_eq!(packed[128..][..68], affine.values()[68..]);
    assert!(packed[68..128].iter().chain(&packed[196..]).all(|&v| v == 0.0));
    let bias = Tensor::new(&[68], values(3, 68, 1.0));
    assert_eq!(f32s(&pack(&op, "bias", &bias, Dtype::F32)).len(), 128);
    assert_eq!(pack(&op, "x", &affine, Dtype::F32), Packed::F32(affine.values()));
    let norm = Op::from(L2Normalize { width: 68 });
    assert_eq!(pack(&norm, "bias", &bias, Dtype::F32), Packed::F32(bias.values()));
}
