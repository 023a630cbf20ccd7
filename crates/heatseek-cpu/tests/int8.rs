//! int8 on every instruction of this machine: against a reference that quantises in the same way, whatever runs beside
//! it, and against f32.

use std::sync::Arc;

use heatseek_cpu::{CpuKernels, Int8Isa};
use heatseek_ops::{Batch, Dtype, Gemm, HostExecutor, HostPlan, PlanOptions, Program, Rows, Tensor, cases};
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

/// A linear layer over the rows that a batch brings.
fn linear(executor: &HostExecutor<CpuKernels>, k: usize, n: usize, dtype: Dtype) -> HostPlan<CpuKernels> {
    let mut program = Program::new();
    let x = program.input("x", k);
    let weight = program.weight("weight", Tensor::new(&[n, k], values(1, n * k, 1.0 / (k as f32).sqrt())));
    let bias = program.weight("bias", Tensor::new(&[n], values(2, n, 1.0)));
    let y = program.activation("y", Rows::Tokens, n);
    program.push(Gemm::linear(k, n), Rows::Tokens, &[x, weight, bias, y]).unwrap();
    program.output("y", y);
    executor.plan(Arc::new(program), PlanOptions { dtype, ..INT8 }).unwrap()
}
