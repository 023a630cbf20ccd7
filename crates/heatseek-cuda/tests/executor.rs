//! The executor on the CPU that stands for a GPU, and on the GPU where there is one.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Instant;

use heatseek_cuda::{CudaDevice, CudaExecutor, CudaOptions, CudaPlan, HOST};
use heatseek_ops::cases::{self, Case};
use heatseek_ops::{
    Attention, AttentionMap, Batch, Buffer, Dtype, Executor, ExecutorError, Gemm, HIDDEN, HeadFusion,
    HostExecutor, OutputId, POOLED, Plan, PlanOptions, Pool, Pooling, Program, ReferenceExecutor, Rows,
    RunControl, Table, Tensor,
};
use heatseek_testkit::{Tolerance, compare, run_all, values};
use heatseek_wgsl::Target;
use pollster::block_on;

const CHECKED: PlanOptions = PlanOptions { expected_rows: 0, checked: true, dtype: Dtype::F32 };
const UNCHECKED: PlanOptions = PlanOptions { expected_rows: 0, checked: false, dtype: Dtype::F32 };

fn host() -> CudaDevice {
    CudaDevice::request(&CudaOptions { name: Some(HOST.into()) }).unwrap()
}

/// The CPU, and the GPU if there is one.
fn devices() -> Vec<CudaDevice> {
    let gpu = CudaDevice::request(&CudaOptions::default());
    let gpu = gpu.inspect_err(|why| eprintln!("NOT RUN: cuda: {why}"));
    [host()].into_iter().chain(gpu).collect()
}

/// Two linear layers and a mean: outputs `hidden` (only on demand) and `pooled`.
fn small_model() -> Arc<Program> {
    let mut program = Program::new();
    let (k, n) = (36, 68);
    let tokens = program.table(Table::Tokens);
    let sequences = program.table(Table::Sequences);
    let mut weight = |name: &str, shape: &[usize], seed| {
        let tensor = Tensor::new(shape, values(seed, shape.iter().product(), 0.5));
        program.weight(name, tensor)
    };
    let word = weight("word", &[64, k], 1);
    let position = weight("position", &[512, k], 2);
    let token_type = weight("token_type", &[2, k], 3);
    let (w, b) = (weight("w", &[n, k], 4), weight("b", &[n], 5));
    let x = program.activation("x", Rows::Tokens, k);
    let y = program.activation("y", Rows::Tokens, n);
    let hidden = program.activation("hidden", Rows::Tokens, n);
    let pooled = program.activation("pooled", Rows::Sequences, n);
    let hidden_output = program.output(HIDDEN, hidden);
    program.output(POOLED, pooled);
    let embed = heatseek_ops::Embed { hidden_size: k };
    let pool = Pool { width: n, pooling: Pooling::Mean, norm_in: None, normalize: true };
    let norm = heatseek_ops::L2Normalize { width: n };
    program.push(embed, Rows::Tokens, &[tokens, word, position, token_type, x]).unwrap();
    program.push(Gemm::linear(k, n), Rows::Tokens, &[x, w, b, y]).unwrap();
    program.push_for(hidden_output, norm, Rows::Tokens, &[y, hidden]).unwrap();
    program.push(pool, Rows::Sequences, &[y, sequences, pooled]).unwrap();
    Arc::new(program)
}

/// Token ids below the vocabulary of [`small_model`].
fn batch(lengths: &[usize]) -> Batch {
    let mut batch = Batch::new();
    for &len in lengths {
        let ids: Vec<u32> = (0..len as u32).map(|i| (i * 7 + len as u32) % 64).collect();
        batch.push(&ids, &vec![0; len], 0).unwrap();
    }
    batch
}

fn expect(program: &Arc<Program>, batch: &Batch, outputs: &[OutputId]) -> Vec<Vec<f32>> {
    let plan = HostExecutor::new(ReferenceExecutor).plan(program.clone(), PlanOptions::default()).unwrap();
    plan.run_now(batch, outputs).unwrap()
}

fn plan(device: &CudaDevice, program: &Arc<Program>, options: PlanOptions) -> CudaPlan {
    CudaExecutor::new(device.clone()).plan(program.clone(), options).unwrap()
}

