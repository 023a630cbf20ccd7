//! What a model does when its device computes wrong numbers, is lost, or folds LayerNorm badly.

use std::cell::Cell;
use std::rc::Rc;

use heatseek::{DtypeChoice, EmbedOptions, Hook, LoadOptions, Model, ModelFiles, NoControl};
use heatseek_ops::Dtype;
use heatseek_testkit::{Tolerance, compare, cosine};

use crate::{Mutation, Report};

/// Loads a model onto a GPU whose kernels are spoiled by `mutation`: the self-check must see it, say so
/// with the adapter's name, and answer from the CPU.
///
/// # Errors
/// If a model cannot be loaded at all.
pub async fn check_wrong_gpu(
    files: &dyn Fn() -> ModelFiles,
    options: &LoadOptions,
    mutation: &'static Mutation,
) -> Result<Report, heatseek::Error> {
    let mut report = Report::default();
    let dtype = if options.dtype == DtypeChoice::Int8 { Dtype::Int8 } else { Dtype::F32 };
    let spoiled = LoadOptions {
        source_transform: Some(Rc::new(move |kernel, source| mutation.apply(dtype, kernel.name, source))),
        ..options.clone()
    };
    let honest = Model::load(files(), options.clone(), &NoControl).await?;
    let wrong = Model::load(files(), spoiled, &NoControl).await?;
    let device = wrong.info().device;
    let fallback = device.fallback.unwrap_or_default();
    let adapter = honest.info().device.name;
    let told = device.kind == "cpu" && fallback.contains(&adapter) && fallback.contains("wrong numbers");
    report.check(
        "falls back loudly",
        match told {
            true => Ok(()),
            false => {
                Err(format!("{} with a wrong kernel runs on {}: {fallback:?}", mutation.name, device.kind))
            }
        },
    );
    let texts = ["a wrong kernel must not be believed"];
    let expected = honest.embed(&texts, &EmbedOptions::default(), &NoControl).await?;
    let actual = wrong.embed(&texts, &EmbedOptions::default(), &NoControl).await?;
    let same = match dtype {
        // The CPU has other integers.
        Dtype::Int8 => match cosine(&actual.data, &expected.data) {
            cosine if cosine >= 0.99 => Ok(()),
            cosine => Err(format!("a cosine of {cosine} to the right vector")),
        },
        _ => compare(&actual.data, &expected.data, &actual.shape, Tolerance::BACKENDS)
            .map(|_| ())
            .map_err(|e| e.to_string()),
    };
    report.check("still right", same);
    Ok(report)
}

/// Loses the device before and again between batches: every text is answered all the same.
///
/// # Errors
/// If the model cannot be loaded.
pub async fn check_lost_device(files: ModelFiles, options: LoadOptions) -> Result<Report, heatseek::Error> {
    let mut report = Report::default();
    let first = kind(&options);
    let asked = Rc::new(Cell::new(0));
    let asking = asked.clone();
    let before_fallback: Hook = Rc::new(move || {
        asking.set(asking.get() + 1);
        Box::pin(std::future::ready(()))
    });
    let options = LoadOptions { before_fallback: Some(before_fallback), ..options };
    let model = Model::load(files, options, &NoControl).await?;
    let texts: Vec<String> =
        (0..40).map(|i| format!("text number {i} of a batch that loses its device")).collect();
    let expected = model.embed(&texts, &EmbedOptions::default(), &NoControl).await?;
    for (name, kind, threads) in [("first loss recovers", first, 0), ("second loss falls back", "cpu", 1)] {
        model.lose_device();
        let actual = model.embed(&texts, &EmbedOptions::default(), &NoControl).await?;
        let same = compare(&actual.data, &expected.data, &actual.shape, Tolerance::BACKENDS);
        report.check(name, same.map(|_| ()).map_err(|e| e.to_string()));
        let device = model.info().device;
        report.check(
            &format!("{name}: where"),
            match device.kind == kind {
                true => Ok(()),
                false => Err(format!("runs on {} instead of {kind}: {:?}", device.kind, device.fallback)),
            },
        );
        report.check(
            &format!("{name}: threads"),
            match asked.get() == threads {
                true => Ok(()),
                false => Err(format!("they were asked for {} times, not {threads}", asked.get())),
            },
        );
    }
    Ok(report)
}

/// Loads a harmless model and one with planted outliers: the first must fold its LayerNorms, the second
/// must not, and both must agree with the CPU.
///
/// # Errors
/// If a model cannot be loaded.
pub async fn check_norm_choice(
    harmless: &dyn Fn() -> ModelFiles,
    outliers: &dyn Fn() -> ModelFiles,
    options: &LoadOptions,
) -> Result<Report, heatseek::Error> {
    let mut report = Report::default();
    let cpu = LoadOptions { device: heatseek::DeviceChoice::Cpu, adapter: None, ..options.clone() };
    for (name, files, expected) in [("harmless", harmless, "folded"), ("outliers", outliers, "plain")] {
        let model = Model::load(files(), options.clone(), &NoControl).await?;
        let device = model.info().device;
        let right = device.kind == kind(options) && device.kernels.contains(expected);
        report.check(
            name,
            match right {
                true => Ok(()),
                false => Err(format!(
                    "{} on {} instead of {expected}: {:?}",
                    device.kernels, device.kind, device.fallback
                )),
            },
        );
        let truth = Model::load(files(), cpu.clone(), &NoControl).await?;
        let texts = ["an outlier", "channel must not drown the others"];
        let actual = model.embed(&texts, &EmbedOptions::default(), &NoControl).await?;
        let truth = truth.embed(&texts, &EmbedOptions::default(), &NoControl).await?;
        let same = compare(&actual.data, &truth.data, &truth.shape, Tolerance::Abs(1e-4));
        report.check(&format!("{name} agrees"), same.map(|_| ()).map_err(|e| e.to_string()));
    }
    Ok(report)
}

/// What a report says of the GPU that `options` ask for.
fn kind(options: &LoadOptions) -> &'static str {
    match options.device {
        #[cfg(not(target_arch = "wasm32"))]
        heatseek::DeviceChoice::Cuda => "cuda",
        _ => "gpu",
    }
}
