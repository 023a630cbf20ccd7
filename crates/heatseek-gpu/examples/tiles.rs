//! Times the GEMMs of MiniLM and DINOv2 layers with every tile, in f32, in f16 and on matrix units, so that the row
//! limits of `Target::new` can be set for an adapter: `cargo run -p heatseek-gpu --example tiles -- [ADAPTER]`.
//!
//! Prints one JSON object a line. A run is one submit of many GEMMs and a mean over rows, of which only the vectors
//! are read back; the time of a GEMM is the difference between a long run and a short one.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use heatseek_gpu::{AdapterChoice, GpuDevice, GpuExecutor, GpuOptions, GpuPlan};
use heatseek_ops::{
    Activation, Batch, Dtype, Gemm, OutputId, Plan, PlanOptions, Pool, Pooling, Program, Residual, Rows,
    Table, Tensor,
};
use heatseek_testkit::{cosine, values};
use heatseek_wgsl::Target;
use pollster::block_on;

/// GEMMs of a short and of a long run.
const LENGTHS: [usize; 2] = [4, 44];
/// Runs of which the fastest counts.
const ROUNDS: usize = 7;
/// Rows of a run: from a query to a full batch.
const ROWS: [usize; 9] = [16, 32, 64, 128, 256, 512, 2048, 8192, 32768];

/// Split sums, and small, medium and large tiles, for any number of rows; the largest is of matrix units alone, in more
/// workgroup memory than the others are given.
const TILES: [(&str, [usize; 3]); 5] = [
    ("few", [usize::MAX; 3]),
    ("small", [0, usize::MAX, usize::MAX]),
    ("medium", [0, 0, usize::MAX]),
    ("large", [0, 0, 0]),
    (LARGEST, [0, 0, 0]),
];
const LARGEST: &str = "largest";

fn shapes() -> [(&'static str, Gemm); 4] {
    let hidden = Gemm { norm_in: Some(1e-12), activation: Activation::GeluErf, ..Gemm::linear(384, 1536) };
    [
        ("qkv", Gemm { norm_in: Some(1e-12), ..Gemm::linear(384, 1152) }),
        ("out", Gemm { residual: Residual::Add, ..Gemm::linear(384, 384) }),
        ("ffn 1", hidden),
        ("ffn 2", Gemm { residual: Residual::Add, ..Gemm::linear(1536, 384) }),
    ]
}

/// `count` times the same GEMM and a mean of its rows.
fn program(gemm: Gemm, count: usize) -> Result<Arc<Program>, Box<dyn Error>> {
    let Gemm { k, n, .. } = gemm;
    let mut program = Program::new();
    let x = program.input("x", k);
    let residual = program.input("residual", n);
    let weight = |seed, shape: [usize; 2], scale| {
        Tensor::new(&shape[usize::from(shape[0] == 1)..], values(seed, shape[0] * shape[1], scale))
    };
    let w = program.weight("w", weight(1, [n, k], 3.0 / (k as f32).sqrt()));
    let b = program.weight("b", weight(2, [1, n], 1.0));
    let colsum = program.weight("colsum", weight(3, [1, n], 0.1));
    let y = program.activation("y", Rows::Tokens, n);
    let stats = program.activation("stats", Rows::Tokens, 2);
    let pooled = program.activation("pooled", Rows::Sequences, n);
    let sequences = program.table(Table::Sequences);
    program.output("pooled", pooled);
    let mut buffers = vec![x, w, b];
    buffers.extend(gemm.norm_in.map(|_| colsum));
    buffers.extend((gemm.residual != Residual::None).then_some(residual));
    buffers.push(y);
    buffers.extend(gemm.norm_in.map(|_| stats));
    for _ in 0..count {
        program.push(gemm, Rows::Tokens, &buffers)?;
    }
    let pool = Pool { width: n, pooling: Pooling::Mean, norm_in: None, normalize: false };
    program.push(pool, Rows::Sequences, &[y, sequences, pooled])?;
    Ok(Arc::new(program))
}

/// The fastest of some runs in seconds, and what they gave.
fn time(plan: &GpuPlan, batch: &Batch) -> Result<(f64, Vec<f32>), Box<dyn Error>> {
    let outputs = [OutputId(0)];
    let mut vectors = block_on(plan.run(batch, &outputs))?;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        vectors = block_on(plan.run(batch, &outputs))?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok((best, vectors.remove(0)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let adapter = std::env::args().nth(1).map_or(AdapterChoice::default(), AdapterChoice::Named);
    let most = std::env::args().nth(2).map_or(Ok(usize::MAX), |rows| rows.parse())?;
    let device = block_on(GpuDevice::request(GpuOptions { adapter, refuse_software: false }))?;
    let own = device.target(Dtype::F32);
    println!("{{\"adapter\": {:?}, \"target\": \"{own:?}\"}}", device.adapter().name);
    let mut kinds = vec![("f32", Dtype::F32, false)];
    kinds.extend(device.stores(Dtype::F16).then_some(("f16", Dtype::F16, false)));
    kinds.extend(own.matrix_units.then_some(("matrix", Dtype::F16, true)));
    for (name, gemm) in shapes() {
        for rows in ROWS.into_iter().filter(|rows| *rows <= most) {
            let mut batch = Batch::new();
            let input = |seed, width| values(seed, rows * width, 1.0);
            batch.push_rows(rows, &[&input(7, gemm.k), &input(8, gemm.n)])?;
            let mut exact = None;
            for (kind, dtype, matrix_units) in &kinds {
                for (tile, [few_rows, small_rows, medium_rows]) in TILES {
                    let matrix_units = *matrix_units;
                    let largest = tile == LARGEST;
                    if largest && !matrix_units {
                        continue;
                    }
                    let workgroup_bytes = if largest { own.workgroup_bytes } else { 32 << 10 };
                    let target =
                        Target { matrix_units, workgroup_bytes, few_rows, small_rows, medium_rows, ..own };
                    let executor = GpuExecutor::new(device.clone().with_target(target));
                    let options =
                        PlanOptions { expected_rows: rows, dtype: *dtype, ..PlanOptions::default() };
                    let mut seconds = Vec::new();
                    let mut vector = Vec::new();
                    for count in LENGTHS {
                        let plan = block_on(executor.plan(program(gemm, count)?, options))?;
                        let (best, pooled) = time(&plan, &batch)?;
                        seconds.push(best);
                        vector = pooled;
                    }
                    let each = (seconds[1] - seconds[0]) / (LENGTHS[1] - LENGTHS[0]) as f64;
                    let tflops = 2.0 * (rows * gemm.k * gemm.n) as f64 / each / 1e12;
                    let alike = cosine(exact.get_or_insert_with(|| vector.clone()), &vector);
                    println!(
                        "{{\"gemm\": {name:?}, \"rows\": {rows}, \"kind\": {kind:?}, \"tile\": {tile:?}, \
                         \"us\": {:.2}, \"tflops\": {tflops:.3}, \"cosine\": {alike:.7}}}",
                        each * 1e6
                    );
                }
            }
        }
    }
    Ok(())
}