fn assert_right(plan: &dyn Plan, program: &Arc<Program>, batch: &Batch, outputs: &[OutputId]) {
    let actual = block_on(plan.run(batch, outputs)).unwrap();
    assert_equal(program, batch, outputs, &actual);
}

fn assert_equal(program: &Arc<Program>, batch: &Batch, outputs: &[OutputId], actual: &[Vec<f32>]) {
    let expected = expect(program, batch, outputs);
    for ((actual, expected), id) in actual.iter().zip(&expected).zip(outputs) {
        let buffer = program.outputs()[id.0].1.unwrap();
        let (rows, width) = program.buffers()[buffer.0].1.written().unwrap();
        compare(actual, expected, &[rows.count(batch), width], Tolerance::OP_F32).unwrap();
    }
}

#[test]
fn capacity_grows_and_smaller_batches_stay_right() {
    let program = small_model();
    for device in devices() {
        for options in [CHECKED, UNCHECKED] {
            let plan = plan(&device, &program, options);
            for lengths in [&[3][..], &[5, 0, 70], &[1; 40], &[300, 2], &[4], &[], &[0, 0]] {
                let both = [OutputId(1), OutputId(0)];
                assert_right(&plan, &program, &batch(lengths), &both);
                assert_right(&plan, &program, &batch(lengths), &[OutputId(1)]);
            }
        }
    }
}

/// Keeps what the device says it took.
#[derive(Default)]
struct Clock(Cell<Option<f64>>);

impl RunControl for Clock {
    fn wants_device_time(&self) -> bool {
        true
    }

    fn device_time(&self, seconds: f64) {
        self.0.set(Some(seconds));
    }
}

/// Launched one by one, recorded and replayed.
#[test]
fn a_timed_run_tells_how_long_the_kernels_took() {
    let program = small_model();
    for device in devices() {
        let plan = plan(&device, &program, UNCHECKED);
        for lengths in [[40, 30], [40, 30], [40, 30], [1, 0]] {
            let (batch, clock, began) = (batch(&lengths), Clock::default(), Instant::now());
            let actual = block_on(plan.run_with(&batch, &[OutputId(1)], &clock)).unwrap();
            let passed = began.elapsed().as_secs_f64();
            let seconds = clock.0.get().expect("every run is told of");
            assert!(seconds > 0.0 && seconds <= passed, "{device:?}: {seconds} of {passed} s");
            assert_equal(&program, &batch, &[OutputId(1)], &actual);
        }
    }
}

/// The second run of a shape is recorded, and the third replays it: with other tokens, and other lengths of the same
/// sum, it must not be what was recorded.
#[test]
fn launches_that_come_again_see_the_new_batch() {
    let program = small_model();
    for device in devices() {
        let plan = plan(&device, &program, UNCHECKED);
        for lengths in [[9, 4], [9, 4], [9, 4], [4, 9], [12, 1], [9, 4]] {
            assert_right(&plan, &program, &batch(&lengths), &[OutputId(1)]);
        }
        // A larger arena, where nothing that was recorded is right.
        assert_right(&plan, &program, &batch(&[200]), &[OutputId(1)]);
        for _ in 0..3 {
            assert_right(&plan, &program, &batch(&[9, 4]), &[OutputId(1)]);
        }
        // More shapes than are kept, twice.
        for len in (1..70).chain(1..70) {
            assert_right(&plan, &program, &batch(&[len]), &[OutputId(1)]);
        }
    }
}

#[test]
fn overlapping_runs_do_not_mix() {
    let program = small_model();
    for device in devices() {
        let (one, two) = (plan(&device, &program, UNCHECKED), plan(&device, &program, CHECKED));
        let batches = [batch(&[9, 4]), batch(&[2]), batch(&[100, 1, 1])];
        let pooled = [OutputId(1)];
        let plans = [&one, &two, &one];
        let mut runs: Vec<_> =
            plans.iter().flat_map(|p| batches.iter().map(|b| (b, p.run(b, &pooled), None))).collect();
        // Every run is begun before the first one is waited for, and one that is begun is dropped.
        drop(std::future::Future::poll(
            one.run(&batches[2], &pooled).as_mut(),
            &mut std::task::Context::from_waker(std::task::Waker::noop()),
        ));
        block_on(std::future::poll_fn(|context| {
            for (_, run, result) in runs.iter_mut().filter(|(.., result)| result.is_none()) {
                if let Poll::Ready(values) = run.as_mut().poll(context) {
                    *result = Some(values.unwrap());
                }
            }
            if runs.iter().all(|(.., result)| result.is_some()) { Poll::Ready(()) } else { Poll::Pending }
        }));
        for (batch, _, actual) in &runs {
            assert_equal(&program, batch, &pooled, actual.as_ref().unwrap());
        }
    }
}

