//! `cargo bench -p heatseek-bench --bench vision [-- --peers DIR --python PYTHON --gpu ADAPTER …]`
//!
//! DINOv2-small on pictures of 224 x 224: the plain forward pass beside ONNX Runtime's, and what looking at
//! attention adds to it. Every round times each case once, in turning order, and ratios are taken within the
//! round. Each answer is checked before it is timed.
//!
//! A run begins with pixels as the model takes them and ends with its answer in host memory: class tokens, maps,
//! or for ONNX Runtime last hidden states. Decoding and resizing pictures is outside on both sides.

mod cases;
mod peer;
mod table;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use serde_json::{Value, json};

/// What to time, and where.
#[derive(Parser)]
struct Args {
    /// Folder of the model.
    #[arg(long, default_value = "models/dinov2-small")]
    model: PathBuf,
    /// Numbers of threads of the CPU runs.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    cpu_threads: Vec<usize>,
    /// Part of the name of a GPU to time instead of the CPU, such as llvmpipe.
    #[arg(long)]
    gpu: Option<String>,
    /// Folder with what tests/bench/export_onnx.py made: dinov2-small, and dinov2-small-fused if it is there.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// A Python that has onnxruntime.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Rounds on the CPU.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Rounds on the GPU.
    #[arg(long, default_value_t = 7)]
    gpu_rounds: usize,
    /// Where to write the rows as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Times one configuration and prints its rows: `cpu` or `gpu`. The benchmark starts itself so, because
    /// the number of threads is fixed for a process.
    #[arg(long, hide = true)]
    child: Option<String>,
}

fn main() -> ExitCode {
    // Cargo runs benchmarks in the crate's folder; paths are the caller's.
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let done = std::env::set_current_dir(workspace).map_err(Into::into).and_then(|()| {
        let args = Args::parse();
        match args.child.as_deref() {
            Some(device) => cases::run(&args, device),
            None => all(&args),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vision: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every configuration, one process each.
fn all(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    // Drivers have threads of their own; the CPU's part of a GPU run needs one.
    let runs = match args.gpu {
        Some(_) => vec![("gpu", 1)],
        None => args.cpu_threads.iter().map(|threads| ("cpu", *threads)).collect(),
    };
    let mut rows: Vec<Value> = Vec::new();
    for (device, threads) in runs {
        let child = Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .args(["--child", device])
            .env("RAYON_NUM_THREADS", threads.to_string())
            .stdout(Stdio::piped())
            .spawn()?
            .wait_with_output()?;
        if !child.status.success() {
            return Err(format!("{device} with {threads} threads ended with {}", child.status).into());
        }
        for line in String::from_utf8(child.stdout)?.lines() {
            let row = serde_json::from_str(line)?;
            table::print(&row);
            rows.push(row);
        }
    }
    if let Some(path) = &args.json {
        let cores = std::thread::available_parallelism()?.get();
        let environment = json!({ "date": now(), "cores": cores, "commit": commit() });
        let report = json!({ "environment": environment, "rows": rows });
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn now() -> Option<String> {
    output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"])
}

fn commit() -> Option<String> {
    output("git", &["rev-parse", "--short", "HEAD"])
}
