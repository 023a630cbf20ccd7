//! The GEMMs, and how they are timed: a run is one submit of many GEMMs and a mean over rows, of which only the vectors
//! are read back; the time of a GEMM is the difference between a long run and a short one.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use heatseek_ops::{
    Activation, Batch, Gemm, OutputId, Plan, Pool, Pooling, Program, Residual, Rows, Table, Tensor,
};
use heatseek_testkit::{cosine, values};
use heatseek_wgsl::Target;
use pollster::block_on;

/// GEMMs of a short and of a long run.
const LENGTHS: [usize; 2] = [4, 44];
/// Runs of which the fastest counts.
const ROUNDS: usize = 7;
/// Rows of a run: from a query to a full batch.
pub const ROWS: [usize; 10] = [16, 32, 64, 128, 256, 512, 2048, 4096, 8192, 32768];

/// Split sums, and small, medium and large tiles, for any number of rows; the largest is of matrix units alone, in more
/// workgroup memory than the others are given.
pub const TILES: [(&str, [usize; 3]); 5] = [
    ("few", [usize::MAX; 3]),
    ("small", [0, usize::MAX, usize::MAX]),
    ("medium", [0, 0, usize::MAX]),
    ("large", [0, 0, 0]),
    (LARGEST, [0, 0, 0]),
];
/// The name of the tile in more workgroup memory.
pub const LARGEST: &str = "largest";

/// The GEMMs.
pub fn shapes() -> [(&'static str, Gemm); 4] {
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
fn time(plan: &dyn Plan, batch: &Batch) -> Result<(f64, Vec<f32>), Box<dyn Error>> {
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

/// `target` as one that takes this tile for any number of rows; none if it has no such tile.
pub fn with_tile(target: Target, (tile, rows): (&str, [usize; 3])) -> Option<Target> {
    let [few_rows, small_rows, medium_rows] = rows;
    let largest = tile == LARGEST;
    let workgroup_bytes = if largest { target.workgroup_bytes } else { 32 << 10 };
    let target = Target { workgroup_bytes, few_rows, small_rows, medium_rows, ..target };
    (!largest || target.matrix_units).then_some(target)
}

/// Rows of `gemm`'s operands.
pub fn batch(gemm: &Gemm, rows: usize) -> Result<Batch, Box<dyn Error>> {
    let mut batch = Batch::new();
    let input = |seed, width| values(seed, rows * width, 1.0);
    batch.push_rows(rows, &[&input(7, gemm.k), &input(8, gemm.n)])?;
    Ok(batch)
}

/// Times one GEMM through the plans that `plan` makes, and prints it as a line of JSON. `exact` is what the first gave.
pub fn report(
    (name, gemm): (&str, Gemm),
    (kind, tile): (&str, &str),
    batch: &Batch,
    exact: &mut Option<Vec<f32>>,
    plan: impl Fn(Arc<Program>) -> Result<Box<dyn Plan>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut seconds = Vec::new();
    let mut vector = Vec::new();
    for count in LENGTHS {
        let (best, pooled) = time(&*plan(program(gemm, count)?)?, batch)?;
        seconds.push(best);
        vector = pooled;
    }
    let rows = batch.rows();
    let each = (seconds[1] - seconds[0]) / (LENGTHS[1] - LENGTHS[0]) as f64;
    let tflops = 2.0 * (rows * gemm.k * gemm.n) as f64 / each / 1e12;
    let alike = cosine(exact.get_or_insert_with(|| vector.clone()), &vector);
    println!(
        "{{\"gemm\": {name:?}, \"rows\": {rows}, \"kind\": {kind:?}, \"tile\": {tile:?}, \"us\": {:.2}, \
         \"tflops\": {tflops:.3}, \"cosine\": {alike:.7}}}",
        each * 1e6
    );
    Ok(())
}