/// A Program of a GEMM whose weights are counted when they are asked for, and the same with a pooling appended
/// that has a weight and reads an old one.
fn extended_model(asked: &Arc<AtomicUsize>) -> [Arc<Program>; 2] {
    let mut program = Program::new();
    let n = 36;
    let x = program.input("x", n);
    let weight = |program: &mut Program, name: &str, shape: &[usize], seed, offset: f32| {
        let (len, asked) = (shape.iter().product(), asked.clone());
        let compute = move || {
            asked.fetch_add(1, Ordering::Relaxed);
            values(seed, len, 0.5).into_iter().map(|v| v + offset).collect()
        };
        program.weight(name, Tensor::computed(shape, compute))
    };
    let w = weight(&mut program, "w", &[n, n], 1, 0.0);
    let b = weight(&mut program, "b", &[n], 2, 0.0);
    let y = program.activation("y", Rows::Tokens, n);
    program.push(Gemm::linear(n, n), Rows::Tokens, &[x, w, b, y]).unwrap();
    program.output(HIDDEN, y);
    let before = Arc::new(program.clone());
    let again = program.capture("again", Rows::Tokens, n);
    let pooled = program.capture("gem", Rows::Sequences, n);
    let exponents = weight(&mut program, "p", &[n], 3, 3.0);
    let sequences = program.table(Table::Sequences);
    let output = program.output("gem", pooled);
    program.push_for(output, Gemm::linear(n, n), Rows::Tokens, &[y, w, b, again]).unwrap();
    let pool = Pool { width: n, pooling: Pooling::Gem, norm_in: None, normalize: false };
    program.push_for(output, pool, Rows::Sequences, &[again, exponents, sequences, pooled]).unwrap();
    [before, Arc::new(program)]
}

#[test]
fn an_extended_plan_uploads_only_what_is_new() {
    let mut batch = Batch::new();
    batch.push_rows(5, &[&values(9, 5 * 36, 1.0)]).unwrap();
    batch.push_rows(70, &[&values(8, 70 * 36, 1.0)]).unwrap();
    batch.skip_first(3);
    let asked = Arc::new(AtomicUsize::new(0));
    let [before, after] = extended_model(&asked);
    let both = [OutputId(0), OutputId(1)];
    let expected = expect(&after, &batch, &both);
    for device in devices() {
        asked.store(0, Ordering::Relaxed);
        let plan = plan(&device, &before, CHECKED);
        assert_eq!(asked.swap(0, Ordering::Relaxed), 2);
        let extended = block_on(plan.extended(after.clone())).unwrap();
        assert_eq!(asked.swap(0, Ordering::Relaxed), 1, "only the new weight is made");
        let actual = block_on(extended.run(&batch, &both)).unwrap();
        for (actual, expected) in actual.iter().zip(&expected) {
            compare(actual, expected, &[expected.len() / 36, 36], Tolerance::OP_F32).unwrap();
        }
        assert_eq!(block_on(plan.run(&batch, &both[..1])).unwrap()[0], actual[0], "the old plan stays");
        assert!(matches!(block_on(extended.extended(before.clone())), Err(ExecutorError::Invalid { .. })));
    }
}

