//! The tuner on adapters of this machine. How long a kernel takes is injected: what wins is certain.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use heatseek_gpu::{AdapterChoice, Choice, GpuDevice, GpuExecutor, GpuOptions, GpuPlan};
use heatseek_ops::{
    Attention, Batch, Dtype, ExecutorError, Gemm, HostExecutor, OutputId, POOLED, Plan, PlanOptions, Pool,
    Pooling, Program, ReferenceExecutor, Residual, Rows, Table, Tensor, Tuning,
};
use heatseek_testkit::{Tolerance, compare, values};
use heatseek_wgsl::Kernel;
use pollster::block_on;

const ROWS: usize = 40;
const WIDTH: usize = 64;

/// A device on every adapter, opened anew: choices are the device's. Without SwiftShader, which takes half a second and more to
/// compile each kernel of many, and which the browser tests tune.
fn devices() -> Vec<GpuDevice> {
    let found = block_on(GpuDevice::enumerate());
    let open = |index| {
        let options = GpuOptions { adapter: AdapterChoice::Index(index), ..GpuOptions::default() };
        block_on(GpuDevice::request(options)).expect("an enumerated adapter opens")
    };
    let quick = |device: &GpuDevice| !device.adapter().name.contains("SwiftShader");
    let devices: Vec<_> = (0..found.len()).map(open).filter(quick).collect();
    assert!(!devices.is_empty() || std::env::var_os("CI").is_none(), "CI expects a Vulkan adapter");
    devices
}

/// Two layers of attention, each with a GEMM before it and one with a residual behind it, and a mean.
fn model() -> Arc<Program> {
    let mut program = Program::new();
    let x = program.input("x", WIDTH);
    let tiles = program.table(Table::AttentionTiles);
    let sequences = program.table(Table::Sequences);
    let mut z = x;
    for layer in 0..2_u64 {
        let mut weight = |name: &str, shape: &[usize], seed| {
            let name = format!("{name}.{layer}");
            program.weight(name, Tensor::new(shape, values(seed + layer, shape.iter().product(), 0.3)))
        };
        let (qkv_w, qkv_b) = (weight("qkv_w", &[3 * WIDTH, WIDTH], 10), weight("qkv_b", &[3 * WIDTH], 20));
        let (out_w, out_b) = (weight("out_w", &[WIDTH, WIDTH], 30), weight("out_b", &[WIDTH], 40));
        let [qkv, attended, out] = [("qkv", 3 * WIDTH), ("attended", WIDTH), ("out", WIDTH)]
            .map(|(name, width)| program.activation(format!("{name}.{layer}"), Rows::Tokens, width));
        program.push(Gemm::linear(WIDTH, 3 * WIDTH), Rows::Tokens, &[z, qkv_w, qkv_b, qkv]).unwrap();
        let heads = Attention::new(2, 32);
        program.push(heads, Rows::Tokens, &[qkv, tiles, attended]).unwrap();
        let add = Gemm { residual: Residual::Add, ..Gemm::linear(WIDTH, WIDTH) };
        program.push(add, Rows::Tokens, &[attended, out_w, out_b, z, out]).unwrap();
        z = out;
    }
    let pooled = program.activation("pooled", Rows::Sequences, WIDTH);
    program.output(POOLED, pooled);
    let pool = Pool { width: WIDTH, pooling: Pooling::Mean, norm_in: None, normalize: true };
    program.push(pool, Rows::Sequences, &[z, sequences, pooled]).unwrap();
    Arc::new(program)
}

fn batch(lengths: &[usize]) -> Batch {
    let mut batch = Batch::new();
    for (&len, seed) in lengths.iter().zip(1..) {
        batch.push_rows(len, &[&values(seed, len * WIDTH, 1.0)]).unwrap();
    }
    batch
}

fn plan(device: &GpuDevice, options: PlanOptions) -> GpuPlan {
    block_on(GpuExecutor::new(device.clone()).plan(model(), options)).unwrap()
}

/// What the reference says to `batch`.
fn expected(batch: &Batch) -> Vec<f32> {
    let host = HostExecutor::new(ReferenceExecutor).plan(model(), PlanOptions::default()).unwrap();
    host.run_now(batch, &[OutputId(0)]).unwrap().remove(0)
}

fn assert_right(plan: &GpuPlan, batch: &Batch, tolerance: Tolerance) {
    let actual = block_on(plan.run(batch, &[OutputId(0)])).unwrap().remove(0);
    compare(&actual, &expected(batch), &[batch.sequences().len(), WIDTH], tolerance).unwrap();
}

/// Tunes until there is nothing to do, and says how many steps that took.
fn tuned(plan: &GpuPlan) -> usize {
    let mut steps = 0;
    while block_on(plan.tune(&[])).unwrap() != Tuning::Done {
        steps += 1;
        assert!(steps < 2000, "it ends");
    }
    steps
}

