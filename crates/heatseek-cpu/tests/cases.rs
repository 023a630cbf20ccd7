//! Every op case on the CPU kernels against the reference, in checked runs.

use std::sync::Arc;

use heatseek_cpu::{CpuKernels, Isa};
use heatseek_ops::{
    Batch, ExecutorError, Gemm, HostExecutor, OutputId, PlanOptions, Program, Rows, Tensor, cases,
};
use heatseek_testkit::{compare, run_all, values};

#[test]
fn every_case_equals_the_reference_on_every_instruction_set() {
    for isa in Isa::available() {
        println!("on {isa}");
        let kernels = CpuKernels::with_isa(isa).unwrap();
        every_case_equals_the_reference_with(kernels);
        println!("on {isa}, without weights laid out ahead");
        every_case_equals_the_reference_with(kernels.for_one_run());
    }
}

fn every_case_equals_the_reference_with(kernels: CpuKernels) {
    let executor = HostExecutor::new(kernels);
    run_all(&cases::all(), |case| {
        let program = Arc::new(case.program());
        let outputs = case.outputs(&program);
        let options = PlanOptions { checked: true, ..PlanOptions::default() };
        let plan = executor.plan(program.clone(), options).map_err(|e| e.to_string())?;
        let actual = plan.run_now(&case.batch(), &outputs).map_err(|e| e.to_string())?;
        for ((actual, expected), id) in actual.iter().zip(case.expected()).zip(outputs) {
            let shape = case.output_shape(&program, id);
            compare(actual, &expected, &shape, case.tolerance).map_err(|e| e.to_string())?;
        }
        Ok(())
    });
}

#[test]
fn an_output_that_the_program_lacks_is_refused() {
    let case = cases::all().remove(0);
    let program = Arc::new(case.program());
    let plan = heatseek_cpu::executor().plan(program.clone(), PlanOptions::default()).unwrap();
    let lacking = OutputId(program.outputs().len());
    let error = plan.run_now(&case.batch(), &[lacking]).unwrap_err();
    assert!(matches!(error, ExecutorError::Invalid { .. }), "{error}");
}

/// A weight of many panels, of which few are laid out at a time: the same bits, and no memory but for the run.
#[test]
fn weights_that_are_laid_out_when_they_are_met_give_the_same_bits() {
    for (n, k, rows) in [(1536, 384, 27), (384, 1536, 300), (50, 1537, 5), (3, 7, 1)] {
        let mut program = Program::new();
        let ids = [
            program.input("x", k),
            program.weight("weight", Tensor::new(&[n, k], values(1, n * k, 1.0))),
            program.weight("bias", Tensor::new(&[n], values(2, n, 1.0))),
            program.activation("y", Rows::Tokens, n),
        ];
        program.push(Gemm::linear(k, n), Rows::Tokens, &ids).unwrap();
        program.output("y", ids[3]);
        let program = Arc::new(program);
        let x = values(3, rows * k, 1.0);
        let mut batch = Batch::new();
        batch.push_rows(rows, &[&x]).unwrap();
        for isa in Isa::available() {
            let kernels = CpuKernels::with_isa(isa).unwrap();
            let [ahead, met] = [kernels, kernels.for_one_run()].map(|kernels| {
                let executor = HostExecutor::new(kernels);
                executor
                    .plan(program.clone(), PlanOptions { checked: true, ..PlanOptions::default() })
                    .unwrap()
            });
            assert_eq!((ahead.packed_bytes() > 0, met.packed_bytes()), (true, 0));
            let [ahead, met] = [ahead, met].map(|plan| plan.run_now(&batch, &[OutputId(0)]).unwrap());
            assert_eq!(ahead, met, "{isa}: [{n}, {k}], {rows} rows");
        }
    }
}
