//! The executor on every adapter of this machine. Select software adapters with `VK_DRIVER_FILES`.

mod emulated;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Instant;

use heatseek_gpu::{AdapterChoice, GpuDevice, GpuExecutor, GpuOptions, GpuPlan};
use heatseek_ops::{
    Attention, AttentionMap, Batch, Dtype, Executor, ExecutorError, Gemm, HIDDEN, HeadFusion, HostExecutor,
    Op, OutputId, POOLED, Plan, PlanOptions, Pool, Pooling, Program, ReferenceExecutor, Rows, RunControl,
    Table, Tensor,
    cases::{self, Case},
};
use heatseek_testkit::{Tolerance, compare, run_all, values};
use heatseek_wgsl::Target;
use pollster::block_on;

use emulated::without_matrix_units;

const CHECKED: PlanOptions = PlanOptions { expected_rows: 0, checked: true, dtype: Dtype::F32 };
const UNCHECKED: PlanOptions = PlanOptions { checked: false, ..CHECKED };
const F16: PlanOptions = PlanOptions { dtype: Dtype::F16, ..CHECKED };
const INT8: PlanOptions = PlanOptions { dtype: Dtype::Int8, ..CHECKED };

/// A device on every adapter. None is a failure where one is expected: CI has software adapters.
fn devices() -> Vec<GpuDevice> {
    let found = block_on(GpuDevice::enumerate());
    assert!(!found.is_empty() || std::env::var_os("CI").is_none(), "CI expects a Vulkan adapter");
    if found.is_empty() {
        eprintln!("no adapter found: nothing was tested");
    }
    (0..found.len()).map(open).collect()
}

/// The same, for whole tables of cases: without SwiftShader, which takes half a second and more to compile each, and whose
/// kernels the browser tests run.
fn quick_devices() -> Vec<GpuDevice> {
    devices().into_iter().filter(|device| !device.adapter().name.contains("SwiftShader")).collect()
}

