//! `cargo bench -p heatseek-bench --bench cpu [-- --isa NAME --dtype int8 --threads 1,2 --rounds N --json FILE …]`
//!
//! What share of this machine's multiply-adds our CPU kernels use: matrix products of MiniLM's shapes, and whole
//! forward passes of MiniLM and DINOv2. The peak is that of a loop of independent fused multiply-adds in registers,
//! measured in every round beside what is compared with it, as clocks change. Each answer is first compared with the
//! scalar reference's. In int8 the peak is that of the instruction that multiplies bytes.
//!
//! With one thread, time in which another process had the core is not counted, where the system tells.
//! Multiplications and additions are counted where models have them, as matrix products and attention; everything else
//! is in the time but not in the count.

mod forward;
mod gemm;
mod peak;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use heatseek_cpu::{CpuKernels, Isa};
use heatseek_ops::{Dtype, HostKernels};
use serde_json::{Value, json};

/// What may fail, for any reason.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// What to time.
#[derive(Parser)]
struct Args {
    /// Instruction set: avx512, avx2, neon or scalar [default: the best].
    #[arg(long)]
    isa: Option<Isa>,
    /// What weights are stored as: f32 or int8.
    #[arg(long, default_value = "f32", value_parser = dtype)]
    dtype: Dtype,
    /// Numbers of threads [default: one, and all].
    #[arg(long, value_delimiter = ',')]
    threads: Vec<usize>,
    /// Rounds.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Leave out whole models.
    #[arg(long)]
    products_only: bool,
    /// Folder of a text model.
    #[arg(long, default_value = "models/all-MiniLM-L6-v2")]
    text_model: PathBuf,
    /// Folder of a vision model.
    #[arg(long, default_value = "models/dinov2-small")]
    vision_model: PathBuf,
    /// Where to write the rows as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn dtype(name: &str) -> Result<Dtype, String> {
    [Dtype::F32, Dtype::Bf16, Dtype::Int8]
        .into_iter()
        .find(|dtype| dtype.name() == name)
        .ok_or_else(|| "expected f32, bf16 or int8".into())
}

fn main() -> ExitCode {
    // Cargo runs benchmarks in the crate's folder; paths are the caller's.
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    match std::env::set_current_dir(workspace).map_err(Into::into).and_then(|()| run(&Args::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cpu: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Something to time, and its multiplications and additions.
struct Case<'a> {
    name: String,
    flops: u64,
    run: Box<dyn FnMut() -> Outcome<()> + Send + 'a>,
}

fn run(args: &Args) -> Outcome<()> {
    let isa = args.isa.unwrap_or_else(Isa::chosen);
    let kernels = CpuKernels::with_isa(isa)?;
    let all = std::thread::available_parallelism()?.get();
    let threads = if args.threads.is_empty() { vec![1, all] } else { args.threads.clone() };
    println!("{}, {} rounds", kernels.device_for(args.dtype).kernels, args.rounds);
    let mut rows = Vec::new();
    for threads in threads {
        heatseek_cpu::set_threads(threads);
        let mut products = gemm::all(kernels, args.dtype);
        rows.extend(time(&mut products, args.rounds, (isa, args.dtype))?);
        if !args.products_only {
            let (text, vision) = (&args.text_model, &args.vision_model);
            let mut models = forward::text(kernels, args.dtype, text)?;
            models.extend(forward::vision(kernels, args.dtype, vision)?);
            rows.extend(time(&mut models, args.rounds, (isa, args.dtype))?);
        }
    }
    if let Some(path) = &args.json {
        let report =
            json!({ "isa": isa.name(), "dtype": args.dtype.name(), "rounds": args.rounds, "rows": rows });
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

/// Every case once a round, beginning with another one each time, each between two measurements of the peak.
fn time(cases: &mut [Case<'_>], rounds: usize, on: (Isa, Dtype)) -> Outcome<Vec<Value>> {
    let threads = heatseek_cpu::threads();
    let mut rates = vec![Vec::new(); cases.len()];
    let mut shares = vec![Vec::new(); cases.len()];
    // As many tasks as threads, which take them at the same time: each is long.
    let measure_peak = || {
        let mut rates = vec![None; threads];
        heatseek_cpu::in_parallel(&mut rates, |_, rate| *rate = peak::gops(on));
        rates.into_iter().sum::<Option<f64>>()
    };
    for round in 0..rounds {
        for turn in 0..cases.len() {
            let at = (round + turn) % cases.len();
            let case = &mut cases[at];
            let before = measure_peak();
            let seconds = best(case)?;
            let peak = before.zip(measure_peak()).map(|(a, b)| a.max(b));
            let rate = case.flops as f64 / seconds / 1e9;
            rates[at].push(rate);
            shares[at].extend(peak.map(|peak| rate / peak));
        }
    }
    let mut rows = Vec::new();
    for ((case, rates), shares) in cases.iter().zip(rates).zip(shares) {
        let [(best, median), (best_share, share)] = [rates, shares].map(best_and_median);
        let ms = case.flops as f64 / best / 1e6;
        println!(
            "{threads} threads  {:<34} {ms:9.3} ms  {best:7.1} Gop/s (median {median:.1}), {:.0} % of the peak \
             (median {:.0})",
            case.name,
            100.0 * best_share,
            100.0 * share,
        );
        rows.push(json!({
            "case": case.name, "threads": threads, "ms": ms, "gflops": best, "gflops_median": median,
            "share": best_share, "share_median": share,
        }));
    }
    Ok(rows)
}

/// The shortest of some runs, in seconds: as many as 30 ms have time for, and three at least.
fn best(case: &mut Case<'_>) -> Outcome<f64> {
    let (begun, mut shortest, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || begun.elapsed() < Duration::from_millis(30) {
        let (outer, before) = (Instant::now(), waited());
        let inner = Instant::now();
        (case.run)()?;
        let seconds = inner.elapsed().as_secs_f64();
        // What was waited before or after the run is in the outer time, so it may be taken from that alone. Asking takes
        // longer than short runs.
        let waited = waited() - before;
        let running = outer.elapsed().as_secs_f64() - waited;
        shortest = shortest.min(if seconds > 1e-3 { seconds.min(running) } else { seconds });
        runs += 1;
    }
    Ok(shortest)
}

/// Seconds for which this thread, if it is the only one of its pool, wanted a core and others had it: runs of many
/// milliseconds on a busy machine would be measured with what else goes on. Only Linux says.
fn waited() -> f64 {
    if heatseek_cpu::threads() > 1 {
        return 0.0;
    }
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().nth(1).and_then(|field| field.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

/// NaN of none.
fn best_and_median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let [best, median] = [values.len().saturating_sub(1), values.len() / 2].map(|at| values.get(at).copied());
    (best.unwrap_or(f64::NAN), median.unwrap_or(f64::NAN))
}

/// Fails unless `actual` is `expected`, but for so much of its largest element.
fn compare(name: &str, actual: &[f32], expected: &[f32], tolerance: f32) -> Outcome<()> {
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let off = actual.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let off = off.fold(0.0f32, |most, v| if v <= most { most } else { v });
    if actual.len() != expected.len() || !(off <= tolerance * largest) {
        return Err(format!("{name} is off by {off} of {largest}; nothing was timed").into());
    }
    Ok(())
}