/// A device on which kernels with `fast` in their names take half as long as others.
fn with_fast(device: GpuDevice, fast: &'static str) -> GpuDevice {
    let seconds = move |kernel: &Kernel, _: f64| if kernel.name.contains(fast) { 0.5 } else { 1.0 };
    device.with_timing_transform(Box::new(seconds))
}

fn kernels(device: &GpuDevice) -> Vec<(String, usize, String, u32)> {
    let mut all: Vec<_> =
        device.choices().into_iter().map(|c| (c.shape, c.rows, c.kernel, c.percent)).collect();
    all.sort();
    all
}

#[test]
fn the_faster_kernel_is_taken_where_it_was_measured_and_answers_stay_right() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Int8] {
        for device in devices().into_iter().filter(|device| device.stores(dtype)) {
            let device = with_fast(device, "split");
            let plan = plan(&device, PlanOptions { dtype, checked: true, expected_rows: ROWS });
            assert_eq!(tuned(&plan), 0, "no run has been seen");
            let tolerance = if dtype == Dtype::F32 { Tolerance::OP_F32 } else { Tolerance::Abs(0.02) };
            let of_many = batch(&[ROWS - 9, 9]);
            assert_right(&plan, &of_many, tolerance);
            assert!(tuned(&plan) > 0);
            let found = kernels(&device);
            let gemms: Vec<_> = found.iter().filter(|(shape, ..)| shape.starts_with("gemm_")).collect();
            assert_eq!(gemms.len(), 2, "one a shape, not one a layer: {found:?}");
            for (shape, rows, kernel, percent) in gemms {
                assert_eq!((*rows, *percent), (64, 50), "{shape}");
                assert!(kernel.contains("_split"), "{kernel}");
            }
            for (.., kernel, percent) in found.iter().filter(|(shape, ..)| shape.starts_with("attention_")) {
                assert_eq!(*percent, 100, "{kernel}: neither of two is faster");
            }
            for lengths in [&[ROWS - 9, 9][..], &[3], &[100, 1]] {
                assert_right(&plan, &batch(lengths), tolerance);
            }
            assert!(tuned(&plan) > 0, "other numbers of rows were seen since");
            assert_eq!(kernels(&device).iter().filter(|(shape, ..)| shape.starts_with("gemm_")).count(), 6);
        }
    }
}

#[test]
fn a_kernel_that_computes_wrong_numbers_never_wins() {
    for device in devices() {
        let broken = |kernel: &Kernel, source: &str| match kernel.name.contains("gemm_f32_split") {
            // Its sums are a quarter too large.
            true => source.replace("bias[", "1.25 * bias["),
            false => source.to_owned(),
        };
        let device = with_fast(device, "split").with_source_transform(Box::new(broken));
        let plan = plan(&device, PlanOptions { expected_rows: ROWS, ..PlanOptions::default() });
        assert_right(&plan, &batch(&[ROWS]), Tolerance::OP_F32);
        tuned(&plan);
        let found = kernels(&device);
        assert!(found.iter().any(|(shape, ..)| shape.starts_with("gemm_f32 ")), "{found:?}");
        assert!(found.iter().all(|(.., kernel, _)| !kernel.contains("split")), "{found:?}");
        assert_right(&plan, &batch(&[ROWS]), Tolerance::OP_F32);
    }
}

#[test]
fn a_kernel_that_does_not_compile_is_passed_over() {
    for device in devices() {
        let broken = |kernel: &Kernel, source: &str| match kernel.name.contains("gemm_f32_split") {
            true => format!("{source}\nnonsense;"),
            false => source.to_owned(),
        };
        let device = with_fast(device, "split").with_source_transform(Box::new(broken));
        let plan = plan(&device, PlanOptions { expected_rows: ROWS, ..PlanOptions::default() });
        assert_right(&plan, &batch(&[ROWS]), Tolerance::OP_F32);
        tuned(&plan);
        assert!(kernels(&device).iter().all(|(.., kernel, _)| !kernel.contains("split")));
        assert_right(&plan, &batch(&[ROWS]), Tolerance::OP_F32);
    }
}

