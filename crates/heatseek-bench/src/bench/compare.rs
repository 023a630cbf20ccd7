//! `heatseek bench compare`: two reports side by side.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;

use super::table::{Table, figures};
use crate::failure::Failure;

/// What is read of a report.json.
#[derive(Deserialize)]
struct Report {
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Row {
    case: String,
    device: String,
    dtype: String,
    task: String,
    median_ms: f64,
    min_ms: f64,
    max_ms: f64,
}

impl Row {
    fn key(&self) -> [&str; 4] {
        [&self.device, &self.dtype, &self.case, &self.task]
    }
}

/// Prints the rows of both with their ratio.
pub fn run(before: &Path, after: &Path) -> Result<(), Failure> {
    let pairs = pairs(&read(before)?, &read(after)?);
    if pairs.is_empty() {
        return Err(Failure::invalid(format!(
            "{} and {} have no row in common: a row is a device, dtype, case and task",
            before.display(),
            after.display()
        )));
    }
    let mut table =
        Table::new(4, &["device", "dtype", "case", "task", "before ms", "after ms", "ratio", "verdict"]);
    for (before, after) in &pairs {
        let mut cells: Vec<String> = before.key().map(str::to_owned).to_vec();
        let spread = |row: &Row| {
            format!("{} [{}, {}]", figures(row.median_ms), figures(row.min_ms), figures(row.max_ms))
        };
        let ratio = figures(before.median_ms / after.median_ms);
        cells.extend([spread(before), spread(after), ratio, verdict(before, after).to_owned()]);
        table.push(cells);
    }
    let mut out = io::stdout().lock();
    write!(out, "{}", table.text())?;
    Ok(out.flush()?)
}

fn read(path: &Path) -> Result<Vec<Row>, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    let report: Report = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::invalid(format!("{} is no report of `heatseek bench`: {error}", path.display()))
    })?;
    Ok(report.rows)
}

/// The rows that both have, each once: rows of several peers hold the same times of ours.
fn pairs(before: &[Row], after: &[Row]) -> Vec<(Row, Row)> {
    let mut pairs: Vec<(Row, Row)> = Vec::new();
    for row in before {
        if pairs.iter().any(|(known, _)| known.key() == row.key()) {
            continue;
        }
        if let Some(other) = after.iter().find(|other| other.key() == row.key()) {
            pairs.push((row.clone(), other.clone()));
        }
    }
    pairs
}

/// Only spreads that do not touch are a difference.
fn verdict(before: &Row, after: &Row) -> &'static str {
    if after.max_ms < before.min_ms {
        "faster"
    } else if after.min_ms > before.max_ms {
        "slower"
    } else {
        "alike"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, [min_ms, median_ms, max_ms]: [f64; 3]) -> Row {
        let [device, dtype, task] = ["cpu", "f32", "forward"].map(str::to_owned);
        Row { case: case.into(), device, dtype, task, median_ms, min_ms, max_ms }
    }

    #[test]
    fn rows_of_both_are_paired_once() {
        let before = [row("1x16", [1.0; 3]), row("1x16", [1.0; 3]), row("gone", [1.0; 3])];
        let after = [row("new", [1.0; 3]), row("1x16", [2.0; 3])];
        assert_eq!(pairs(&before, &after), [(before[0].clone(), after[1].clone())]);
    }

    #[test]
    fn only_spreads_apart_are_a_difference() {
        let before = row("a", [2.0, 3.0, 4.0]);
        for (times, expected) in
            [([1.0, 1.5, 1.9], "faster"), ([1.0, 1.5, 2.0], "alike"), ([4.5, 5.0, 6.0], "slower")]
        {
            assert_eq!(verdict(&before, &row("a", times)), expected, "{times:?}");
        }
    }
}
