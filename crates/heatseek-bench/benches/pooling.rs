//! `cargo bench -p heatseek-bench --bench pooling [-- --model DIR --gpu ADAPTER --rounds N --json FILE]`
//!
//! What each pooler costs beside the mean: 32 texts of 32 tokens, embedded with each in turn, round after round, and
//! the ratio to the mean taken within the round. Each answer is first compared with what the scalar reference makes
//! of the same texts.

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use clap::Parser;
use heatseek::{
    DeviceChoice, EmbedOptions, LoadOptions, Model, ModelFiles, NoControl, Params, PoolerSpec, block_on,
};
use serde_json::{Value, json};

const TEXTS: usize = 32;
const TOKENS: usize = 32;
/// What a pooler may differ from the reference, of the largest element of a vector.
const CLOSE: f32 = 1e-3;

/// Those that run in one dispatch or a few, and those that need several layers.
const POOLERS: [&str; 15] = [
    "mean",
    "cls",
    "max",
    "last",
    "weightedmean",
    "gem:p=3,positive=signed",
    "mixed",
    "stats",
    "score_pool:kind=linear",
    "qkv_pool",
    "cls_mha",
    "group_query",
    "layer:layers=first_last",
    "max_cls",
    "max_seq_mha",
];

/// What to time, and where.
#[derive(Parser)]
struct Args {
    /// Folder of the model.
    #[arg(long, default_value = "models/all-MiniLM-L6-v2")]
    model: PathBuf,
    /// Part of the name of a GPU to time instead of the CPU, such as llvmpipe.
    #[arg(long)]
    gpu: Option<String>,
    /// Rounds.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Poolers beside the mean [default: a choice of all kinds].
    #[arg(long)]
    pooling: Vec<String>,
    /// Where to write the rows as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // Cargo runs benchmarks in the crate's folder; paths are the caller's.
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    match std::env::set_current_dir(workspace).map_err(Into::into).and_then(|()| run(&Args::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pooling: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let load = |device| -> Result<Model, Box<dyn std::error::Error>> {
        let options = LoadOptions { device, adapter: args.gpu.clone(), ..LoadOptions::default() };
        Ok(block_on(Model::load(ModelFiles::from_dir(&args.model)?, options, &NoControl))?)
    };
    let device = if args.gpu.is_some() { DeviceChoice::Gpu } else { DeviceChoice::Cpu };
    let (model, reference) = (load(device)?, load(DeviceChoice::Reference)?);
    let texts = texts(&model)?;
    let mut poolers = vec!["mean".to_owned()];
    match args.pooling.is_empty() {
        true => poolers.extend(POOLERS[1..].iter().map(|&name| name.to_owned())),
        false => poolers.extend(args.pooling.iter().filter(|&name| name != "mean").cloned()),
    }
    let options: Vec<EmbedOptions> = poolers
        .iter()
        .map(|text| {
            let pooling = PoolerSpec::parse(text)?;
            let pooling_weights = (pooling.name == "score_pool").then(|| Rc::new(scorer(&model)));
            Ok(EmbedOptions { pooling: Some(pooling), pooling_weights, ..EmbedOptions::default() })
        })
        .collect::<Result<_, heatseek::PoolError>>()?;
    for (pooler, options) in poolers.iter().zip(&options) {
        let got = block_on(model.embed(&texts, options, &NoControl))?;
        let expected = block_on(reference.embed(&texts[..2], options, &NoControl))?;
        let largest = expected.data.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let off = got.data.iter().zip(&expected.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if !(off <= CLOSE * largest) {
            return Err(format!("{pooler} is off by {off} of {largest}").into());
        }
    }
    let mut times = vec![Vec::new(); poolers.len()];
    for round in 0..args.rounds {
        for turn in 0..poolers.len() {
            let at = (turn + round) % poolers.len();
            let start = Instant::now();
            block_on(model.embed(&texts, &options[at], &NoControl))?;
            times[at].push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let info = model.info().device;
    println!("{} ({}), {TEXTS} x {TOKENS} tokens, {} rounds", info.name, info.kernels, args.rounds);
    let mut rows: Vec<Value> = Vec::new();
    for (pooler, of_pooler) in poolers.iter().zip(&times) {
        let ratios = of_pooler.iter().zip(&times[0]).map(|(time, mean)| time / mean).collect();
        let ([low, median, high], ms) = (quartiles(ratios), quartiles(of_pooler.clone())[1]);
        println!("{pooler:28} {ms:8.2} ms   {median:.3} of the mean's ({low:.3} to {high:.3})");
        rows.push(json!({ "pooling": pooler, "median_ms": ms, "ratio": median, "quartiles": [low, high] }));
    }
    if let Some(path) = &args.json {
        let report = json!({
            "device": info, "texts": TEXTS, "tokens": TOKENS, "rounds": args.rounds, "rows": rows,
        });
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

/// Weights of `score_pool`, of no use but for its time.
fn scorer(model: &Model) -> Params {
    let width = model.info().spec.hidden_size;
    let values = (0..width).map(|at| ((at * 37 % 101) as f32 - 50.0) / 500.0).collect();
    Params::from_tensors(vec![("score.weight".into(), vec![1, width], values)])
}

/// Texts of exactly as many tokens, all different.
fn texts(model: &Model) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let words = ["bee", "sun", "wall", "field", "sky", "home", "light", "far"];
    let text = |index: usize| -> String {
        let word = |place: usize| words[(index + place * (1 + index / words.len())) % words.len()];
        (0..TOKENS - 2).map(word).collect::<Vec<_>>().join(" ")
    };
    let all: Vec<String> = (0..TEXTS).map(text).collect();
    for text in &all {
        let tokens = model.count_tokens(text)?;
        if tokens != TOKENS {
            return Err(format!("`{text}` has {tokens} tokens for this model, not {TOKENS}").into());
        }
    }
    Ok(all)
}

/// The lower quartile, the median and the upper one.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
