//! int8 on every instruction of this machine: against a reference that quantises in the same way, whatever runs beside
//! it, and against f32.

use std::sync::Arc;

use heatseek_cpu::{CpuKernels, Int8Isa};
use heatseek_ops::{
    Batch, Dtype, Executor, Gemm, HostExecutor, HostPlan, OutputId, PlanOptions, Program, Rows, Tensor, cases,
};
use heatseek_testkit::{Tolerance, compare, run_all, values};

const INT8: PlanOptions = PlanOptions { expected_rows: 0, checked: true, dtype: Dtype::Int8 };

fn executors() -> impl Iterator<Item = (Int8Isa, HostExecutor<CpuKernels>)> {
    Int8Isa::available().map(|isa| (isa, HostExecutor::new(CpuKernels::with_int8(isa).unwrap())))
}

#[test]
fn every_case_equals_the_reference() {
    for (isa, executor) in executors() {
        run_all(&cases::quantized(), |case| {
            let program = Arc::new(case.program());
            let outputs = case.outputs(&program);
            let plan = executor.plan(program.clone(), INT8).map_err(|e| e.to_string())?;
            let actual = plan.run_now(&case.batch(), &outputs).map_err(|e| e.to_string())?;
            for ((actual, expected), id) in actual.iter().zip(case.expected()).zip(outputs) {
                let shape = case.output_shape(&program, id);
                compare(actual, &expected, &shape, case.tolerance).map_err(|e| format!("{isa}: {e}"))?;
            }
            Ok(())
        });
    }
}

/// What takes rows of any number through one layer.
fn plan(executor: &HostExecutor<CpuKernels>, op: Gemm, dtype: Dtype) -> HostPlan<CpuKernels> {
    let Gemm { k, n, norm_in, .. } = op;
    let mut program = Program::new();
    let mut ids = vec![
        program.input("x", k),
        program.weight("weight", Tensor::new(&[n, k], values(1, n * k, 3.0 / (k as f32).sqrt()))),
        program.weight("bias", Tensor::new(&[n], values(2, n, 1.0))),
    ];
    // int8 has its own sums of the weight: these, which are wrong, are not what it takes.
    ids.extend(norm_in.map(|_| program.weight("colsum", Tensor::new(&[n], vec![1e3; n]))));
    let y = program.activation("y", Rows::Tokens, n);
    ids.push(y);
    ids.extend(norm_in.map(|_| program.activation("stats", Rows::Tokens, 2)));
    program.push(op, Rows::Tokens, &ids).unwrap();
    program.output("y", y);
    executor.plan(Arc::new(program), PlanOptions { dtype, ..INT8 }).unwrap()
}

fn run(plan: &HostPlan<CpuKernels>, x: &[f32], rows: usize) -> Vec<f32> {
    let mut batch = Batch::new();
    batch.push_rows(rows, &[x]).unwrap();
    plan.run_now(&batch, &[OutputId(0)]).unwrap().remove(0)
}

#[test]
fn a_row_alone_gives_the_same_bits_as_in_a_batch() {
    let (k, n, rows) = (384, 200, 77);
    let x = values(3, rows * k, 1.0);
    for (isa, executor) in executors() {
        let plan = plan(&executor, Gemm { norm_in: Some(1e-12), ..Gemm::linear(k, n) }, Dtype::Int8);
        let all = run(&plan, &x, rows);
        assert!(all.iter().all(|v| v.is_finite()));
        for row in [0, 1, 8, 40, rows - 1] {
            let alone = run(&plan, &x[row * k..][..k], 1);
            assert_eq!(alone, all[row * n..][..n], "{isa}: row {row}");
        }
    }
}

/// Half a step of each factor, times the other's magnitudes: what rounding may do at most, and a tenth of it is what it
/// does, as errors cancel.
#[test]
fn int8_is_near_f32() {
    let (k, n, rows) = (384, 96, 33);
    let x = values(3, rows * k, 1.0);
    let largest = |values: &[f32]| values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let weight = largest(&values(1, n * k, 3.0 / (k as f32).sqrt()));
    let bound = k as f32 * (weight * largest(&x) / 255.0 + largest(&x) * weight / 254.0);
    for (isa, executor) in executors() {
        let [int8, f32] =
            [Dtype::Int8, Dtype::F32].map(|dtype| run(&plan(&executor, Gemm::linear(k, n), dtype), &x, rows));
        compare(&int8, &f32, &[rows, n], Tolerance::Abs(0.1 * bound))
            .map_err(|e| format!("{isa}: {e}"))
            .unwrap();
        assert_ne!(int8, f32, "{isa}");
    }
}

#[test]
fn a_row_with_a_value_that_is_no_number_gives_none() {
    let (k, n) = (68, 20);
    for (isa, executor) in executors() {
        let plan = plan(&executor, Gemm::linear(k, n), Dtype::Int8);
        for (at, bad) in [(0, f32::NAN), (67, f32::NAN), (13, f32::INFINITY), (66, f32::NEG_INFINITY)] {
            let mut x = values(3, 3 * k, 1.0);
            x[k + at] = bad;
            let y = run(&plan, &x, 3);
            assert!(y[n..2 * n].iter().all(|v| !v.is_finite()), "{isa}: {bad} at {at}");
            assert!(y[..n].iter().chain(&y[2 * n..]).all(|v| v.is_finite()), "{isa}: {bad} at {at}");
        }
    }
}

#[test]
fn a_plan_holds_a_quarter_of_the_bytes() {
    for (isa, executor) in executors() {
        let [int8, f32] = [Dtype::Int8, Dtype::F32]
            .map(|dtype| plan(&executor, Gemm::linear(384, 1536), dtype).packed_bytes());
        assert_eq!(f32, 4 * 384 * 1536, "{isa}");
        // A byte an element, and twelve for each column.
        assert_eq!(int8, 384 * 1536 + 12 * 1536, "{isa}");
    }
}

#[test]
fn a_plan_says_what_it_is() {
    for (isa, executor) in executors() {
        let device = executor.device_for(Dtype::Int8);
        assert_eq!((device.dtype, device.kernels), ("int8", format!("int8 {isa}")));
        assert!(executor.stores(Dtype::Int8) && !executor.stores(Dtype::F16));
    }
}
