//! What answers are checked against: the vectors of some inputs of each case from the reference.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use heatseek_ops::{Batch, HostExecutor, PlanOptions, Program, ReferenceExecutor};
use indicatif::ProgressBar;
use serde::Serialize;

use super::case::Case;
use super::subject::{Blueprint, pooled};
use super::work::Work;
use crate::failure::Failure;

/// Floating-point operations of an input beyond which the scalar reference would take minutes.
const MOST_FLOPS: u64 = 60_000_000_000;
/// The same for all that is checked of a case with `--quick`.
const QUICK_FLOPS: u64 = 8_000_000_000;
/// Each thread holds what is computed of the weights.
const MOST_THREADS: usize = 8;

/// What computed the vectors that a case is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The scalar reference that accumulates in f64.
    Reference,
    /// The CPU kernels, which are checked against the reference with smaller inputs; each input alone.
    Cpu,
}

/// What some inputs of a case should become.
pub struct Truth {
    pub source: Source,
    /// Places of the inputs in their case, and their vectors.
    pub vectors: Vec<(usize, Vec<f32>)>,
}

/// One input to be computed.
struct Job {
    case: usize,
    item: usize,
    batch: Batch,
    flops: u64,
}

/// The truth of each case.
pub fn of_cases(
    blueprint: &Blueprint,
    cases: &[(Case, Arc<Work>)],
    quick: bool,
    bar: &ProgressBar,
) -> Result<HashMap<Case, Truth>, Failure> {
    let program = blueprint.program()?;
    let (mut jobs, mut sources) = (Vec::new(), Vec::new());
    for (at, (_, work)) in cases.iter().enumerate() {
        let (mut spent, mut source) = (0, Source::Reference);
        for item in work.samples() {
            let batch = blueprint.batches(work, &[item], usize::MAX)?.remove(0);
            let flops: u64 =
                super::cost::of_run(&program, &batch, [4, 4])?.iter().map(|step| step.flops).sum();
            spent += flops;
            // One is checked whatever it costs.
            let most = if quick { QUICK_FLOPS } else { MOST_FLOPS };
            if spent > most && spent > flops {
                break;
            }
            if flops > most {
                source = Source::Cpu;
            }
            jobs.push(Job { case: at, item, batch, flops });
        }
        sources.push(source);
    }
    bar.set_length(jobs.len() as u64);
    let vectors = compute(&program, &jobs, &sources, bar)?;
    let mut truth: HashMap<Case, Truth> = HashMap::new();
    for (job, vector) in jobs.iter().zip(vectors) {
        let source = sources[job.case];
        let of_case = truth.entry(cases[job.case].0).or_insert_with(|| Truth { source, vectors: Vec::new() });
        of_case.vectors.push((job.item, vector));
    }
    Ok(truth)
}

/// The vector of each job: those of the reference on several threads, as it has only one itself.
fn compute(
    program: &Arc<Program>,
    jobs: &[Job],
    sources: &[Source],
    bar: &ProgressBar,
) -> Result<Vec<Vec<f32>>, Failure> {
    let output = pooled(program)?;
    let failed = |error| Failure::from(heatseek::Error::Executor(error));
    let mut vectors = vec![Vec::new(); jobs.len()];
    let (mut slow, fast): (Vec<usize>, Vec<usize>) =
        (0..jobs.len()).partition(|&at| sources[jobs[at].case] == Source::Reference);
    // The longest first, so that nobody waits for one that began last.
    slow.sort_by_key(|&at| std::cmp::Reverse(jobs[at].flops));
    if !fast.is_empty() {
        let plan = heatseek_cpu::executor().plan(program.clone(), PlanOptions::default()).map_err(failed)?;
        for at in fast {
            let values = plan.run_now(&jobs[at].batch, &output).map_err(failed)?;
            vectors[at] = values.into_iter().next().unwrap_or_default();
            bar.inc(1);
        }
    }
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS).min(slow.len());
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<(), heatseek_ops::ExecutorError> {
        let plan = HostExecutor::new(ReferenceExecutor).plan(program.clone(), PlanOptions::default())?;
        while let Some(&at) = slow.get(next.fetch_add(1, Ordering::Relaxed)) {
            let values = plan.run_now(&jobs[at].batch, &output)?;
            let vector = values.into_iter().next().unwrap_or_default();
            found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, vector));
            bar.inc(1);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|one| match one.join() {
            Ok(done) => done.map_err(failed),
            Err(_) => Err(Failure::internal("the reference panicked")),
        })
    })?;
    for (at, vector) in found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        vectors[at] = vector;
    }
    Ok(vectors)
}

impl Truth {
    /// The least cosine of `vectors`, those of a whole case, to what they should be.
    ///
    /// # Errors
    /// Why the answer is wrong: too few numbers, or a cosine below `least`.
    pub fn check(&self, vectors: &[f32], inputs: usize, least: f64) -> Result<f64, String> {
        let width = self.vectors.first().map_or(0, |(_, vector)| vector.len());
        if vectors.len() != inputs * width {
            return Err(format!("it gave {} numbers instead of {inputs} vectors of {width}", vectors.len()));
        }
        let rows = self.vectors.iter().map(|(item, _)| vectors[item * width..][..width].to_vec());
        self.check_samples(&rows.collect::<Vec<_>>(), least)
    }

    /// The same of the vectors of the inputs of [`Truth::vectors`] alone.
    pub fn check_samples(&self, rows: &[Vec<f32>], least: f64) -> Result<f64, String> {
        if rows.len() != self.vectors.len() {
            return Err(format!("it gave {} vectors instead of {}", rows.len(), self.vectors.len()));
        }
        let mut lowest = 1.0f64;
        for ((item, expected), row) in self.vectors.iter().zip(rows) {
            let cosine = if row.len() == expected.len() { cosine(row, expected) } else { f64::NAN };
            // Written so that a NaN is wrong, too.
            if !(cosine >= least) {
                return Err(format!(
                    "input {item} has cosine {cosine:.6} to the reference; {least} is the least"
                ));
            }
            lowest = lowest.min(cosine);
        }
        Ok(lowest)
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| of(f64::from(a), f64::from(b))).sum()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [f32; 6] = [1.0, 0.0, 9.0, 9.0, 0.6, 0.8];

    fn truth() -> Truth {
        let vectors = vec![(0, vec![1.0, 0.0]), (2, vec![0.6, 0.8])];
        Truth { source: Source::Reference, vectors }
    }

    #[test]
    fn a_right_answer_passes_and_its_cosine_is_told() {
        let cosine = truth().check(&GOOD, 3, 0.99999).unwrap();
        assert!((cosine - 1.0).abs() < 1e-7);
    }

    #[test]
    fn planted_faults_are_refused() {
        let faults: [(&str, Vec<f32>); 6] = [
            ("a turned vector", [&GOOD[..4], &[0.61, 0.79]].concat()),
            ("the wrong sign", [&[-1.0, 0.0], &GOOD[2..]].concat()),
            ("rows swapped", [&GOOD[4..], &GOOD[2..4], &GOOD[..2]].concat()),
            ("not a number", [&[f32::NAN, 0.0], &GOOD[2..]].concat()),
            ("zeros", vec![0.0; 6]),
            ("one too few", GOOD[..5].to_vec()),
        ];
        for (fault, vectors) in faults {
            assert!(truth().check(&vectors, 3, 0.99999).is_err(), "{fault}");
        }
        assert!(truth().check_samples(&[vec![1.0, 0.0]], 0.9).is_err());
        assert!(truth().check_samples(&[vec![1.0, 0.0], vec![0.6]], 0.9).is_err());
    }
}