fn open(index: usize) -> GpuDevice {
    let options = GpuOptions { adapter: AdapterChoice::Index(index), ..GpuOptions::default() };
    block_on(GpuDevice::request(options)).expect("an enumerated adapter opens")
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

fn plan(device: &GpuDevice, program: &Arc<Program>, options: PlanOptions) -> GpuPlan {
    block_on(GpuExecutor::new(device.clone()).plan(program.clone(), options)).unwrap()
}

fn assert_right(plan: &GpuPlan, program: &Arc<Program>, batch: &Batch, outputs: &[OutputId]) {
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

/// Checked, the op cases of `heatseek-conformance` are these.
#[test]
fn every_case_unchecked_equals_the_reference() {
    for device in quick_devices() {
        eprintln!("{device:?}");
        check_cases(&GpuExecutor::new(device), &cases::all(), UNCHECKED);
    }
}

fn check_cases(executor: &GpuExecutor, cases: &[Case], options: PlanOptions) {
    run_all(cases, |case| {
        let program = Arc::new(case.program());
        let outputs = case.outputs(&program);
        let plan = block_on(executor.plan(program.clone(), options)).map_err(|e| e.to_string())?;
        let actual = block_on(plan.run(&case.batch(), &outputs)).map_err(|e| e.to_string())?;
        for ((actual, expected), id) in actual.iter().zip(case.expected()).zip(outputs) {
            let shape = case.output_shape(&program, id);
            compare(actual, &expected, &shape, case.tolerance).map_err(|e| e.to_string())?;
        }
        Ok(())
    });
}

/// Devices that store f16; another must refuse it. Lavapipe does, SwiftShader does not. None is a failure where one is
/// expected: CI's software adapters have lavapipe among them.
fn devices_with_f16() -> Vec<GpuDevice> {
    let (with, without): (Vec<_>, Vec<_>) = devices().into_iter().partition(|d| d.stores(Dtype::F16));
    let expected = std::env::var_os("CI").is_some() && without.iter().any(|device| device.adapter().software);
    assert!(!with.is_empty() || !expected, "CI expects an adapter with f16: {without:?} have none");
    if with.is_empty() {
        eprintln!("no adapter with f16 found: nothing was tested in it");
    }
    for device in without {
        let error = block_on(GpuExecutor::new(device).plan(small_model(), F16)).err().unwrap();
        let ExecutorError::Unsupported { what, why, .. } = &error else { panic!("{error}") };
        assert!(what.contains("f16") && why.contains("ask for f32"), "{error}");
    }
    with
}

#[test]
fn every_case_stored_as_f16_equals_the_reference() {
    for device in devices_with_f16() {
        let executor = GpuExecutor::new(device);
        assert_eq!(executor.device_for(Dtype::F16).dtype, "f16");
        check_cases(&executor, &cases::halved(), F16);
    }
}

/// The rows up to which each tile is taken, so that one of them takes all: split sums, and the tiles by their size.
const TILES: [[usize; 3]; 4] = [[usize::MAX; 3], [0, 0, usize::MAX], [0, usize::MAX, usize::MAX], [0, 0, 0]];

fn with_tile(own: Target, [few_rows, small_rows, medium_rows]: [usize; 3]) -> Target {
    Target { few_rows, small_rows, medium_rows, ..own }
}

/// Every tile with every number of rows, as far as other tests do not have them on this adapter.
#[test]
fn the_tiles_of_gpus_equal_the_reference() {
    let gemms = |cases: Vec<Case>| -> Vec<Case> {
        let by_rows = |name: &str| ["rows_", "norm_in", "Add"].iter().any(|part| name.contains(part));
        let taken = |case: &Case| matches!(case.op, Op::Gemm(_)) && by_rows(&case.name);
        cases.into_iter().filter(taken).collect()
    };
    for device in quick_devices() {
        // Software adapters take none of them on their own in f32.
        let own = device.target(Dtype::F32).staged();
        for tile in TILES {
            for matrix_units in if own.matrix_units { vec![false, true] } else { vec![false] } {
                let target = Target { matrix_units, ..with_tile(own, tile) };
                eprintln!("{device:?} {target:?}");
                let executor = GpuExecutor::new(device.clone().with_target(target));
                if !matrix_units {
                    check_cases(&executor, &gemms(cases::all()), CHECKED);
                }
                if executor.stores(Dtype::F16) {
                    check_cases(&executor, &gemms(cases::halved()), F16);
                }
            }
        }
    }
}

/// The kernels for matrix units, with the units in software, on adapters that have none.
#[test]
fn gemms_on_emulated_matrix_units_equal_the_reference() {
    let gemms = |case: &Case| matches!(case.op, Op::Gemm(_));
    let all: Vec<Case> = cases::halved().into_iter().filter(gemms).collect();
    for device in devices_with_f16() {
        let own = Target { matrix_units: true, ..device.target(Dtype::F16) };
        if device.target(Dtype::F16).matrix_units {
            continue; // They are tested as they are.
        }
        // Every second case, with one of the tiles each: they compile for long, and CUDA's tests have all of them.
        for (index, tile) in TILES.into_iter().enumerate() {
            let transform = |_: &heatseek_wgsl::Kernel, source: &str| without_matrix_units(source);
            let device = device.clone().with_source_transform(Box::new(transform));
            let device = device.with_target(with_tile(own, tile));
            let cases: Vec<_> = all.iter().skip(index).step_by(2 * TILES.len() - 1).cloned().collect();
            check_cases(&GpuExecutor::new(device), &cases, F16);
        }
        for tile in [TILES[0], TILES[2]] {
            let transform =
                |_: &heatseek_wgsl::Kernel, source: &str| without_last_step(&without_matrix_units(source));
            let device = device.clone().with_source_transform(Box::new(transform));
            assert_wrong(&GpuExecutor::new(device.with_target(with_tile(own, tile))), F16);
        }
    }
}

/// Every case with every tile: the integers are the reference's, one for one.
#[test]
fn every_case_in_int8_equals_the_reference() {
    for device in quick_devices() {
        let own = device.target(Dtype::Int8);
        for tile in [TILES[0], TILES[1], TILES[3]] {
            let executor = GpuExecutor::new(device.clone().with_target(with_tile(own, tile)));
            assert_eq!(executor.device_for(Dtype::Int8).dtype, "int8");
            check_cases(&executor, &cases::quantized_in_blocks(), INT8);
        }
    }
}

/// A fault in a kernel of halves or bytes is no less of a fault.
#[test]
fn a_planted_fault_in_what_is_narrow_gives_a_wrong_answer() {
    let halves = devices_with_f16().into_iter().map(|device| (device, F16));
    for (device, options) in halves.chain(devices().into_iter().map(|device| (device, INT8))) {
        for tile in [TILES[0], TILES[2]] {
            let transform = |_: &heatseek_wgsl::Kernel, source: &str| without_last_step(source);
            let device = device.clone().with_source_transform(Box::new(transform));
            let own = device.target(options.dtype);
            assert_wrong(&GpuExecutor::new(device.with_target(with_tile(own, tile))), options);
        }
    }
}

/// A GEMM that ends too soon; other kernels as they are.
fn without_last_step(source: &str) -> String {
    let source = source.replace("step < (k + 15u) / 16u; step++", "step + 1u < (k + 15u) / 16u; step++");
    let source = source.replace("if (step < steps)", "if (step + 1u < steps)");
    let source = source.replace("step < steps; step++", "step + 1u < steps; step++");
    let source = source.replace("step < steps; step += 8u", "step + 8u < steps; step += 8u");
    // In int8.
    let source = source.replace("step < blocks; step += 2u", "step + 2u < blocks; step += 2u");
    source.replace("if (block < blocks) {\nw_0", "if (block + 1u < blocks) {\nw_0")
}

/// Fails if a GEMM in the dtype of `options` is right.
fn assert_wrong(executor: &GpuExecutor, options: PlanOptions) {
    let cases = if options.dtype == Dtype::Int8 { cases::quantized_in_blocks() } else { cases::halved() };
    let case = cases.into_iter().find(|case| case.name.starts_with("gemm/k_384, ")).unwrap();
    let program = Arc::new(case.program());
    let outputs = case.outputs(&program);
    let plan = block_on(executor.plan(program, options)).unwrap();
    let actual = block_on(plan.run(&case.batch(), &outputs)).unwrap();
    assert!(compare(&actual[0], &case.expected()[0], &[33, 64], case.tolerance).is_err());
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
    let of_plan = |plan: &dyn Plan, name: &str| {
        let first = asked.swap(0, Ordering::Relaxed);
        assert_eq!(first, 2, "{name}");
        let extended = block_on(plan.extended(after.clone())).unwrap();
        assert_eq!(asked.swap(0, Ordering::Relaxed), 1, "{name}: only the new weight is made");
        let actual = block_on(extended.run(&batch, &both)).unwrap();
        for (actual, expected) in actual.iter().zip(&expected) {
            compare(actual, expected, &[expected.len() / 36, 36], Tolerance::OP_F32).unwrap();
        }
        assert_eq!(
            block_on(plan.run(&batch, &both[..1])).unwrap()[0],
            actual[0],
            "{name}: the old plan stays"
        );
        assert!(matches!(block_on(extended.extended(before.clone())), Err(ExecutorError::Invalid { .. })));
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    };
    asked.store(0, Ordering::Relaxed);
    let host = HostExecutor::new(ReferenceExecutor).plan(before.clone(), CHECKED).unwrap();
    of_plan(&host, "reference");
    for device in devices() {
        of_plan(&plan(&device, &before, CHECKED), "gpu");
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

/// By the device's own clock, so no more than passed meanwhile.
#[test]
fn a_timed_run_tells_how_long_the_pass_took() {
    let program = small_model();
    for device in devices() {
        // Lavapipe has a clock, and so have GPUs.
        let expected = !device.adapter().name.contains("SwiftShader");
        for options in [UNCHECKED, CHECKED] {
            let plan = plan(&device, &program, options);
            for lengths in [&[40][..], &[40, 30, 1], &[300, 2], &[1]] {
                let (batch, clock, began) = (batch(lengths), Clock::default(), Instant::now());
                let actual = block_on(plan.run_with(&batch, &[OutputId(1)], &clock)).unwrap();
                let passed = began.elapsed().as_secs_f64();
                match clock.0.get() {
                    Some(seconds) => assert!(seconds > 0.0 && seconds <= passed, "{seconds} of {passed} s"),
                    None => assert!(!expected, "{device:?} did not tell"),
                }
                assert_equal(&program, &batch, &[OutputId(1)], &actual);
            }
            let clock = Clock::default();
            block_on(plan.run_with(&batch(&[]), &[OutputId(1)], &clock)).unwrap();
            assert_eq!(clock.0.get(), None, "nothing ran");
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
        // Every run is submitted before the first one is waited for.
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

#[test]
fn a_destroyed_device_answers_lost_and_nothing_hangs() {
    let program = small_model();
    for device in devices() {
        let executor = GpuExecutor::new(device.clone());
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
    for (index, _) in devices().iter().enumerate() {
        // Every kernel now believes that there is one row.
        let transform = |_: &heatseek_wgsl::Kernel, source: &str| source.replace("params.rows", "1u");
        let device = open(index).with_source_transform(Box::new(transform));
        let plan = plan(&device, &program, UNCHECKED);
        let batch = batch(&[5, 6]);
        let actual = block_on(plan.run(&batch, &[OutputId(0)])).unwrap();
        assert_ne!(actual, expect(&program, &batch, &[OutputId(0)]));
    }
}

#[test]
fn a_kernel_that_does_not_compile_is_an_internal_error_with_its_name() {
    let program = small_model();
    for (index, _) in devices().iter().enumerate() {
        let transform = |_: &heatseek_wgsl::Kernel, source: &str| format!("{source}\nnonsense;");
        let device = open(index).with_source_transform(Box::new(transform));
        let error = block_on(GpuExecutor::new(device).plan(program.clone(), UNCHECKED)).err().unwrap();
        let ExecutorError::Internal { what, .. } = &error else { panic!("{error}") };
        assert!(what.contains("embed") && what.contains("nonsense"), "{what}");
    }
}

#[test]
fn a_write_behind_the_end_is_found_in_checked_runs() {
    let program = small_model();
    for (index, _) in devices().iter().enumerate() {
        // The row guard of the kernels off by one: with 3 rows, a fourth is written.
        let transform =
            |_: &heatseek_wgsl::Kernel, source: &str| source.replace("params.rows", "(params.rows + 1u)");
        let device = open(index).with_source_transform(Box::new(transform));
        let plan = plan(&device, &program, CHECKED);
        let error = block_on(plan.run(&batch(&[3]), &[OutputId(1)])).unwrap_err();
        let ExecutorError::Internal { what, .. } = &error else { panic!("{error}") };
        assert!(what.contains("behind its end"), "{what}");
    }
}

#[test]
fn what_does_not_fit_is_unsupported_with_numbers() {
    for device in devices() {
        let most = device.adapter().limits.max_storage_buffer_binding_size as usize;
        // Never computed: the size is looked at first.
        let rows = most / 4 / 64 + 64;
        let mut program = Program::new();
        let x = program.activation("x", Rows::Tokens, 64);
        let tokens = program.table(Table::Tokens);
        let word = program.weight("word", Tensor::computed(&[rows, 64], move || vec![0.0; rows * 64]));
        let embed = heatseek_ops::Embed { hidden_size: 64 };
        program.output(HIDDEN, x);
        program.push(embed, Rows::Tokens, &[tokens, word, word, word, x]).unwrap();
        if most > 256 << 20 {
            continue; // Would only show that this machine has gigabytes to spare.
        }
        let error = block_on(GpuExecutor::new(device).plan(Arc::new(program), UNCHECKED)).err().unwrap();
        let ExecutorError::Unsupported { why, .. } = &error else { panic!("{error}") };
        assert!(why.contains(&most.to_string()), "{why}");
    }
}

/// All of a map may be more than a device binds, and one row of it not.
#[test]
fn a_row_of_a_map_fits_where_the_whole_map_does_not() {
    for device in devices() {
        let most = device.adapter().limits.max_storage_buffer_binding_size as usize;
        if most > 256 << 20 {
            continue; // Would only show that this machine has gigabytes to spare.
        }
        let attention = Attention::new(16, 4);
        let tokens = (most / 4 / 16).isqrt() + 1;
        let mut program = Program::new();
        let qkv = program.input("qkv", 3 * attention.width());
        let spans = program.table(Table::QuerySpans);
        let map = program.capture("attention.0.none", Rows::QueryPairs, 16);
        let output = program.output("attention.0.none", map);
        let op = AttentionMap { attention, fusion: HeadFusion::Each, mixed: false };
        program.push_for(output, op, Rows::Queries, &[qkv, spans, map]).unwrap();
        let program = Arc::new(program);
        let plan = plan(&device, &program, CHECKED);
        let mut batch = Batch::new();
        batch.push_rows(tokens, &[&values(1, tokens * 3 * attention.width(), 1.0)]).unwrap();
        let error = block_on(plan.run(&batch, &[output])).unwrap_err();
        let ExecutorError::Unsupported { what, why, .. } = &error else { panic!("{error}") };
        assert!(what.contains(&format!("`attention.0.none` of a sequence of {tokens} rows")), "{what}");
        assert!(why.contains(&most.to_string()) && why.contains("ask about one token"), "{why}");
        batch.ask_about(&[tokens - 1]).unwrap();
        assert_right(&plan, &program, &batch, &[output]);
    }
}

/// What is in rows that no query of a tile sees would spoil it if it were read: 0 times NaN is NaN.
#[test]
fn keys_beyond_the_window_of_a_tile_are_not_read() {
    let attention = Attention { window: Some(8), ..Attention::new(2, 32) };
    let width = attention.width();
    let mut program = Program::new();
    let qkv = program.input("qkv", 3 * width);
    let tiles = program.table(Table::AttentionTiles);
    let y = program.activation("y", Rows::Tokens, width);
    program.push(attention, Rows::Tokens, &[qkv, tiles, y]).unwrap();
    program.output(HIDDEN, y);
    let program = Arc::new(program);
    let rows = values(1, 320 * 3 * width, 1.0);
    // The tile of rows 128 to 191, of which each is computed from eight before and behind it.
    let of_tile = 128 * width..192 * width;
    for (device, staged) in
        devices().into_iter().flat_map(|device| [false, true].map(|s| (device.clone(), s)))
    {
        let device = if staged { device.staged() } else { device };
        let plan = plan(&device, &program, UNCHECKED);
        let run = |rows: &[f32]| {
            let mut batch = Batch::new();
            batch.push_rows(320, &[rows]).unwrap();
            block_on(plan.run(&batch, &[OutputId(0)])).unwrap().remove(0)
        };
        let whole = run(&rows);
        let mut spoiled = rows.clone();
        // The kernels take sixteen keys at a time.
        spoiled[..104 * 3 * width].fill(f32::NAN);
        spoiled[216 * 3 * width..].fill(f32::NAN);
        assert_eq!(
            run(&spoiled)[of_tile.clone()],
            whole[of_tile.clone()],
            "{}, staged {staged}",
            device.adapter().name
        );
        spoiled[120 * 3 * width..121 * 3 * width].fill(f32::NAN);
        assert!(run(&spoiled)[of_tile.clone()].iter().any(|v| v.is_nan()), "what is read is seen");
    }
}

#[test]
fn an_adapter_that_is_not_there_is_unsupported_and_says_which_are() {
    for adapter in [AdapterChoice::Index(99), AdapterChoice::Named("no such adapter".into())] {
        let error = block_on(GpuDevice::request(GpuOptions { adapter, refuse_software: false })).unwrap_err();
        assert!(
            matches!(&error, ExecutorError::Unsupported { why, .. } if why.contains("found [")),
            "{error}"
        );
    }
}
