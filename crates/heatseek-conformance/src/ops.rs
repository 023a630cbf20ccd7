//! Every op case against the reference.

use std::sync::Arc;

use heatseek_ops::cases::{self, Case};
use heatseek_ops::{Dtype, Executor, PlanOptions};
use heatseek_testkit::compare;

use crate::Report;

/// Runs every case of every op, checked, and compares it with the reference; those of int8 too where the device has it.
pub async fn check_ops(executor: &dyn Executor) -> Report {
    let mut report = Report::default();
    for case in cases::all() {
        report.check(&case.name.clone(), check_case(executor, &case, Dtype::F32).await);
    }
    if executor.stores(Dtype::Int8) {
        for case in cases::quantized() {
            report.check(&case.name.clone(), check_case(executor, &case, Dtype::Int8).await);
        }
    }
    report
}

/// Runs one case in a plan of `dtype`.
pub(crate) async fn check_case(executor: &dyn Executor, case: &Case, dtype: Dtype) -> Result<(), String> {
    let program = Arc::new(case.program());
    let outputs = case.outputs(&program);
    let options = PlanOptions { checked: true, dtype, ..PlanOptions::default() };
    let plan = executor.prepare(program.clone(), options).await.map_err(|e| e.to_string())?;
    let batch = case.batch();
    let actual = plan.run(&batch, &outputs).await.map_err(|e| e.to_string())?;
    for ((actual, expected), id) in actual.iter().zip(case.expected_in(executor.row_bits())).zip(outputs) {
        let shape = case.output_shape(&program, id);
        compare(actual, &expected, &shape, case.tolerance).map_err(|e| e.to_string())?;
    }
    Ok(())
}