#[test]
fn a_map_is_there_for_the_run_that_asks_for_it() {
    let mut program = Program::new();
    let attention = Attention::new(2, 16);
    let qkv = program.input("qkv", 3 * 32);
    let y = program.activation("y", Rows::Tokens, 32);
    let (tiles, spans) = (program.table(Table::AttentionTiles), program.table(Table::QuerySpans));
    let map = program.capture("map", Rows::QueryPairs, 2);
    program.push(attention, Rows::Tokens, &[qkv, tiles, y]).unwrap();
    program.output(HIDDEN, y);
    let output = program.output("map", map);
    let op = AttentionMap { attention, fusion: HeadFusion::Each, mixed: false };
    program.push_for(output, op, Rows::Queries, &[qkv, spans, map]).unwrap();
    let program = Arc::new(program);
    let mut batch = Batch::new();
    for (len, seed) in [(7, 1), (0, 2), (20, 3)] {
        batch.push_rows(len, &[&values(seed, len * 96, 1.0)]).unwrap();
    }
    batch.ask_about(&[26, 3]).unwrap();
    for device in devices() {
        for options in [CHECKED, UNCHECKED] {
            let plan = plan(&device, &program, options);
            for outputs in [&[OutputId(0)][..], &[OutputId(1), OutputId(0)], &[OutputId(0)]] {
                assert_right(&plan, &program, &batch, outputs);
            }
        }
    }
}

#[test]
fn a_destroyed_device_answers_lost_and_nothing_hangs() {
    let program = small_model();
    for device in devices() {
        let executor = CudaExecutor::new(device.clone());
        let plan = plan(&device, &program, UNCHECKED);
        let batch = batch(&[5, 6]);
        assert_right(&plan, &program, &batch, &[OutputId(1)]);
        device.destroy();
        for _ in 0..2 {
            let error = block_on(plan.run(&batch, &[OutputId(1)])).unwrap_err();
            assert!(matches!(error, ExecutorError::Lost { .. }), "{error}");
        }
        let error = block_on(executor.prepare(program.clone(), UNCHECKED)).err().unwrap();
        assert!(matches!(error, ExecutorError::Lost { .. }), "{error}");
    }
}

#[test]
fn a_planted_fault_gives_a_wrong_answer() {
    let program = small_model();
    // Every kernel now believes that there is one row.
    let transform = |_: &heatseek_wgsl::Kernel, source: &str| source.replace("params.rows", "1u");
    let device = host().with_source_transform(Box::new(transform));
    let batch = batch(&[5, 6]);
    let actual = block_on(plan(&device, &program, CHECKED).run(&batch, &[OutputId(0)])).unwrap();
    assert!(actual[0][68 + 1].is_nan(), "the second row was never written");
}

/// A kernel that writes a row too many: into the guard of a checked run.
#[test]
fn a_write_behind_the_end_is_found() {
    let program = small_model();
    let transform = |_: &heatseek_wgsl::Kernel, source: &str| {
        source.replace(">= params.rows) { break; }", "> params.rows) { break; }")
    };
    let device = host().with_source_transform(Box::new(transform));
    let error = block_on(plan(&device, &program, CHECKED).run(&batch(&[5]), &[OutputId(1)])).unwrap_err();
    assert!(
        matches!(&error, ExecutorError::Internal { what, .. } if what.contains("behind its end")),
        "{error}"
    );
}

#[test]
fn a_kernel_that_does_not_translate_is_named() {
    let program = small_model();
    let transform = |_: &heatseek_wgsl::Kernel, source: &str| format!("{source}\nnonsense");
    let device = host().with_source_transform(Box::new(transform));
    let error = CudaExecutor::new(device).plan(program, UNCHECKED).err().unwrap();
    assert!(matches!(&error, ExecutorError::Internal { what, .. } if what.contains("embed_f32")), "{error}");
}

#[test]
fn what_a_program_cannot_have_is_refused() {
    let program = small_model();
    assert!(program.buffers().iter().any(|(_, buffer)| matches!(buffer, Buffer::Table(_))));
    let plan = plan(&host(), &program, UNCHECKED);
    let error = block_on(plan.run(&batch(&[1]), &[OutputId(9)])).unwrap_err();
    assert!(matches!(error, ExecutorError::Invalid { .. }), "{error}");
    let mut odd = Program::new();
    let (x, y) = (odd.input("x", 6), odd.activation("y", Rows::Tokens, 6));
    odd.push(heatseek_ops::L2Normalize { width: 6 }, Rows::Tokens, &[x, y]).unwrap();
    let error = CudaExecutor::new(host()).plan(Arc::new(odd), UNCHECKED).err().unwrap();
    assert!(matches!(error, ExecutorError::Unsupported { .. }), "{error}");
}

