//! f16 storage against f32 on the same device, of a whole model.

use std::sync::Arc;

use heatseek_model::Norm;
use heatseek_model::synthetic::SyntheticBert;
use heatseek_ops::{Batch, Dtype, Executor, HIDDEN, HeadFusion, OutputId, POOLED, PlanOptions, Program};
use heatseek_testkit::{Tolerance, compare, cosine};

use crate::Report;

/// The design's bar for pooled vectors, f16 against f32.
const MIN_COSINE: f64 = 0.9999;

/// For single values between layers and in maps: a handful of roundings of 2⁻¹¹ of values of about 1.
const VALUES: Tolerance = Tolerance::RelAbs { rel: 1e-2, abs: 1e-2 };

/// Checks a random model of all-MiniLM-L6-v2's shape, with LayerNorm folded and not: pooled vectors, and what is
/// captured on the way.
pub async fn check_halves(executor: &dyn Executor) -> Report {
    let mut report = Report::default();
    let synthetic = SyntheticBert {
        hidden_size: 384,
        num_attention_heads: 12,
        num_hidden_layers: 6,
        intermediate_size: 1536,
        seed: 5,
        ..SyntheticBert::default()
    };
    let model = match synthetic.model() {
        Ok(model) => model,
        Err(error) => {
            report.check("model", Err(error.to_string()));
            return report;
        }
    };
    let names = [
        POOLED.to_owned(),
        HIDDEN.to_owned(),
        model.hidden_output(3),
        model.qkv_output(2),
        model.attention_output(2, HeadFusion::Each),
    ];
    for norm in [Norm::Folded, Norm::Plain] {
        let outcome = async {
            let program = Arc::new(model.program(norm).map_err(|e| e.to_string())?);
            let outputs = names.iter().map(|name| program.output_named(name)).collect::<Result<Vec<_>, _>>();
            let outputs = outputs.map_err(|e| e.to_string())?;
            let batch = batch(synthetic.vocab_size as u32);
            let exact = run(executor, &program, Dtype::F32, &batch, &outputs).await?;
            let halves = run(executor, &program, Dtype::F16, &batch, &outputs).await?;
            judge(&halves, &exact, &names, synthetic.hidden_size)
        };
        report.check(&format!("f16 against f32, {norm:?}"), outcome.await);
    }
    report
}

/// Rows of every class of tiles of a software adapter, and a sequence of one token.
fn batch(vocabulary: u32) -> Batch {
    let mut batch = Batch::new();
    for length in [5, 30, 1, 17] {
        let ids: Vec<u32> = (0..length).map(|i| (i * 7 + length) % vocabulary).collect();
        // Ids are below the vocabulary and there are as many types.
        let _ = batch.push(&ids, &vec![0; ids.len()], 0);
    }
    batch
}

async fn run(
    executor: &dyn Executor,
    program: &Arc<Program>,
    dtype: Dtype,
    batch: &Batch,
    outputs: &[OutputId],
) -> Result<Vec<Vec<f32>>, String> {
    let options = PlanOptions { checked: true, dtype, ..PlanOptions::default() };
    let plan = executor.prepare(program.clone(), options).await.map_err(|e| e.to_string())?;
    plan.run(batch, outputs).await.map_err(|e| e.to_string())
}

fn judge(halves: &[Vec<f32>], exact: &[Vec<f32>], names: &[String], width: usize) -> Result<(), String> {
    if halves[0] == exact[0] {
        return Err("f16 gives the same bits as f32: nothing was stored as f16".into());
    }
    for (row, (actual, expected)) in halves[0].chunks(width).zip(exact[0].chunks(width)).enumerate() {
        let cosine = cosine(actual, expected);
        if !(cosine >= MIN_COSINE) {
            return Err(format!("the vector of sequence {row} has a cosine of {cosine} to f32's"));
        }
    }
    for ((actual, expected), name) in halves.iter().zip(exact).zip(names).skip(1) {
        compare(actual, expected, &[expected.len()], VALUES).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}
