//! `heatseek info`: what a model is, and what could run it.

use std::io::{self, Write};

use heatseek::{DeviceChoice, ImageModel, LoadOptions, Model, ModelFiles, NoControl, block_on};
use heatseek_cuda::{Cache, CudaDevice, CudaExecutor, CudaOptions, CudaReport};
use heatseek_gpu::GpuDevice;
use heatseek_ops::{Executor, HostExecutor, ReferenceExecutor};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::InfoArgs;
use crate::failure::Failure;

/// What is printed, as one JSON object.
#[derive(Serialize)]
struct Report<'a, S> {
    architecture: &'a str,
    #[serde(flatten)]
    spec: &'a S,
    /// The other half of a model of texts and pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    vision: Option<Value>,
    devices: Vec<Value>,
    /// Where compiled kernels are kept between sessions, or why they are not.
    cache: Value,
}

/// Runs `heatseek info`. Names are those of the model's own config.json; lengths are tokens.
pub fn run(args: &InfoArgs) -> Result<(), Failure> {
    let files = ModelFiles::from_dir(&args.model).map_err(heatseek::Error::from)?;
    // Loaded for real, so that a model that is described is a model that works; the reference prepares fastest.
    let options = LoadOptions { device: DeviceChoice::Reference, ..LoadOptions::default() };
    if files.is_vision() {
        let spec = block_on(ImageModel::load(files, options, &NoControl))?.info().spec;
        return print(&spec.model_type, &spec, None);
    }
    let vision = match files.has_vision() {
        false => None,
        true => Some(match block_on(ImageModel::load(files.clone(), options.clone(), &NoControl)) {
            Ok(model) => json!(model.info().spec),
            Err(error) => json!({ "error": error.to_string() }),
        }),
    };
    let spec = block_on(Model::load(files, options, &NoControl))?.info().spec;
    print(&spec.model_type, &spec, vision)
}

fn print<S: Serialize>(architecture: &str, spec: &S, vision: Option<Value>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let report = Report { architecture, spec, vision, devices: devices(), cache: cache() };
    serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

fn cache() -> Value {
    match Cache::of_user("cuda").check() {
        Ok(folder) => json!({ "folder": folder }),
        Err(why) => json!({ "unavailable": why }),
    }
}

/// Every device there is, slowest first; where there is no CUDA, why.
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
    let cuda = match CudaDevice::enumerate() {
        Ok(all) => all.into_iter().map(cuda).collect(),
        Err(error) => vec![json!({ "kind": "cuda", "unavailable": error.to_string() })],
    };
    let hosts = ["reference", "cpu"].into_iter().zip(hosts).map(host);
    hosts.chain(gpus.into_iter().map(gpu)).chain(cuda).collect()
}

/// A GPU that CUDA drives. Opened for real, because without NVRTC nothing runs on it.
fn cuda(report: CudaReport) -> Value {
    let opened = CudaDevice::request(&CudaOptions { name: Some(report.name.clone()) });
    let (backend, unavailable) = match opened {
        Ok(device) => (CudaExecutor::new(device).device().backend, None),
        Err(error) => (report.backend, Some(error.to_string())),
    };
    let mut value = json!({
        "kind": "cuda",
        "name": report.name,
        "backend": backend,
        "features": [
            report.architecture,
            format!("{} multiprocessors", report.multiprocessors),
            format!("{} MiB", report.memory_bytes >> 20),
        ],
    });
    if let Some(why) = unavailable {
        value["unavailable"] = why.into();
    }
    value
}