/// f16 storage, with matrix units where they fit: every case that a device stores as f16.
#[test]
fn what_is_stored_as_f16_equals_the_reference_of_what_is_stored() {
    for device in devices() {
        let executor = CudaExecutor::new(device);
        assert!(executor.stores(Dtype::F16) && executor.device_for(Dtype::F16).kernels.contains("matrix"));
        let options = PlanOptions { dtype: Dtype::F16, ..CHECKED };
        let halved = cases::halved();
        // First what kernels there are: compiled at once, they take a fraction of the time.
        halved.iter().for_each(|case| drop(executor.plan(Arc::new(case.program()), options).unwrap()));
        run_all(&halved, |case| check(&executor, case, options));
    }
}

/// int8 storage: every case with every tile.
#[test]
fn what_is_stored_as_int8_equals_the_reference_of_what_is_stored() {
    let options = PlanOptions { dtype: Dtype::Int8, ..CHECKED };
    let cases = cases::quantized_in_blocks();
    for device in devices() {
        let own = device.target(Dtype::Int8);
        for [few_rows, small_rows, medium_rows] in [[usize::MAX; 3], [0, 0, usize::MAX], [0; 3]] {
            let target = Target { few_rows, small_rows, medium_rows, ..own };
            let executor = CudaExecutor::new(device.clone().with_target(target));
            assert!(executor.stores(Dtype::Int8) && executor.device_for(Dtype::Int8).dtype == "int8");
            cases.iter().for_each(|case| drop(executor.plan(Arc::new(case.program()), options).unwrap()));
            run_all(&cases, |case| check(&executor, case, options));
        }
    }
}

/// Whether a case gives what the reference does.
fn check(executor: &CudaExecutor, case: &Case, options: PlanOptions) -> Result<(), String> {
    let program = Arc::new(case.program());
    let outputs = case.outputs(&program);
    let plan = executor.plan(program.clone(), options).map_err(|e| e.to_string())?;
    let actual = block_on(plan.run(&case.batch(), &outputs)).map_err(|e| e.to_string())?;
    for ((actual, expected), id) in actual.iter().zip(case.expected()).zip(outputs) {
        let shape = case.output_shape(&program, id);
        compare(actual, &expected, &shape, case.tolerance).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// The tile that only GPUs choose, of every kind that there is: both sides of its edges in rows, columns and depth.
#[test]
fn the_largest_tile_of_matrix_units_equals_the_reference() {
    let names = ["k_384", "Add_70x68", "AddNormalized_70x68", "norm_in_130x132x48"];
    let is_chosen = |case: &Case| {
        let name = case.name.split(',').next().unwrap_or_default();
        names.iter().any(|n| name == format!("gemm/{n}")) || name == "gemm/norm_in_gelu_130x132x48"
    };
    let chosen: Vec<_> = cases::halved().into_iter().filter(is_chosen).collect();
    assert_eq!(chosen.len(), 9);
    let options = PlanOptions { dtype: Dtype::F16, ..CHECKED };
    for device in devices() {
        let own = device.target(Dtype::F16);
        let many = Target { workgroup_bytes: 48 << 10, few_rows: 0, small_rows: 0, medium_rows: 0, ..own };
        let executor = CudaExecutor::new(device.clone().with_target(many));
        chosen.iter().for_each(|case| drop(executor.plan(Arc::new(case.program()), options).unwrap()));
        run_all(&chosen, |case| check(&executor, case, options));
        // A step too few is found.
        let transform = |kernel: &heatseek_wgsl::Kernel, source: &str| {
            assert!(
                !kernel.name.starts_with("gemm") || kernel.name.contains("matrix_m128"),
                "{}",
                kernel.name
            );
            source.replace("step < steps; step++", "step + 1u < steps; step++")
        };
        let executor = CudaExecutor::new(device.with_source_transform(Box::new(transform)));
        let case = chosen.iter().find(|case| case.name.starts_with("gemm/k_384")).unwrap();
        assert!(check(&executor, case, options).is_err());
    }
}
