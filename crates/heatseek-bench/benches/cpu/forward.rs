//! Whole models: from token ids or pixels to one vector each.

use std::path::Path;
use std::sync::Arc;

use heatseek_cpu::CpuKernels;
use heatseek_model::{ModelFiles, Norm, TextModel, VisionModel};
use heatseek_ops::{Batch, HostExecutor, POOLED, PlanOptions, Program, ReferenceExecutor};

use crate::{Case, Outcome, compare};

/// What a vector may differ from the reference by, of its largest element.
const CLOSE: f32 = 1e-3;
/// Side of the pictures.
const SIDE: usize = 224;

/// A query, and texts of usual lengths.
pub fn text(kernels: CpuKernels, folder: &Path) -> Outcome<Vec<Case<'static>>> {
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
    cases("MiniLM", kernels, model.program(Norm::Folded)?, batches?)
}

/// One picture, and four.
pub fn vision(kernels: CpuKernels, folder: &Path) -> Outcome<Vec<Case<'static>>> {
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
    cases("DINOv2-small", kernels, model.program(Norm::Folded)?, batches)
}

/// Cases of batches, each compared with the reference on the sequences that it begins with.
fn cases(
    model: &str,
    kernels: CpuKernels,
    program: Program,
    batches: Vec<(String, Batch, Batch)>,
) -> Outcome<Vec<Case<'static>>> {
    let program = Arc::new(program);
    let pooled = [program.output_named(POOLED)?];
    let plan = Arc::new(HostExecutor::new(kernels).plan(program.clone(), PlanOptions::default())?);
    let reference = HostExecutor::new(ReferenceExecutor).plan(program.clone(), PlanOptions::default())?;
    let mut cases = Vec::new();
    for (name, batch, first) in batches {
        let name = format!("{model}, {name}");
        let (actual, expected) = (plan.run_now(&batch, &pooled)?, reference.run_now(&first, &pooled)?);
        compare(&name, &actual[0][..expected[0].len().min(actual[0].len())], &expected[0], CLOSE)?;
        let (plan, flops) = (plan.clone(), program.flops(&batch));
        let run = move || Ok(plan.run_now(&batch, &pooled).map(drop)?);
        cases.push(Case { name, flops, run: Box::new(run) });
    }
    Ok(cases)
}
