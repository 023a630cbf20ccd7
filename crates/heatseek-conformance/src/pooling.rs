//! Poolers fused into a model's Program, against the same poolers on the hidden states that the device gives back.

use std::sync::Arc;

use heatseek_model::synthetic::SyntheticBert;
use heatseek_model::{Norm, append_pooler};
use heatseek_ops::{Batch, Executor, HIDDEN, OutputId, Plan, PlanOptions, Program};
use heatseek_pool::{DeviceForm, Params, Pooler, PoolerSpec, Sizes, States};
use heatseek_testkit::{Tolerance, compare, random, values};

use crate::Report;

/// Of the largest element of a vector: what an attention or a generalised mean in f32 is good to.
const BAR: f32 = 2e-5;

/// Of the largest element: the same sequence alone and among others.
const MATES: f32 = 2e-6;

/// Options beside the defaults, all without learned weights.
const SPECS: [&str; 13] = [
    "stats:set=min+max+std+mean",
    "gem:p=1.5",
    "gem:p=8",
    "gem:positive=signed",
    "mixed:a=0.1",
    "qkv_pool:query=cls,heads=2",
    "qkv_pool:query=last,scale=sqrt_width",
    "qkv_pool:query=mean,residual=true",
    "cls_mha:heads=1",
    "cls_mha:heads=12",
    "group_query:groups=1",
    "group_query:groups=3",
    "group_query:groups=12",
];

/// Poolers with weights: spec, and the tensors with their shapes, D of the model for 0.
type Learned = (&'static str, &'static [(&'static str, &'static [usize])]);

const LEARNED: [Learned; 4] = [
    ("gem", &[("p", &[12])]),
    (
        "qkv_pool:heads=4",
        &[
            ("query.weight", &[32, 0]),
            ("query.bias", &[32]),
            ("key.weight", &[32, 0]),
            ("value.weight", &[0, 0]),
            ("value.bias", &[0]),
            ("output.weight", &[0, 0]),
        ],
    ),
    ("group_query:groups=3", &[("query", &[3, 8])]),
    ("score_pool", &[("hidden.weight", &[16, 0]), ("hidden.bias", &[16]), ("score.weight", &[1, 16])]),
];

/// Lengths of the sequences of a batch, with the rows of each that do not count.
const SEQUENCES: [(usize, usize); 7] = [(5, 0), (1, 0), (32, 3), (0, 0), (2, 1), (31, 0), (17, 16)];

/// Checks every pooler that devices compute, on models of both kinds of LayerNorm: right, and the same whatever else
/// is in the batch.
pub async fn check_pooling(executor: &dyn Executor) -> Report {
    let mut report = Report::default();
    for norm in [Norm::Folded, Norm::Plain] {
        let outcome = Subject::new(executor, norm).await;
        match outcome {
            Ok(subject) => subject.check(&format!("{norm:?}"), &mut report).await,
            Err(why) => report.check(&format!("{norm:?}"), Err(why)),
        }
    }
    report
}

/// A pooler with its outputs: vectors as they are and of unit length, and the weights of tokens.
struct Appended {
    pooler: Pooler,
    outputs: [OutputId; 2],
    weights: Option<(OutputId, usize)>,
    width: usize,
}

struct Subject {
    plan: Box<dyn Plan>,
    hidden: OutputId,
    poolers: Vec<Appended>,
    sizes: Sizes,
    vocab_size: usize,
}

fn poolers(sizes: Sizes) -> Result<Vec<Pooler>, String> {
    let text = |e: heatseek_pool::PoolError| e.to_string();
    let mut all = Vec::new();
    // Those that need weights are below.
    for row in heatseek_pool::rows() {
        all.extend(Pooler::new(&PoolerSpec::named(row.name), None, sizes).ok());
    }
    for spec in SPECS {
        all.push(Pooler::new(&PoolerSpec::parse(spec).map_err(text)?, None, sizes).map_err(text)?);
    }
    for (seed, (spec, tensors)) in (500..).zip(LEARNED) {
        let tensor = |(seed, (name, shape)): (u64, &(&str, &[usize]))| {
            let extent = |n: &usize| if *n == 0 { sizes.hidden_size } else { *n };
            let shape: Vec<usize> = shape.iter().map(extent).collect();
            let scale = 1.0 / (shape.last().copied().unwrap_or(1) as f32).sqrt();
            let offset = if *name == "p" { 3.0 } else { 0.0 };
            let values = values(seed, shape.iter().product(), scale).into_iter().map(|v| v + offset);
            ((*name).to_owned(), shape, values.collect())
        };
        let params = Params::from_tensors((seed * 10..).zip(tensors).map(tensor).collect());
        all.push(Pooler::new(&PoolerSpec::parse(spec).map_err(text)?, Some(&params), sizes).map_err(text)?);
    }
    all.retain(|pooler| pooler.device_form().is_some());
    Ok(all)
}

