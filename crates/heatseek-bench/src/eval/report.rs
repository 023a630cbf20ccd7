//! What was measured, as JSON, a table and Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;

use heatseek::ModelInfo;
use serde::Serialize;

use super::beir::Task;
use super::bootstrap::{Estimate, Resamples, holm};
use crate::args::EvalArgs;

/// What one pooler did, one value a query.
pub struct Measured {
    pub pooling: String,
    pub width: usize,
    pub vectors_a_document: f64,
    pub ndcg: Rc<[f64]>,
    pub mrr: Rc<[f64]>,
    pub recall: BTreeMap<usize, Rc<[f64]>>,
    pub pool_seconds: f64,
    pub score_seconds: f64,
}

/// A pooler that was not evaluated.
#[derive(Serialize)]
pub struct Skipped {
    pub pooling: String,
    pub reason: String,
}

/// The whole.
#[derive(Serialize)]
pub struct Report {
    model: String,
    device: String,
    documents: usize,
    queries: usize,
    queries_left_out: usize,
    max_length: usize,
    resamples: usize,
    seed: u64,
    /// One forward for all poolers together.
    forward_seconds: f64,
    /// The model's own first, the others by nDCG.
    pub poolers: Vec<Row>,
    skipped: Vec<Skipped>,
}

/// A pooler.
#[derive(Serialize)]
pub struct Row {
    pub pooling: String,
    width: usize,
    vectors_a_document: f64,
    pub ndcg_at_10: Estimate,
    mrr_at_10: Estimate,
    recall: BTreeMap<usize, Estimate>,
    /// From the model's own pooler, which has none.
    pub difference: Option<Difference>,
    pool_seconds: f64,
    score_seconds: f64,
}

/// A difference in nDCG at 10, paired by query.
#[derive(Serialize)]
pub struct Difference {
    #[serde(flatten)]
    pub estimate: Estimate,
    p: f64,
    /// The same, adjusted for the number of comparisons.
    pub p_holm: f64,
}

impl Report {
    /// `measured` begins with the model's own pooler.
    pub fn new(
        args: &EvalArgs,
        info: &ModelInfo,
        task: &Task,
        measured: &[Measured],
        skipped: Vec<Skipped>,
        resamples: &Resamples,
        forward_seconds: f64,
    ) -> Self {
        let name = args.model.dir.file_name().map(|name| name.to_string_lossy().into_owned());
        Self {
            model: name.unwrap_or_else(|| args.model.dir.display().to_string()),
            device: format!("{} ({})", info.device.kind, info.device.name),
            documents: task.documents.len(),
            queries: task.queries.len(),
            queries_left_out: task.left_out,
            max_length: args.max_length.unwrap_or(info.spec.max_length),
            resamples: args.bootstrap,
            seed: args.seed,
            forward_seconds,
            poolers: rows(measured, resamples),
            skipped,
        }
    }

