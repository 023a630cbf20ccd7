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

use heatseek::{EmbedOptions, Kind, Model, Params, PoolError, Pooler, PoolerSpec, rows};
use indicatif::ProgressBar;

use crate::args::EvalArgs;
use crate::failure::Failure;
use crate::load;
use crate::progress::{self, Bars};
use beir::Task;
use bootstrap::Resamples;
use report::{Measured, Report, Skipped};
use vectors::Vectors;

/// nDCG and MRR are of the first so many.
const DEPTH: usize = 10;

/// Runs `heatseek eval`.
pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    let task = beir::read(&args.corpus, &args.queries, &args.qrels)?;
    let params = args.pooling_weights.as_deref().map(read_params).transpose()?;
    let bars = Bars::new();
    let model = load::model(&args.model, &bars)?;
    let (chosen, skipped) = choose(&args.pooling, &model, params.as_ref())?;
    let options = |prompt_name: &Option<String>| EmbedOptions {
        prompt_name: prompt_name.clone(),
        max_length: args.max_length,
        ..EmbedOptions::default()
    };
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
    for ((pooler, documents), queries) in chosen.iter().zip(documents).zip(queries) {
        measured.push(measure(&task, pooler, &documents, &queries, &args.k, &bar)?);
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
        writeln!(out, "{}", report.json())?;
    } else {
        write!(out, "{}", report.table())?;
    }
    Ok(out.flush()?)
}

fn read_params(path: &Path) -> Result<Params, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    Params::read(&bytes).map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))
}

/// The model's own pooler, which is first, and those that were asked for, each once; or all that need no training,
/// with those of them that cannot be evaluated so.
fn choose(
    asked: &[String],
    model: &Model,
    params: Option<&Params>,
) -> Result<(Vec<Pooler>, Vec<Skipped>), Failure> {
    let own = PoolerSpec::parse(&model.info().spec.pooling).map_err(heatseek::Error::from)?;
    let make = |spec: &PoolerSpec| Pooler::new(spec, params, model.pool_sizes());
    let mut chosen = vec![make(&own).map_err(heatseek::Error::from)?];
    let (mut skipped, mut specs) = (Vec::new(), Vec::new());
    for text in asked {
        // Options have commas of their own.
        let texts = if text.contains(':') { vec![text.as_str()] } else { text.split(',').collect() };
        for text in texts.into_iter().filter(|text| *text != "auto") {
            specs.push(PoolerSpec::parse(text).map_err(heatseek::Error::from)?);
        }
    }
    let all = asked.is_empty();
    if all {
        specs.extend(rows().filter(|row| row.kind != Kind::Learned).map(|row| PoolerSpec::named(row.name)));
    }
    for spec in specs {
        match make(&spec).and_then(|pooler| possible(&pooler).map(|()| pooler)) {
            Ok(pooler) if chosen.iter().any(|other| other.spec() == pooler.spec()) => {}
            Ok(pooler) => chosen.push(pooler),
            Err(error) if all => {
                skipped.push(Skipped { pooling: spec.to_string(), reason: error.to_string() })
            }
            Err(error) => return Err(heatseek::Error::from(error).into()),
        }
    }
    Ok((chosen, skipped))
}

/// Poolers share a forward of the texts as they are.
fn possible(pooler: &Pooler) -> Result<(), PoolError> {
    match pooler.needs().landmarks {
        None => Ok(()),
        Some(_) => Err(PoolError::States {
            pooler: pooler.row().name,
            what: "the text".into(),
            got: "without separators".into(),
            expected: "one with separators put into it, which this command does not do".into(),
        }),
    }
}

/// Ranks the documents for every query and measures the rankings.
fn measure(
    task: &Task,
    pooler: &Pooler,
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
        pooling: pooler.spec().to_string(),
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
