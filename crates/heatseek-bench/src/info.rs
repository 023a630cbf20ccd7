//! `heatseek info`: what a model is, and what could run it.

use std::io::{self, Write};

use heatseek::{DeviceChoice, LoadOptions, Model, ModelFiles, ModelSpec, NoControl, block_on};
use heatseek_gpu::GpuDevice;
use heatseek_ops::{Executor, HostExecutor, ReferenceExecutor};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::InfoArgs;
use crate::failure::Failure;

/// What is printed, as one JSON object.
#[derive(Serialize)]
struct Report<'a> {
    architecture: &'a str,
    #[serde(flatten)]
    spec: &'a ModelSpec,
    devices: Vec<Value>,
}

/// Runs `heatseek info`. Names are those of the model's own config.json; lengths are tokens.
pub fn run(args: &InfoArgs) -> Result<(), Failure> {
    let files = ModelFiles::from_dir(&args.model).map_err(heatseek::Error::from)?;
    // Loaded for real, so that a model that is described is a model that works; the reference prepares fastest.
    let options = LoadOptions { device: DeviceChoice::Reference, ..LoadOptions::default() };
    let info = block_on(Model::load(files, options, &NoControl))?.info();
    let report = Report { architecture: &info.spec.model_type, spec: &info.spec, devices: devices() };
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

/// Every device there is, slowest first.
fn devices() -> Vec<Value> {
    let hosts = [HostExecutor::new(ReferenceExecutor).device(), heatseek_cpu::executor().device()];
    let host = |(kind, device): (&str, heatseek_ops::DeviceInfo)| {
        json!({
            "kind": kind,
            "name": device.name,
            "backend": device.backend,
            "kernels": device.kernels,
            "features": device.features,
        })
    };
    let gpus = block_on(GpuDevice::enumerate());
    let gpu = |adapter: heatseek_gpu::AdapterReport| {
        json!({
            "kind": "gpu",
            "name": adapter.name,
            "backend": adapter.backend,
            "driver": adapter.driver,
            "type": adapter.device_type,
            "software": adapter.software,
            "features": adapter.features,
        })
    };
    ["reference", "cpu"].into_iter().zip(hosts).map(host).chain(gpus.into_iter().map(gpu)).collect()
}
