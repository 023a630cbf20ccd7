//! What must hold for any batch: a sequence gets the same vector alone, in any order and in any split.

use std::sync::Arc;

use heatseek_model::Norm;
use heatseek_model::synthetic::SyntheticBert;
use heatseek_ops::{Batch, Executor, HIDDEN, OutputId, Plan, PlanOptions, Pooling};
use heatseek_testkit::{Tolerance, compare, lengths, random};

use crate::Report;

/// Odd sizes on purpose: hidden sizes that are no multiple of a tile, heads narrower and wider than a
/// vector class, one layer and several.
fn models() -> [SyntheticBert; 3] {
    let sizes =
        |hidden_size, num_attention_heads, num_hidden_layers, intermediate_size, seed| SyntheticBert {
            hidden_size,
            num_attention_heads,
            num_hidden_layers,
            intermediate_size,
            max_position_embeddings: 512,
            seed,
            ..SyntheticBert::default()
        };
    [sizes(36, 3, 2, 68, 11), sizes(20, 1, 1, 100, 12), sizes(80, 2, 3, 64, 13)]
}

/// Sequences of one batch, and the longest.
struct Size {
    sequences: usize,
    longest: usize,
}

/// From one sequence to 300, and up to 512 tokens.
const SIZES: [Size; 5] = [
    Size { sequences: 1, longest: 512 },
    Size { sequences: 2, longest: 70 },
    Size { sequences: 9, longest: 130 },
    Size { sequences: 33, longest: 40 },
    Size { sequences: 300, longest: 8 },
];

/// Checks, for every model and size: alone = in a batch = in any order = in any split, twice the same, and
/// empty sequences among the others.
pub async fn check_properties(executor: &dyn Executor) -> Report {
    let mut report = Report::default();
    for (index, synthetic) in models().iter().enumerate() {
        for norm in [Norm::Folded, Norm::Plain] {
            let name = format!("model {index} {norm:?}");
            let plan = prepare(executor, synthetic, norm).await;
            let Ok((plan, outputs)) = plan.map_err(|e| report.check(&name, Err(e))) else { continue };
            for (seed, size) in (index as u64 * 100..).zip(&SIZES) {
                let name = format!("{name}, {} sequences of 0 to {}", size.sequences, size.longest);
                let subject = Subject { plan: &*plan, outputs: &outputs, width: synthetic.hidden_size };
                report.check(&name, subject.check(seed, size, synthetic.vocab_size).await);
            }
        }
    }
    report
}

async fn prepare(
    executor: &dyn Executor,
    synthetic: &SyntheticBert,
    norm: Norm,
) -> Result<(Box<dyn Plan>, Vec<OutputId>), String> {
    let model = synthetic.model().map_err(|e| e.to_string())?;
    let program = Arc::new(model.program(norm).map_err(|e| e.to_string())?);
    let names = [
        model.vector_output(Some(Pooling::Mean), Some(true)),
        model.vector_output(Some(Pooling::Max), Some(false)),
        model.vector_output(Some(Pooling::Last), Some(false)),
        HIDDEN.to_owned(),
    ];
    let outputs = names.iter().map(|name| program.output_named(name)).collect::<Result<_, _>>();
    let options = PlanOptions { checked: true, ..PlanOptions::default() };
    let plan = executor.prepare(program, options).await.map_err(|e| e.to_string())?;
    Ok((plan, outputs.map_err(|e| e.to_string())?))
}

struct Subject<'a> {
    plan: &'a dyn Plan,
    outputs: &'a [OutputId],
    width: usize,
}

impl Subject<'_> {
    async fn check(&self, seed: u64, size: &Size, vocab_size: usize) -> Result<(), String> {
        let lens = lengths(seed, size.sequences, 0, size.longest);
        let texts: Vec<Vec<u32>> = lens
            .iter()
            .zip(seed..)
            .map(|(&len, seed)| random(seed, len).iter().map(|r| (r % vocab_size as u64) as u32).collect())
            .collect();
        let order: Vec<usize> = (0..texts.len()).collect();
        let together = self.run(&texts, &order).await?;
        self.same("a second run", &self.run(&texts, &order).await?, &together, Tolerance::Exact)?;
        let mut shuffled = order.clone();
        shuffled.sort_by_key(|&i| random(seed + 7 + i as u64, 1)[0]);
        self.same("another order", &self.run(&texts, &shuffled).await?, &together, Tolerance::BATCH)?;
        // Every sequence alone for a few, in random splits for many.
        let pieces = if texts.len() <= 9 { texts.len() } else { 4 };
        let mut split = vec![Vec::new(); texts.len()];
        for piece in order.chunks(texts.len().div_ceil(pieces)) {
            for (i, values) in piece.iter().zip(self.run(&texts, piece).await?.iter()) {
                split[*i] = values.clone();
            }
        }
        // `run` answers by position in the list it was given; in a split these are the pieces' own.
        self.same("split", &split, &together, Tolerance::BATCH)
    }

    /// All outputs of each text of `order`, by its place in `order` if that is a piece, or in `texts` if it
    /// names them all.
    async fn run(&self, texts: &[Vec<u32>], order: &[usize]) -> Result<Vec<Vec<f32>>, String> {
        let mut batch = Batch::new();
        for &i in order {
            batch.push(&texts[i], &vec![0; texts[i].len()], 0).map_err(|e| e.to_string())?;
        }
        let values = self.plan.run(&batch, self.outputs).await.map_err(|e| e.to_string())?;
        let mut by_place = vec![Vec::new(); order.len()];
        let hidden = self.outputs.len() - 1;
        for (place, sequence) in batch.sequences().iter().enumerate() {
            let slot = if order.len() == texts.len() { order[place] } else { place };
            for pooled in &values[..hidden] {
                by_place[slot].extend_from_slice(&pooled[place * self.width..][..self.width]);
            }
            let rows = &values[hidden][sequence.start * self.width..][..sequence.len * self.width];
            by_place[slot].extend_from_slice(rows);
        }
        Ok(by_place)
    }

    fn same(
        &self,
        what: &str,
        actual: &[Vec<f32>],
        expected: &[Vec<f32>],
        tolerance: Tolerance,
    ) -> Result<(), String> {
        for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
            let shape = [expected.len() / self.width, self.width];
            compare(actual, expected, &shape, tolerance)
                .map_err(|e| format!("{what} changes sequence {i}: {e}"))?;
        }
        Ok(())
    }
}
