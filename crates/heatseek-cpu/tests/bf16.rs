//! bf16 where this machine has it: against a reference that rounds in the same way, whatever runs beside it, and against
//! f32; and refused where it has not.

use std::sync::Arc;

use heatseek_cpu::{CpuKernels, Isa};
use heatseek_ops::{
    Batch, Dtype, Executor, ExecutorError, Gemm, HostExecutor, HostPlan, OutputId, PlanOptions, Program,
    Rows, Tensor, cases,
};
use heatseek_testkit::{Tolerance, compare, run_all, values};

const BF16: PlanOptions = PlanOptions { expected_rows: 0, checked: true, dtype: Dtype::Bf16 };

fn executors() -> impl Iterator<Item = HostExecutor<CpuKernels>> {
    Isa::available().map(|isa| HostExecutor::new(CpuKernels::with_isa(isa).unwrap()))
}

/// The one with kernels for it, if this machine has the instruction.
fn executor() -> Option<HostExecutor<CpuKernels>> {
    let found = executors().find(|executor| executor.stores(Dtype::Bf16));
    if found.is_none() {
        println!("NOT RUN: this machine has no AVX512-BF16");
    }
    found
}

#[test]
fn every_case_equals_the_reference() {
    let Some(executor) = executor() else { return };
    run_all(&cases::rounded(), |case| {
        let program = Arc::new(case.program());
        let outputs = case.outputs(&program);
        let plan = executor.plan(program.clone(), BF16).map_err(|e| e.to_string())?;
        let actual = plan.run_now(&case.batch(), &outputs).map_err(|e| e.to_string())?;
        for ((actual, expected), id) in actual.iter().zip(case.expected()).zip(outputs) {
            let shape = case.output_shape(&program, id);
            compare(actual, &expected, &shape, case.tolerance).map_err(|e| e.to_string())?;
        }
        Ok(())
    });
}

/// What takes rows of any number through one layer.
fn plan(executor: &HostExecutor<CpuKernels>, op: Gemm, dtype: Dtype) -> HostPlan<CpuKernels> {
    let Gemm { k, n, .. } = op;
    let mut program = Program::new();
    let x = program.input("x", k);
    let weight = Tensor::new(&[n, k], values(1, n * k, 3.0 / (k as f32).sqrt()));
    let weight = program.weight("weight", weight);
    let bias = program.weight("bias", Tensor::new(&[n], values(2, n, 1.0)));
    let y = program.activation("y", Rows::Tokens, n);
    program.push(op, Rows::Tokens, &[x, weight, bias, y]).unwrap();
    program.output("y", y);
    executor.plan(Arc::new(program), PlanOptions { dtype, ..BF16 }).unwrap()
}

fn run(plan: &HostPlan<CpuKernels>, x: &[f32], rows: usize) -> Vec<f32> {
    let mut batch = Batch::new();
    batch.push_rows(rows, &[x]).unwrap();
    plan.run_now(&batch, &[OutputId(0)]).unwrap().remove(0)
}

#[test]
fn a_row_alone_gives_the_same_bits_as_in_a_batch() {
    let Some(executor) = executor() else { return };
    // A depth that is no whole number of pairs, and more rows than a task has.
    let (k, n, rows) = (385, 200, 377);
    let x = values(3, rows * k, 1.0);
    let plan = plan(&executor, Gemm::linear(k, n), Dtype::Bf16);
    let all = run(&plan, &x, rows);
    assert!(all.iter().all(|v| v.is_finite()));
    for row in [0, 1, 8, 40, 170, 171, rows - 1] {
        assert_eq!(run(&plan, &x[row * k..][..k], 1), all[row * n..][..n], "row {row}");
    }
}

/// Half a step of each factor, times the other's magnitudes, is what rounding may do at most; as errors cancel, it does a
/// tenth of that.
#[test]
fn bf16_is_near_f32() {
    let Some(executor) = executor() else { return };
    let (k, n, rows) = (384, 96, 33);
    let x = values(3, rows * k, 1.0);
    let largest = |values: &[f32]| values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let bound = k as f32 * largest(&values(1, n * k, 3.0 / (k as f32).sqrt())) * largest(&x) / 256.0;
    let [bf16, f32] =
        [Dtype::Bf16, Dtype::F32].map(|dtype| run(&plan(&executor, Gemm::linear(k, n), dtype), &x, rows));
    compare(&bf16, &f32, &[rows, n], Tolerance::Abs(0.1 * bound)).unwrap();
    assert!(compare(&bf16, &f32, &[rows, n], Tolerance::OP_F32).is_err(), "nothing was rounded");
}

#[test]
fn a_row_with_a_value_that_is_no_number_gives_none() {
    let Some(executor) = executor() else { return };
    let (k, n) = (67, 20);
    let plan = plan(&executor, Gemm::linear(k, n), Dtype::Bf16);
    for (at, bad) in [(0, f32::NAN), (66, f32::NAN), (13, f32::INFINITY), (65, f32::NEG_INFINITY)] {
        let mut x = values(3, 3 * k, 1.0);
        x[k + at] = bad;
        let y = run(&plan, &x, 3);
        assert!(y[n..2 * n].iter().all(|v| !v.is_finite()), "{bad} at {at}");
        assert!(y[..n].iter().chain(&y[2 * n..]).all(|v| v.is_finite()), "{bad} at {at}");
    }
}

#[test]
fn a_plan_holds_half_of_the_bytes_and_says_what_it_is() {
    let Some(executor) = executor() else { return };
    let bytes = |dtype| plan(&executor, Gemm::linear(384, 1536), dtype).packed_bytes();
    assert_eq!((bytes(Dtype::F32), bytes(Dtype::Bf16)), (4 * 384 * 1536, 2 * 384 * 1536));
    let device = executor.device_for(Dtype::Bf16);
    assert_eq!((device.dtype, &*device.kernels), ("bf16", "bf16 avx512"));
}

#[test]
fn kernels_without_the_instruction_refuse() {
    let others: Vec<_> = executors().filter(|executor| !executor.stores(Dtype::Bf16)).collect();
    assert!(!others.is_empty(), "the scalar kernels have none");
    for executor in others {
        let error =
            executor.plan(Arc::new(cases::rounded()[0].program()), BF16).err().expect("it is refused");
        assert!(matches!(error, ExecutorError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains("AVX512-BF16"), "{error}");
    }
}