#[test]
fn choices_of_another_day_are_followed_from_the_first_run_and_foreign_ones_are_not() {
    for device in devices() {
        let choice = |shape: &str, kernel: &str| Choice {
            shape: shape.into(),
            rows: 64,
            kernel: kernel.into(),
            percent: 80,
            cached: true,
        };
        let used = Rc::new(Cell::new(0));
        let seen = used.clone();
        let noted = move |kernel: &Kernel, source: &str| {
            seen.set(seen.get() + usize::from(kernel.name == "gemm_f32_m32"));
            source.to_owned()
        };
        let device = device.with_source_transform(Box::new(noted));
        device.choose([
            choice("gemm_f32 64x192", "gemm_f32_m32"),
            // A kernel of another op, one that there is not, and a shape that there is not.
            choice("gemm_f32_add 64x64", "attention_f32_d32"),
            choice("attention_f32 2x32", "attention_f32_of_tomorrow"),
            choice("gemm_f32 1x1", "gemm_f32_m32"),
        ]);
        let plan = plan(&device, PlanOptions { expected_rows: ROWS, ..PlanOptions::default() });
        assert_eq!(used.get(), 1, "it is compiled before the first run");
        assert_right(&plan, &batch(&[ROWS]), Tolerance::OP_F32);
        tuned(&plan);
        let found = kernels(&device);
        let of = |shape: &str| found.iter().find(|(known, ..)| known == shape).unwrap();
        assert_eq!(of("gemm_f32 64x192").2, "gemm_f32_m32", "what is decided is not measured again");
        assert!(of("gemm_f32_add 64x64").2.starts_with("gemm_"));
        assert!(
            of("attention_f32 2x32").2.starts_with("attention_")
                && !of("attention_f32 2x32").2.contains("tomorrow")
        );
        assert!(device.forget_choices());
        assert_right(&plan, &batch(&[ROWS]), Tolerance::OP_F32);
    }
}

/// What a future came to when it is polled so often.
fn polled<T>(future: &mut std::pin::Pin<Box<dyn Future<Output = T> + '_>>, times: usize) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    (0..times).find_map(|_| match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    })
}

#[test]
fn runs_come_first_and_are_right_in_the_middle_of_tuning() {
    for device in devices() {
        let device = with_fast(device, "m16");
        let plan = plan(&device, PlanOptions { expected_rows: ROWS, ..PlanOptions::default() });
        let batches = [batch(&[ROWS]), batch(&[7, 30]), batch(&[2])];
        let expected: Vec<_> = batches.iter().map(expected).collect();
        assert_right(&plan, &batches[0], Tolerance::OP_F32);
        let pooled = [OutputId(0)];
        let (mut steps, mut met) = (0, 0);
        loop {
            // A run that is under way: nothing is measured meanwhile.
            let at = steps % batches.len();
            let mut run = plan.run(&batches[at], &pooled);
            let under_way = polled(&mut run, 1);
            if under_way.is_none() {
                let before = device.choices();
                assert_eq!(polled(&mut plan.tune(&[]), 1).unwrap().unwrap(), Tuning::Waiting);
                assert_eq!(device.choices(), before);
                met += 1;
            }
            let actual = under_way.unwrap_or_else(|| block_on(run)).unwrap().remove(0);
            let shape = [batches[at].sequences().len(), WIDTH];
            compare(&actual, &expected[at], &shape, Tolerance::OP_F32).unwrap();
            // A step of which the first half is done when another run comes.
            let mut step = plan.tune(&[]);
            let half = polled(&mut step, 1);
            let actual = block_on(plan.run(&batches[at], &pooled)).unwrap().remove(0);
            compare(&actual, &expected[at], &shape, Tolerance::OP_F32).unwrap();
            steps += 1;
            if half.unwrap_or_else(|| block_on(step)).unwrap() == Tuning::Done {
                break;
            }
            assert!(steps < 2000, "it ends");
        }
        assert!(met > 0, "a run was under way");
        assert!(!device.choices().is_empty());
    }
}

#[test]
fn a_step_that_is_dropped_or_a_device_that_is_lost_spoils_nothing() {
    for device in devices() {
        let plan = plan(&device, PlanOptions { expected_rows: ROWS, ..PlanOptions::default() });
        assert_right(&plan, &batch(&[ROWS]), Tolerance::OP_F32);
        for _ in 0..20 {
            drop(polled(&mut plan.tune(&[]), 1));
            assert_right(&plan, &batch(&[ROWS]), Tolerance::OP_F32);
        }
        assert_eq!(block_on(plan.tune(&[])).unwrap(), Tuning::More);
        device.destroy();
        assert!(matches!(block_on(plan.tune(&[])), Err(ExecutorError::Lost { .. })));
    }
}

#[test]
fn rows_can_be_tuned_that_no_run_had_yet() {
    for device in devices() {
        let device = with_fast(device, "split");
        let plan = plan(&device, PlanOptions { expected_rows: ROWS, ..PlanOptions::default() });
        let also = [200];
        while block_on(plan.tune(&also)).unwrap() != Tuning::Done {}
        assert!(device.choices().iter().all(|choice| choice.rows == 256));
        assert!(!device.choices().is_empty());
        assert_right(&plan, &batch(&[150, 50]), Tolerance::OP_F32);
    }
}