    /// For programs that read a line.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// For programs that read a file, and for diffs.
    pub fn json(&self) -> String {
        // Numbers and strings alone: there is nothing that JSON could not hold.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For terminals.
    pub fn table(&self) -> String {
        let mut rows = vec![self.header()];
        rows.extend(self.poolers.iter().map(Row::cells));
        let mut widths = vec![0; rows[0].len()];
        for row in &rows {
            widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
        }
        let mut text = String::new();
        for row in &rows {
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = match at {
                    0 => write!(text, "{cell:<width$}"),
                    _ => write!(text, "  {cell:>width$}"),
                };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        let _ = writeln!(text, "\n{}", self.note());
        text
    }

    /// For readers.
    pub fn markdown(&self) -> String {
        let header = self.header();
        let mut text = format!("| {} |\n", header.join(" | "));
        let _ = writeln!(text, "| --- |{}", " ---: |".repeat(header.len() - 1));
        for row in &self.poolers {
            let _ = writeln!(text, "| {} |", row.cells().join(" | "));
        }
        let _ = writeln!(text, "\n{}", self.note());
        text
    }

    fn header(&self) -> Vec<String> {
        let recall = self.poolers.iter().take(1).flat_map(|row| row.recall.keys());
        let fixed = ["pooler", "nDCG@10", "difference", "p (Holm)", "MRR@10"].map(str::to_owned);
        let last = ["vectors", "pooling s", "scoring s"].map(str::to_owned);
        fixed.into_iter().chain(recall.map(|k| format!("recall@{k}"))).chain(last).collect()
    }

    fn note(&self) -> String {
        let mut text = format!(
            "{} on {}: {} queries, {} documents, at most {} tokens. Means with 95 % intervals of {} bootstrap \
             resamples of the queries (seed {}); differences are from the first row, paired by query. One forward \
             for all poolers took {:.1} s.",
            self.model,
            self.device,
            self.queries,
            self.documents,
            self.max_length,
            self.resamples,
            self.seed,
            self.forward_seconds
        );
        if self.queries_left_out > 0 {
            let _ = write!(
                text,
                " {} queries have no relevant document and are left out.",
                self.queries_left_out
            );
        }
        for Skipped { pooling, reason } in &self.skipped {
            let _ = write!(text, " Not evaluated: {pooling} ({reason}).");
        }
        text
    }
}

fn rows(measured: &[Measured], resamples: &Resamples) -> Vec<Row> {
    let own = measured.first().map(|own| own.ndcg.clone()).unwrap_or_default();
    let minus_own = |one: &Measured| -> Vec<f64> { one.ndcg.iter().zip(&*own).map(|(a, b)| a - b).collect() };
    let differences: Vec<Vec<f64>> = measured.iter().skip(1).map(minus_own).collect();
    let p_values: Vec<f64> = differences.iter().map(|values| resamples.p_value(values)).collect();
    let compared = differences.iter().zip(&p_values).zip(holm(&p_values));
    let differences =
        compared.map(|((values, &p), p_holm)| Difference { estimate: resamples.estimate(values), p, p_holm });
    let differences = std::iter::once(None).chain(differences.map(Some));
    let mut rows: Vec<Row> = measured
        .iter()
        .zip(differences)
        .map(|(one, difference)| Row {
            pooling: one.pooling.clone(),
            width: one.width,
            vectors_a_document: one.vectors_a_document,
            ndcg_at_10: resamples.estimate(&one.ndcg),
            mrr_at_10: resamples.estimate(&one.mrr),
            recall: one.recall.iter().map(|(&k, values)| (k, resamples.estimate(values))).collect(),
            difference,
            pool_seconds: one.pool_seconds,
            score_seconds: one.score_seconds,
        })
        .collect();
    rows[1..].sort_by(|a, b| b.ndcg_at_10.value.total_cmp(&a.ndcg_at_10.value));
    rows
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let with_interval = |e: &Estimate| format!("{:.3} [{:.3}, {:.3}]", e.value, e.low, e.high);
        let (difference, p) = match &self.difference {
            None => (String::new(), String::new()),
            Some(Difference { estimate: e, p_holm, .. }) => {
                (format!("{:+.3} [{:+.3}, {:+.3}]", e.value, e.low, e.high), format!("{p_holm:.3}"))
            }
        };
        let mut cells = vec![self.pooling.clone(), with_interval(&self.ndcg_at_10), difference, p];
        cells.push(with_interval(&self.mrr_at_10));
        cells.extend(self.recall.values().map(|e| format!("{:.3}", e.value)));
        cells.push(format!("{:.1} × {}", self.vectors_a_document, self.width));
        cells.extend([self.pool_seconds, self.score_seconds].map(|seconds| format!("{seconds:.1}")));
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(pooling: &str, ndcg: &[f64]) -> Measured {
        Measured {
            pooling: pooling.into(),
            width: 4,
            vectors_a_document: 1.0,
            ndcg: ndcg.into(),
            mrr: ndcg.into(),
            recall: BTreeMap::from([(1, ndcg.into())]),
            pool_seconds: 0.0,
            score_seconds: 0.0,
        }
    }

    #[test]
    fn the_own_is_first_and_others_are_compared_with_it() {
        let all =
            [measured("own", &[0.5; 20]), measured("worse", &[0.25; 20]), measured("better", &[0.75; 20])];
        let rows = rows(&all, &Resamples::new(0, 99, 20));
        assert_eq!(
            rows.iter().map(|row| row.pooling.as_str()).collect::<Vec<_>>(),
            ["own", "better", "worse"]
        );
        assert!(rows[0].difference.is_none());
        let better = rows[1].difference.as_ref().unwrap();
        assert_eq!((better.estimate.value, better.p, better.p_holm), (0.25, 0.01, 0.02));
        assert_eq!(rows[2].cells()[2], "-0.250 [-0.250, -0.250]");
    }
}
