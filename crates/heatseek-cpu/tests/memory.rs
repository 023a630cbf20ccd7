//! What runs allocate: nothing for their steps, however many there are.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use heatseek_ops::{
    Activation, Attention, Batch, Dtype, Executor, Gemm, OutputId, PlanOptions, Pool, Pooling, Program,
    Residual, Rows, Table, Tensor,
};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it is the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const WIDTH: usize = 32;

/// Layers as transformers have them, and the mean of the tokens.
fn layers(count: usize) -> (Program, OutputId) {
    let mut program = Program::new();
    let weight =
        |n: usize, k: usize| Tensor::new(&[n, k], (0..n * k).map(|i| (i % 7) as f32 / 50.0).collect());
    let zeros = |n: usize| Tensor::new(&[n], vec![0.0; n]);
    let mut x = program.input("x", WIDTH);
    let tiles = program.table(Table::AttentionTiles);
    for layer in 0..count {
        let attention = Attention::new(2, WIDTH / 2);
        let qkv = program.activation(format!("qkv {layer}"), Rows::Tokens, 3 * WIDTH);
        let op = Gemm { norm_in: Some(1e-5), ..Gemm::linear(WIDTH, 3 * WIDTH) };
        let stats = program.activation(format!("stats {layer}"), Rows::Tokens, 2);
        let (w, b) = (program.weight("w", weight(3 * WIDTH, WIDTH)), program.weight("b", zeros(3 * WIDTH)));
        let colsum = program.weight("colsum", zeros(3 * WIDTH));
        program.push(op, Rows::Tokens, &[x, w, b, colsum, qkv, stats]).unwrap();
        let mixed = program.activation(format!("mixed {layer}"), Rows::Tokens, WIDTH);
        program.push(attention, Rows::Tokens, &[qkv, tiles, mixed]).unwrap();
        let y = program.activation(format!("y {layer}"), Rows::Tokens, WIDTH);
        let op =
            Gemm { activation: Activation::GeluErf, residual: Residual::Add, ..Gemm::linear(WIDTH, WIDTH) };
        let (w, b) = (program.weight("w", weight(WIDTH, WIDTH)), program.weight("b", zeros(WIDTH)));
        program.push(op, Rows::Tokens, &[mixed, w, b, x, y]).unwrap();
        x = y;
    }
    let pool = Pool { pooling: Pooling::Mean, width: WIDTH, norm_in: None, normalize: true };
    let pooled = program.activation("pooled", Rows::Sequences, WIDTH);
    let sequences = program.table(Table::Sequences);
    program.push(pool, Rows::Tokens, &[x, sequences, pooled]).unwrap();
    let output = program.output("pooled", pooled);
    (program, output)
}

/// Allocations of a run like two before it, and the bytes that are kept.
fn of_run(count: usize, rows: usize, dtype: Dtype) -> (usize, usize) {
    let (program, output) = layers(count);
    let options = PlanOptions { dtype, ..PlanOptions::default() };
    let plan = heatseek_cpu::executor().plan(Arc::new(program), options).unwrap();
    let mut batch = Batch::new();
    for len in [rows - 3, 3] {
        batch.push_rows(len, &[&vec![0.5; len * WIDTH]]).unwrap();
    }
    let run = || plan.run_now(&batch, &[output]).unwrap();
    drop((run(), run()));
    let before = ALLOCATIONS.load(Relaxed);
    let answer = run();
    let allocations = ALLOCATIONS.load(Relaxed) - before;
    assert!(answer[0].iter().all(|v| v.is_finite()));
    (allocations, plan.activation_bytes())
}

#[test]
fn steps_allocate_nothing_and_layers_share_their_memory() {
    let stored = |dtype: &Dtype| heatseek_cpu::executor().stores(*dtype);
    for dtype in [Dtype::F32, Dtype::Bf16, Dtype::Int8].into_iter().filter(stored) {
        let (few, few_bytes) = of_run(3, 67, dtype);
        let (many, many_bytes) = of_run(40, 67, dtype);
        // What is returned, and the tables of the batch with what they are kept in.
        assert!(few <= 16, "{few} allocations");
        assert_eq!(many, few, "allocations grow with the steps");
        assert_eq!(many_bytes, few_bytes, "memory grows with the steps");
        // The residual stream before and after a layer, qkv with its statistics and what attention makes of it.
        assert!(few_bytes <= 4 * 67 * (2 * WIDTH + 3 * WIDTH + 2 + WIDTH) + 6 * 64, "{few_bytes} bytes");
    }
}
