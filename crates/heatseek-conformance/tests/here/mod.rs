//! What there is on this machine to test with: backends and real models.

use std::path::PathBuf;

use heatseek::block_on;
use heatseek_conformance::Backend;

/// Whether to go on without something: only outside CI, and never silently.
pub fn missing(what: &str, why: &str) {
    println!("NOT RUN: {what}: {why}");
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "{what} is missing in CI: {why}");
}

/// Whether `backend` is here, said either way.
pub fn available(backend: &Backend) -> bool {
    match block_on(backend.executor()) {
        Ok(executor) => {
            let device = executor.device();
            println!("RUNS: {backend}: {} ({}, {})", device.name, device.backend, device.kernels);
            true
        }
        Err(why) => {
            missing(&backend.to_string(), &why.to_string());
            false
        }
    }
}

/// The folder of real models.
pub fn models() -> PathBuf {
    std::env::var_os("HEATSEEK_MODELS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models"), PathBuf::from)
}

/// all-MiniLM-L6-v2, if it was fetched.
pub fn real_model() -> Option<PathBuf> {
    let dir = models().join("all-MiniLM-L6-v2");
    if dir.join("model.safetensors").exists() {
        return Some(dir);
    }
    missing("all-MiniLM-L6-v2", "fetch it with `cargo run -p heatseek-bench -- models fetch`");
    None
}
