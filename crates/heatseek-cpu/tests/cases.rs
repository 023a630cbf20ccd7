//! Every op case on the CPU kernels against the reference, in checked runs.

use std::sync::Arc;

use heatseek_cpu::{CpuKernels, Isa};
use heatseek_ops::{ExecutorError, HostExecutor, OutputId, PlanOptions, cases};
use heatseek_testkit::{compare, run_all};

#[test]
fn every_case_equals_the_reference_on_every_instruction_set() {
    for isa in Isa::available() {
        every_case_equals_the_reference_on(isa);
    }
}

fn every_case_equals_the_reference_on(isa: Isa) {
    println!("on {isa}");
    let executor = HostExecutor::new(CpuKernels::with_isa(isa).unwrap());
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
