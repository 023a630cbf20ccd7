//! Every op case against the reference.

use std::sync::Arc;

use heatseek_ops::cases::{self, Case};
use heatseek_ops::{Executor, PlanOptions};
use heatseek_testkit::compare;

use crate::Report;

/// Runs every case of every op, checked, and compares it with the reference.
pub async fn check_ops(executor: &dyn Executor) -> Report {
    let mut report = Report::default();
    for case in cases::all() {
        report.check(&case.name.clone(), check_case(executor, &case).await);
    }
    report
}

/// Runs one case.
pub(crate) async fn check_case(executor: &dyn Executor, case: &Case) -> Result<(), String> {
    let program = Arc::new(case.program());
    let outputs = case.outputs(&program);
    let options = PlanOptions { checked: true, ..PlanOptions::default() };
    let plan = executor.prepare(program.clone(), options).await.map_err(|e| e.to_string())?;
    let batch = case.batch();
    let actual = plan.run(&batch, &outputs).await.map_err(|e| e.to_string())?;
    for ((actual, expected), id) in actual.iter().zip(case.expected()).zip(outputs) {
        let shape = case.output_shape(&program, id);
        compare(actual, &expected, &shape, case.tolerance).map_err(|e| e.to_string())?;
    }
    Ok(())
}
