//! What must hold for attention in any batch: a query looked at the same tokens alone, beside others and in any
//! order.

use std::sync::Arc;

use heatseek_model::Norm;
use heatseek_model::synthetic::SyntheticBert;
use heatseek_ops::{Batch, Executor, HeadFusion, OutputId, Plan, PlanOptions};
use heatseek_testkit::{Tolerance, compare, random};

use crate::Report;

/// Lengths of the sequences of one batch; an empty one has no query and no row.
const LENGTHS: [usize; 6] = [5, 0, 18, 1, 9, 37];

/// A token of a sequence that is asked about.
#[derive(Clone, Copy)]
struct Query {
    sequence: usize,
    token: usize,
}

/// Two of each longer sequence and one of others, in no order of rows.
const QUERIES: [Query; 6] = [
    Query { sequence: 5, token: 36 },
    Query { sequence: 0, token: 4 },
    Query { sequence: 2, token: 17 },
    Query { sequence: 3, token: 0 },
    Query { sequence: 2, token: 0 },
    Query { sequence: 5, token: 8 },
];

/// Checks maps of every layer and fusion, and rollouts of every fusion: each query alone = beside the other
/// sequences = with these and the queries in another order.
pub async fn check_attention_properties(executor: &dyn Executor) -> Report {
    let synthetic = SyntheticBert {
        hidden_size: 36,
        num_hidden_layers: 3,
        max_position_embeddings: 128,
        seed: 21,
        ..SyntheticBert::default()
    };
    let mut report = Report::default();
    match Subject::prepare(executor, &synthetic).await {
        Ok(subject) => subject.check(&mut report).await,
        Err(why) => report.check("attention", Err(why)),
    }
    report
}

/// Outputs of one run, the first of which is looked at.
struct Asked {
    name: String,
    outputs: Vec<OutputId>,
    heads: usize,
}

struct Subject {
    plan: Box<dyn Plan>,
    asked: Vec<Asked>,
    texts: Vec<Vec<u32>>,
}

impl Subject {
    async fn prepare(executor: &dyn Executor, synthetic: &SyntheticBert) -> Result<Self, String> {
        let model = synthetic.model().map_err(|e| e.to_string())?;
        let program = Arc::new(model.program(Norm::Folded).map_err(|e| e.to_string())?);
        let layers: Vec<usize> = (0..synthetic.num_hidden_layers).collect();
        let mut asked = Vec::new();
        for fusion in HeadFusion::ALL {
            let each = fusion == HeadFusion::Each;
            let heads = if each { synthetic.num_attention_heads } else { 1 };
            let mut runs: Vec<(Vec<String>, usize)> =
                layers.iter().map(|&layer| (vec![model.attention_output(layer, fusion)], heads)).collect();
            if !each {
                runs.push((model.rollout_outputs(&layers, fusion), 1));
                runs.push((model.rollout_outputs(&[0, 2], fusion), 1));
            }
            for (names, heads) in runs {
                let outputs = names.iter().map(|name| program.output_named(name)).collect::<Result<_, _>>();
                let outputs = outputs.map_err(|e| e.to_string())?;
                asked.push(Asked { name: names.join(" "), outputs, heads });
            }
        }
        let options = PlanOptions { checked: true, ..PlanOptions::default() };
        let plan = executor.prepare(program, options).await.map_err(|e| e.to_string())?;
        let id = |r: &u64| (r % synthetic.vocab_size as u64) as u32;
        let texts = LENGTHS.iter().zip(40..).map(|(&len, seed)| random(seed, len).iter().map(id).collect());
        Ok(Self { plan, asked, texts: texts.collect() })
    }

    async fn check(&self, report: &mut Report) {
        for asked in &self.asked {
            report.check(&format!("attention, {}", asked.name), self.check_one(asked).await);
        }
    }

    async fn check_one(&self, asked: &Asked) -> Result<(), String> {
        let order: Vec<usize> = (0..self.texts.len()).collect();
        let together = self.run(asked, &order, &QUERIES).await?;
        same("a second run", &self.run(asked, &order, &QUERIES).await?, &together, Tolerance::Exact)?;
        for (query, rows) in QUERIES.into_iter().zip(&together) {
            let alone = self.run(asked, &[query.sequence], &[query]).await?;
            same("its mates", std::slice::from_ref(rows), &alone, Tolerance::BATCH)?;
        }
        let (mut other, mut queries) = (order, QUERIES);
        other.rotate_left(3);
        other.swap(0, 2);
        queries.reverse();
        let mut moved = self.run(asked, &other, &queries).await?;
        moved.reverse();
        same("another order", &moved, &together, Tolerance::BATCH)
    }

    /// What each query looked at, `[heads, tokens of its sequence]`, in a batch of the sequences of `order`.
    async fn run(&self, asked: &Asked, order: &[usize], queries: &[Query]) -> Result<Vec<Vec<f32>>, String> {
        let mut batch = Batch::new();
        for &text in order {
            let ids = &self.texts[text];
            batch.push(ids, &vec![0; ids.len()], 0).map_err(|e| e.to_string())?;
        }
        let row = |query: &Query| {
            let place = order.iter().position(|&text| text == query.sequence);
            place.map(|place| batch.sequences()[place].start + query.token)
        };
        let rows: Option<Vec<usize>> = queries.iter().map(row).collect();
        batch.ask_about(&rows.ok_or("a query of no sequence")?).map_err(|e| e.to_string())?;
        batch.set_residual(0.3);
        let values = self.plan.run(&batch, &asked.outputs).await.map_err(|e| e.to_string())?;
        let (width, values) = (batch.longest(), &values[0]);
        if values.len() != queries.len() * asked.heads * width {
            return Err(format!("{} values for {} queries", values.len(), queries.len()));
        }
        let rows = queries.iter().zip(values.chunks_exact(asked.heads * width));
        rows.map(|(query, row)| {
            let mut seen = Vec::new();
            for head in row.chunks_exact(width) {
                let (own, behind) = head.split_at(self.texts[query.sequence].len());
                if behind.iter().any(|&share| share != 0.0) {
                    return Err("a query looked behind its sequence".into());
                }
                seen.extend_from_slice(own);
            }
            Ok(seen)
        })
        .collect()
    }
}

fn same(what: &str, actual: &[Vec<f32>], expected: &[Vec<f32>], tolerance: Tolerance) -> Result<(), String> {
    for (query, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let compared = compare(actual, expected, &[1, expected.len()], tolerance);
        compared.map_err(|e| format!("{what} changes query {query}: {e}"))?;
    }
    Ok(())
}
