//! Whole models: from token ids or pixels to one vector each.

use std::path::Path;
use std::sync::Arc;

use heatseek_cpu::CpuKernels;
use heatseek_model::{ModelFiles, Norm, TextModel, VisionModel};
use heatseek_ops::{Batch, Dtype, HostExecutor, POOLED, PlanOptions, Program, ReferenceExecutor};

use crate::{Case, Outcome, compare};

/// What a vector may differ from the reference by, of its largest element.
const CLOSE: f32 = 1e-3;
/// The least cosine to the reference of a vector of int8.
const LEAST_COSINE: f64 = 0.99;
/// Side of the pictures.
const SIDE: usize = 224;

/// A query, and texts of usual lengths.
pub fn text(kernels: CpuKernels, dtype: Dtype, folder: &Path) -> Outcome<Vec<Case<'static>>> {
    let model = TextModel::load(&ModelFiles::from_dir(folder)?)?;
    let batch = |texts: usize, tokens: usize| -> Outcome<Batch> {
        let mut batch = Batch::new();
        for text in 0..texts {
            // Ids of words, all different.
            let ids: Vec<u32> =
                (0..tokens).map(|at| 1000 + ((at * 613 + text * 379) % 20_000) as u32).collect();
            model.push_sequence(&mut batch, &ids, &vec![0; tokens])?;
        }
        Ok(batch)
    };
    let all = [(1, 12), (32, 32), (8, 128), (2, 256)];
    let batches: Outcome<Vec<_>> = all
        .into_iter()
        .map(|(texts, tokens)| {
            let first = if texts * tokens <= 256 { texts } else { 1 };
            Ok((format!("{texts} x {tokens} tokens"), batch(texts, tokens)?, batch(first, tokens)?))
        })
        .collect();
    cases("MiniLM", (kernels, dtype), model.program(Norm::Folded)?, batches?)
}

/// One picture, and four.
pub fn vision(kernels: CpuKernels, dtype: Dtype, folder: &Path) -> Outcome<Vec<Case<'static>>> {
    let model = VisionModel::load(&ModelFiles::from_dir(folder)?)?;
    let batch = |pictures: usize| -> Outcome<Batch> {
        let mut batch = Batch::new();
        for picture in 0..pictures {
            let value = |i: usize| ((i * 379 + picture * 7919) % 1009) as f32 / 252.25 - 2.0;
            let pixels: Vec<f32> = (0..3 * SIDE * SIDE).map(value).collect();
            model.push_picture(&mut batch, SIDE, SIDE, &pixels)?;
        }
        Ok(batch)
    };
    let batches =
        vec![("1 picture".to_owned(), batch(1)?, batch(1)?), ("4 pictures".to_owned(), batch(4)?, batch(1)?)];
    cases("DINOv2-small", (kernels, dtype), model.program(Norm::Folded)?, batches)
}

/// Cases of batches, each compared with the reference on the sequences that it begins with.
fn cases(
    model: &str,
    (kernels, dtype): (CpuKernels, Dtype),
    program: Program,
    batches: Vec<(String, Batch, Batch)>,
) -> Outcome<Vec<Case<'static>>> {
    let program = Arc::new(program);
    let pooled = [program.output_named(POOLED)?];
    let plan = Arc::new(
        HostExecutor::new(kernels).plan(program.clone(), PlanOptions { dtype, ..PlanOptions::default() })?,
    );
    let reference = HostExecutor::new(ReferenceExecutor).plan(program.clone(), PlanOptions::default())?;
    let mut cases = Vec::new();
    for (name, batch, first) in batches {
        let name = format!("{model}, {name}");
        let (actual, expected) = (plan.run_now(&batch, &pooled)?, reference.run_now(&first, &pooled)?);
        let (actual, expected) = (&actual[0][..expected[0].len().min(actual[0].len())], &expected[0]);
        match dtype {
            Dtype::Bf16 | Dtype::Int8 => point_alike(&name, actual, expected, first.sequences().len())?,
            Dtype::F32 | Dtype::F16 => compare(&name, actual, expected, CLOSE)?,
        }
        let (plan, flops) = (plan.clone(), program.flops(&batch));
        let run = move || Ok(plan.run_now(&batch, &pooled).map(drop)?);
        cases.push(Case { name, flops, run: Box::new(run) });
    }
    Ok(cases)
}

/// Fails unless each of `count` vectors points where the expected one does.
fn point_alike(name: &str, actual: &[f32], expected: &[f32], count: usize) -> Outcome<()> {
    let width = (expected.len() / count.max(1)).max(1);
    for (a, e) in actual.chunks(width).zip(expected.chunks(width)) {
        let sum = |f: fn(f64, f64) -> f64| -> f64 {
            a.iter().zip(e).map(|(&a, &e)| f(f64::from(a), f64::from(e))).sum()
        };
        let cosine = sum(|a, e| a * e) / (sum(|a, _| a * a) * sum(|_, e| e * e)).sqrt();
        if !(cosine >= LEAST_COSINE) {
            return Err(format!("{name} has a cosine of {cosine} to the reference; nothing was timed").into());
        }
    }
    Ok(())
}