impl Subject {
    async fn new(executor: &dyn Executor, norm: Norm) -> Result<Self, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let model = SyntheticBert::default().model().map_err(|e| text(&e))?;
        let spec = model.spec();
        let sizes = Sizes {
            hidden_size: spec.hidden_size,
            num_hidden_layers: spec.num_hidden_layers,
            num_attention_heads: spec.num_attention_heads,
        };
        let (before, tail) = model.program_and_tail(norm).map_err(|e| text(&e))?;
        let mut program = before.clone();
        let hidden = program.output_named(HIDDEN).map_err(|e| text(&e))?;
        let mut all = Vec::new();
        for (index, pooler) in poolers(sizes)?.into_iter().enumerate() {
            let Some(form) = pooler.device_form() else { continue };
            let mut append = |end: &str, normalize, weights| {
                append_pooler(&mut program, &tail, &format!("{index}.{end}"), &form, normalize, weights)
            };
            let raw = append("raw", false, true).map_err(|e| text(&e))?;
            let unit = append("unit", true, false).map_err(|e| text(&e))?;
            let id = |program: &Program, name: &str| program.output_named(name).map_err(|e| text(&e));
            let heads = match &form {
                DeviceForm::Attention(form) => form.num_heads,
                DeviceForm::Rows(_) => 0,
            };
            let weights = raw.weights.map(|name| id(&program, &name).map(|id| (id, heads))).transpose()?;
            let outputs = [id(&program, &raw.vectors)?, id(&program, &unit.vectors)?];
            all.push(Appended { pooler, outputs, weights, width: raw.width });
        }
        let options = PlanOptions { checked: true, ..PlanOptions::default() };
        let plan = executor.prepare(Arc::new(before), options).await.map_err(|e| text(&e))?;
        let plan = plan.extended(Arc::new(program)).await.map_err(|e| text(&e))?;
        Ok(Self { plan, hidden, poolers: all, sizes, vocab_size: spec.vocab_size })
    }

    async fn check(&self, name: &str, report: &mut Report) {
        for appended in &self.poolers {
            let outcome = self.check_one(appended).await;
            report.check(&format!("{name}, {}", appended.pooler.spec()), outcome);
        }
    }

    fn batch(&self, sequences: &[(usize, usize, usize)]) -> Result<Batch, String> {
        let mut batch = Batch::new();
        for &(seed, len, skip) in sequences {
            let token = |r: &u64| (r % self.vocab_size as u64) as u32;
            let ids: Vec<u32> = random(900 + seed as u64, len).iter().map(token).collect();
            batch.push(&ids, &vec![0; len], 0).map_err(|e| e.to_string())?;
            batch.skip_first(skip);
        }
        Ok(batch)
    }

    async fn check_one(&self, appended: &Appended) -> Result<(), String> {
        let numbered = SEQUENCES.iter().enumerate().map(|(seed, &(len, skip))| (seed, len, skip));
        let sequences: Vec<_> = numbered.collect();
        let batch = self.batch(&sequences)?;
        let [raw, unit] = appended.outputs;
        let mut outputs = vec![raw, unit, self.hidden];
        outputs.extend(appended.weights.map(|(id, _)| id));
        let found = self.plan.run(&batch, &outputs).await.map_err(|e| e.to_string())?;
        let (width, hidden_size) = (appended.width, self.sizes.hidden_size);
        for (place, (sequence, &own)) in batch.sequences().iter().zip(&sequences).enumerate() {
            if sequence.skip == sequence.len {
                continue; // The table of `pool` and `attention_pool` says zeros; projections of these add biases.
            }
            let rows = &found[2][sequence.start * hidden_size..][..sequence.len * hidden_size];
            let states = States {
                hidden: vec![rows],
                tokens: sequence.len,
                width: hidden_size,
                skip: sequence.skip,
                ..States::default()
            };
            let expected = appended.pooler.pool(&states).map_err(|e| e.to_string())?;
            let vector = |output: usize| &found[output][place * width..][..width];
            let what = |e: &dyn std::fmt::Display| format!("sequence {place}: {e}");
            close(vector(0), &expected.vectors, BAR).map_err(|e| what(&e))?;
            let squares: f64 = expected.vectors.iter().map(|&v| f64::from(v).powi(2)).sum();
            let norm = squares.sqrt().max(1e-12);
            let scaled: Vec<f32> = expected.vectors.iter().map(|&v| (f64::from(v) / norm) as f32).collect();
            close(vector(1), &scaled, BAR).map_err(|e| what(&e))?;
            if let (Some((_, heads)), Some(expected)) = (appended.weights, &expected.weights) {
                let all = &found[3][sequence.start * heads..][..sequence.len * heads];
                let mean: Vec<f32> =
                    all.chunks_exact(heads).map(|all| all.iter().sum::<f32>() / heads as f32).collect();
                compare(&mean, expected, &[sequence.len], Tolerance::Abs(BAR)).map_err(|e| what(&e))?;
            }
            let alone = self.batch(&[own])?;
            let alone = self.plan.run(&alone, &[raw]).await.map_err(|e| e.to_string())?;
            close(&alone[0], vector(0), MATES).map_err(|e| what(&format!("alone: {e}")))?;
        }
        Ok(())
    }
}

/// Within `bar` of the largest element.
fn close(actual: &[f32], expected: &[f32], bar: f32) -> Result<(), String> {
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let tolerance = Tolerance::Abs(bar * largest.max(1e-6));
    compare(actual, expected, &[expected.len()], tolerance).map(drop).map_err(|e| e.to_string())
}
