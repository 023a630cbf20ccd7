//! Every op case against the reference.

use std::sync::Arc;

use heatseek_ops::cases::{self, Case};
use heatseek_ops::{DeviceKind, Dtype, Executor, PlanOptions};
use heatseek_testkit::compare;
use heatseek_wgsl::{Target, select};

use crate::Report;

/// Of the cases in int8, how many SwiftShader has one of: it compiles each for seconds.
const SWIFTSHADERS_SHARE: usize = 7;

/// Runs every case of every op, checked, and compares it with the reference; those in bf16 and int8 too, if it stores
/// that.
pub async fn check_ops(executor: &dyn Executor) -> Report {
    let mut report = Report::default();
    for case in cases::all() {
        report.check(&case.name.clone(), check_case(executor, &case, Dtype::F32).await);
    }
    if executor.stores(Dtype::Bf16) {
        for case in cases::rounded() {
            report.check(&case.name.clone(), check_case(executor, &case, Dtype::Bf16).await);
        }
    }
    if executor.stores(Dtype::Int8) {
        let device = executor.device();
        let software = device.name.to_lowercase().contains("swiftshader");
        let every = if software { SWIFTSHADERS_SHARE } else { 1 };
        for case in int8_cases(device.kind).into_iter().step_by(every) {
            report.check(&case.name.clone(), check_case(executor, &case, Dtype::Int8).await);
        }
    }
    report
}

/// Of a software adapter with the kernels that GPUs take: the cases for which those are others than its own. What it runs
/// alike either way is in [`check_ops`] of the adapter as it is.
pub async fn check_staged_ops(executor: &dyn Executor) -> Report {
    let mut report = Report::default();
    for case in cases::all().iter().filter(|case| is_staged(case)) {
        report.check(&case.name, check_case(executor, case, Dtype::F32).await);
    }
    report
}

/// Whether software with the kernels of GPUs runs another kernel for `case`, stored as f32.
fn is_staged(case: &Case) -> bool {
    let (program, batch) = (case.program(), case.batch());
    let own = Target::default();
    let kernels = |target: &Target| -> Vec<_> {
        let steps = program.steps().iter();
        steps.map(|step| select(&step.op, target.row_class(step.rows.count(&batch)), target, &[])).collect()
    };
    kernels(&own) != kernels(&own.staged())
}

/// The cases in int8 as such a device quantises rows.
fn int8_cases(device: DeviceKind) -> Vec<Case> {
    match device {
        DeviceKind::Reference | DeviceKind::Cpu => cases::quantized(),
        DeviceKind::Gpu | DeviceKind::Cuda => cases::quantized_in_blocks(),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A table that is empty or whole would be no choice: all GEMMs and attention are staged, and nothing else.
    #[test]
    fn what_is_staged_is_gemms_and_attention() {
        let all = cases::all();
        let (staged, alike): (Vec<_>, Vec<_>) = all.iter().partition(|case| is_staged(case));
        let staged_ops: BTreeSet<_> = staged.iter().map(|case| case.op.name()).collect();
        assert_eq!(staged_ops, BTreeSet::from(["attention", "gemm"]));
        for case in alike {
            assert!(!staged_ops.contains(case.op.name()), "{} is not staged", case.name);
        }
    }
}
