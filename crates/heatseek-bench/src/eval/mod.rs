//! `heatseek eval`: how well poolers find what they should, on a corpus with known answers.

mod beir;
mod bootstrap;
#[cfg(test)]
mod golden;
mod metrics;
mod plot;
mod ranking;
mod report;
mod vectors;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use heatseek::{EmbedOptions, Error, Kind, Model, NoControl, PoolerSpec, block_on, rows};
use indicatif::ProgressBar;

use crate::args::EvalArgs;
use crate::failure::Failure;
use crate::progress::{self, Bars};
use crate::{load, pooling};
use beir::Task;
use bootstrap::Resamples;
use report::{Measured, Report, Skipped};
use vectors::Vectors;

/// nDCG and MRR are of the first so many.
const DEPTH: usize = 10;

/// Runs `heatseek eval`.
pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    let task = beir::read(&args.corpus, &args.queries, &args.qrels)?;
    let params = args.pooling_weights.as_deref().map(pooling::params).transpose()?.map(Rc::new);
    let bars = Bars::new();
    let model = load::model(&args.model, &bars)?;
    let options = |prompt_name: &Option<String>| EmbedOptions {
        prompt_name: prompt_name.clone(),
        pooling_weights: params.clone(),
        max_length: args.max_length,
        ..EmbedOptions::default()
    };
    let (chosen, skipped) = choose(&args.pooling, &model, &options(&args.query_prompt_name))?;
    let texts = |entries: &[beir::Entry]| entries.iter().map(beir::Entry::whole).collect::<Vec<_>>();
    let (documents, queries) = (texts(&task.documents), texts(&task.queries));
    let corpus_options = options(&args.corpus_prompt_name);
    let (documents, forward_of_documents) =
        vectors::pool_all(&model, &documents, "document", &chosen, &corpus_options, &bars)?;
    let (queries, forward_of_queries) =
        vectors::pool_all(&model, &queries, "query", &chosen, &options(&args.query_prompt_name), &bars)?;
    bars.clear();
    let mut measured = Vec::new();
    let bar = progress::total_bar("scoring", (chosen.len() * task.queries.len()) as u64);
    for ((pooling, documents), queries) in chosen.iter().zip(documents).zip(queries) {
        measured.push(measure(&task, pooling, &documents, &queries, &args.k, &bar)?);
    }
    bar.finish_and_clear();
    let resamples = Resamples::new(args.seed, args.bootstrap, task.queries.len());
    let forward = forward_of_documents + forward_of_queries;
    let report = Report::new(args, &model.info(), &task, &measured, skipped, &resamples, forward);
    if let Some(folder) = &args.out {
        write(folder, &report)?;
    }
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report.line())?;
    } else {
        write!(out, "{}", report.table())?;
    }
    Ok(out.flush()?)
}

/// The model's own pooling, which is first, and those that were asked for, each once; or all that need no training,
/// with those of them that the model cannot do.
fn choose(
    asked: &[String],
    model: &Model,
    options: &EmbedOptions,
) -> Result<(Vec<PoolerSpec>, Vec<Skipped>), Failure> {
    let mut specs = vec![PoolerSpec::named(&model.info().spec.pooling)];
    for text in asked {
        // Options have commas of their own.
        let texts = if text.contains(':') { vec![text.as_str()] } else { text.split(',').collect() };
        for text in texts {
            specs.extend(heatseek::pooling_from_name(text)?);
        }
    }
    let all = asked.is_empty();
    if all {
        specs.extend(rows().filter(|row| row.kind != Kind::Learned).map(|row| PoolerSpec::named(row.name)));
    }
    let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
    for (place, spec) in specs.into_iter().enumerate() {
        match possible(model, &spec, options) {
            Ok(spec) if chosen.contains(&spec) => {}
            Ok(spec) => chosen.push(spec),
            Err(error) if all && place > 0 => {
                skipped.push(Skipped { pooling: spec.to_string(), reason: error.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((chosen, skipped))
}

/// `spec` in our spelling, if the model can be pooled so.
fn possible(model: &Model, spec: &PoolerSpec, options: &EmbedOptions) -> Result<PoolerSpec, Error> {
    let pooler = model.pooler(spec, options.pooling_weights.as_deref())?;
    let options = EmbedOptions { pooling: Some(spec.clone()), ..options.clone() };
    // No text costs nothing, and options are checked even so.
    block_on(model.embed::<&str>(&[], &options, &NoControl))?;
    Ok(pooler.spec())
}

/// Ranks the documents for every query and measures the rankings.
fn measure(
    task: &Task,
    pooling: &PoolerSpec,
    documents: &Vectors,
    queries: &Vectors,
    cutoffs: &[usize],
    bar: &ProgressBar,
) -> Result<Measured, Failure> {
    let depth = cutoffs.iter().copied().max().unwrap_or(0).max(DEPTH);
    let started = std::time::Instant::now();
    let before = bar.position();
    let rankings = ranking::rank(queries, documents, depth, &|done| bar.set_position(before + done as u64))?;
    let score_seconds = started.elapsed().as_secs_f64();
    let each = |measure: &dyn Fn(&[usize], &beir::Judgements) -> f64| -> Rc<[f64]> {
        rankings.iter().zip(&task.judgements).map(|(ranking, judged)| measure(ranking, judged)).collect()
    };
    Ok(Measured {
        pooling: pooling.to_string(),
        width: documents.width,
        vectors_a_document: documents.count() as f64 / task.documents.len() as f64,
        ndcg: each(&|ranking, judged| metrics::ndcg(ranking, judged, DEPTH)),
        mrr: each(&|ranking, judged| metrics::reciprocal_rank(ranking, judged, DEPTH)),
        recall: cutoffs
            .iter()
            .map(|&k| (k, each(&|ranking, judged| metrics::recall(ranking, judged, k))))
            .collect(),
        pool_seconds: documents.seconds + queries.seconds,
        score_seconds,
    })
}

fn write(folder: &Path, report: &Report) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, &error))?;
    for (name, text) in [
        ("report.json", report.json() + "\n"),
        ("report.md", report.markdown()),
        ("report.svg", plot::svg(&report.poolers)),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| Failure::file("write", &path, &error))?;
    }
    Ok(())
}
