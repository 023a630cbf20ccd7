//! `heatseek bench`: how fast each device is on this machine, beside its own ceilings and beside peers.

mod args;
mod bar;
mod case;
mod charts;
mod compare;
mod cost;
mod device;
mod dtype;
mod environment;
mod kernels;
mod measure;
mod one_case;
mod peers;
mod report;
mod subject;
mod synthetic;
mod table;
mod truth;
mod views;
mod work;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use heatseek::{DeviceChoice, Error, LoadOptions, Model, ModelFiles, NoControl, Preprocessor, block_on};
use heatseek_gpu::GpuDevice;

pub use args::BenchArgs;

use crate::failure::Failure;
use args::BenchCommand;
use environment::Environment;
use peers::{Pool, Setup};
use report::{Absent, ModelFacts, Report};
use subject::Blueprint;
use work::Maker;

/// What is measured if nobody says otherwise.
const MODEL: &str = "all-MiniLM-L6-v2";
/// Devices that are tried if nobody says otherwise, where this build knows them.
const DEVICES: [&str; 3] = ["cpu", "gpu", "cuda"];

/// Runs `heatseek bench`.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    if let Some(BenchCommand::Compare { before, after }) = &args.command {
        return compare::run(before, after);
    }
    let threads = args.threads.unwrap_or_else(environment::cores).max(1);
    heatseek_cpu::set_threads(threads);
    // The tokenizer's: an error says that they are there already, which they are not before the first use.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    let report = measure(args, threads)?;
    if let Some(folder) = &args.out {
        write(folder, &report)?;
    }
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&report).unwrap_or_default())?,
        false => write!(out, "{}", views::text(&report))?,
    }
    out.flush()?;
    match report.refused.first() {
        None if report.rows.is_empty() => Err(nothing(report.missing.first())),
        None => Ok(()),
        Some(first) => Err(Failure::internal(format!(
            "{} wrong answers were not timed; the first: {}: {}",
            report.refused.len(),
            first.what,
            first.reason
        ))),
    }
}

/// Why there is no row: the code is that of the first cause.
fn nothing(cause: Option<&Absent>) -> Failure {
    let reason = cause.map_or("no device was asked for", |absent| &*absent.reason);
    let code = cause.and_then(|absent| absent.code).unwrap_or("invalid_input");
    Failure::Told { code, message: format!("nothing could be measured: {reason}") }
}

/// The folder of the model, its name and whether it is random. It lives as long as what is returned first.
fn model(args: &BenchArgs) -> Result<(Option<synthetic::Folder>, PathBuf, String), Failure> {
    if let Some(folder) = &args.model {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        return Ok((None, folder.clone(), name.unwrap_or_else(|| folder.display().to_string())));
    }
    let name = args.synthetic.as_deref().unwrap_or(MODEL);
    let folder = synthetic::write(name)?;
    let path = folder.path().to_owned();
    Ok((Some(folder), path, name.to_owned()))
}

fn measure(args: &BenchArgs, threads: usize) -> Result<Report, Failure> {
    let bar = bar::Bar::new();
    bar.say("writing the model");
    let (kept, path, name) = model(args)?;
    let files = ModelFiles::from_dir(&path).map_err(Error::from)?;
    let blueprint = Blueprint::read(&files)?;
    let maker = match blueprint.takes_pictures() {
        true => {
            let json = files.preprocessor().map_err(Error::from)?;
            Maker::Pictures(Box::new(Preprocessor::from_json(json).map_err(Error::from)?))
        }
        false => {
            let options = LoadOptions { device: DeviceChoice::Reference, ..LoadOptions::default() };
            Maker::texts(block_on(Model::load(files.clone(), options, &NoControl))?)?
        }
    };
    let (pooling, normalize) = blueprint.pooling();
    let setup = Setup { python: &args.python, model: &path, threads, pooling: pooling.to_owned(), normalize };
    let devices = devices(args);
    // Drivers take their time and may have things to say, so they are asked only for who wants a GPU.
    let adapters = match devices.contains(&DeviceChoice::Gpu) || devices.contains(&DeviceChoice::Auto) {
        true => block_on(GpuDevice::enumerate()),
        false => Vec::new(),
    };
    let report = Report {
        environment: Environment::here(threads, &adapters),
        model: ModelFacts {
            name,
            synthetic: kept.is_some(),
            parameters: blueprint.parameters(),
            pooling: pooling.to_owned(),
            pictures: blueprint.takes_pictures(),
        },
        devices: Vec::new(),
        peers: Vec::new(),
        rows: Vec::new(),
        peak_resident_bytes: None,
        refused: Vec::new(),
        missing: Vec::new(),
    };
    let mut bench = device::Bench {
        args,
        path: &path,
        blueprint: &blueprint,
        maker,
        adapters,
        pool: Pool::new(setup)?,
        bar,
        works: Default::default(),
        truth: Default::default(),
        report,
    };
    for device in devices {
        for &dtype in &args.dtype {
            bench.device(device, dtype)?;
        }
    }
    bench.bar.clear();
    bench.report.peers = bench.pool.about();
    bench.report.peak_resident_bytes = environment::peak_resident_bytes();
    Ok(bench.report)
}

fn devices(args: &BenchArgs) -> Vec<DeviceChoice> {
    let known = || DEVICES.iter().filter_map(|name| DeviceChoice::from_name(name).ok()).collect();
    args.devices.clone().unwrap_or_else(known)
}

fn write(folder: &Path, report: &Report) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, &error))?;
    let charts = charts::all(report);
    let names: Vec<&str> = charts.iter().map(|(name, _)| *name).collect();
    let mut files =
        vec![("report.json", report.json() + "\n"), ("report.md", views::markdown(report, &names))];
    files.extend(charts);
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| Failure::file("write", &path, &error))?;
    }
    Ok(())
}
