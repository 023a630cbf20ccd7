//! What there is on this machine to test with: backends and real models.

use std::path::PathBuf;

use heatseek::block_on;
use heatseek_conformance::Backend;

/// The folder of the whole repository: where cargo runs the tests, or where they were built.
pub fn root() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built, PathBuf::from).join("../..")
}

/// Whether to go on without something: only outside CI, and never silently.
pub fn missing(what: &str, why: &str) {
    println!("NOT RUN: {what}: {why}");
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "{what} is missing in CI: {why}");
}

/// Whether `backend` is here, said either way. No CI has a GPU for CUDA; `HEATSEEK_REQUIRE_CUDA=1` demands one.
pub fn available(backend: &Backend) -> bool {
    match block_on(backend.executor()) {
        Ok(executor) => {
            let device = executor.device();
            println!("RUNS: {backend}: {} ({}, {})", device.name, device.backend, device.kernels);
            true
        }
        Err(why) if *backend == Backend::cuda() => {
            println!("NOT RUN: {backend}: {why}");
            let required = std::env::var_os("HEATSEEK_REQUIRE_CUDA").is_some_and(|v| v == "1");
            assert!(!required, "{backend} is required and missing: {why}");
            false
        }
        Err(why) => {
            missing(&backend.to_string(), &why.to_string());
            false
        }
    }
}

/// The folder of real models.
pub fn models() -> PathBuf {
    std::env::var_os("HEATSEEK_MODELS").map_or_else(|| root().join("models"), PathBuf::from)
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
