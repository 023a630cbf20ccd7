//! Cooperative matrices on the CPU, whose lanes hold what a GPU's do.

use std::path::Path;

use heatseek_naga_cuda::host::{HostBuffer, Library};
use heatseek_naga_cuda::translate;

/// How a kernel loads and stores: from shared memory or not, each matrix row by row or column by column.
type Layout = (bool, bool, bool, bool);

const LAYOUTS: [Layout; 5] = [
    (true, true, true, true),
    (true, false, true, false),
    (true, true, false, true),
    (false, true, true, false),
    (false, false, false, true),
];

/// y = A B + y: A and B of 16 by 16 f16 follow each other in x, and y is first half of each place's number.
fn kernel((shared, a_rows, b_rows, c_rows): Layout) -> String {
    let [a, b] = if shared { ["&sa[0], 24u", "&sb[0], 24u"] } else { ["&x[0], 16u", "&x[256], 16u"] };
    let ordered = |function: &str, rows: bool| format!("{function}{}", if rows { "T" } else { "" });
    let (load_a, load_b) = (ordered("coopLoad", a_rows), ordered("coopLoad", b_rows));
    let (load_c, store) = (ordered("coopLoad", c_rows), ordered("coopStore", c_rows));
    format!(
        "enable f16; enable wgpu_cooperative_matrix;
        @group(0) @binding(0) var<storage, read> x: array<f16>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        var<workgroup> sa: array<f16, 384>;
        var<workgroup> sb: array<f16, 384>;
        @compute @workgroup_size(32) fn main(@builtin(local_invocation_index) i: u32) {{
            for (var p = i; p < 256u; p += 32u) {{
                sa[p / 16u * 24u + p % 16u] = x[p];
                sb[p / 16u * 24u + p % 16u] = x[p + 256u];
                y[p] = f32(p) * 0.5;
            }}
            workgroupBarrier();
            let a = {load_a}<coop_mat16x16<f16, A>>({a});
            let b = {load_b}<coop_mat16x16<f16, B>>({b});
            let c = {load_c}<coop_mat16x16<f32, C>>(&y[0], 16u);
            let d = coopMultiplyAdd(a, b, c);
            {store}(d, &y[0], 16u);
        }}"
    )
}

#[test]
fn matrices_multiply_from_shared_and_global_memory_in_both_orders() {
    let kernels = LAYOUTS.map(|layout| translate(&kernel(layout), "main", &[]).unwrap());
    let library = Library::compile(&kernels.each_ref(), Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let a = |r: usize, c: usize| (r * 3 + c * 5) as f32 % 7.0 - 3.0;
    let b = |r: usize, c: usize| (r * 2 + c * 11) as f32 % 5.0 - 1.5;
    let at = |row_major: bool, r: usize, c: usize| if row_major { r * 16 + c } else { c * 16 + r };
    for (number, layout) in LAYOUTS.into_iter().enumerate() {
        let (_, a_rows, b_rows, c_rows) = layout;
        let mut x = vec![half::f16::ZERO; 512];
        for r in 0..16 {
            for c in 0..16 {
                x[at(a_rows, r, c)] = half::f16::from_f32(a(r, c));
                x[256 + at(b_rows, r, c)] = half::f16::from_f32(b(r, c));
            }
        }
        let bytes: Vec<u8> = x.iter().flat_map(|value| value.to_bits().to_ne_bytes()).collect();
        let (input, output) = (HostBuffer::of(&bytes), HostBuffer::new(1024));
        library.launch(number, [1, 1, 1], &[(0, &input), (1, &output)]).unwrap();
        let read = output.read();
        let y: Vec<f32> =
            read.chunks_exact(4).map(|word| f32::from_ne_bytes(word.try_into().unwrap())).collect();
        for r in 0..16 {
            for c in 0..16 {
                let place = at(c_rows, r, c);
                let product: f32 = (0..16).map(|k| a(r, k) * b(k, c)).sum();
                assert_eq!(y[place], product + place as f32 * 0.5, "{r} {c} of {layout:?}");
            }
        }
    }
}
