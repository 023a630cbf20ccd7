//! Models in int8 against PyTorch's f32: quantising costs something, and only so much.

use heatseek::{DtypeChoice, LoadOptions, Model, ModelFiles, NoControl};
use heatseek_testkit::cosine;

use crate::{Golden, Report};

/// Loads the model in int8 and compares the vector of every case with PyTorch's: a cosine of `least`.
///
/// # Errors
/// If the model cannot be loaded.
pub async fn check_int8_golden(
    files: ModelFiles,
    golden: &Golden,
    options: LoadOptions,
    least: f64,
) -> Result<Report, heatseek::Error> {
    let options = LoadOptions { dtype: DtypeChoice::Int8, ..options };
    let model = Model::load(files, options, &NoControl).await?;
    let mut report = Report::default();
    let device = model.info().device;
    let stored = match &device.fallback {
        Some(fallback) => Err(format!("fell back: {fallback}")),
        None if device.dtype != "int8" => Err(format!("stored as {}", device.dtype)),
        None => Ok(()),
    };
    report.check("device", stored);
    report.figures.push(format!("ran on {} ({}, {})", device.name, device.backend, device.kernels));
    let mut worst = 1.0f64;
    for case in &golden.cases {
        let result = model.embed(&[&case.text], &case.options, &NoControl).await?;
        let cosine = cosine(result.row(0), &case.pooled);
        worst = worst.min(cosine);
        // Written so that a NaN fails, too.
        let near = cosine >= least;
        report.check(&case.name, if near { Ok(()) } else { Err(format!("pooled cosine {cosine:.6}")) });
    }
    report.figures.push(format!("worst cosine {worst:.6}"));
    Ok(report)
}
