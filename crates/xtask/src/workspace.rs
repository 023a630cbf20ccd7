//! Where things are.

use std::path::{Path, PathBuf};

/// The repository. Known at compile time: xtask is only ever run by cargo, out of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Where models are kept: `HEATSEEK_MODELS`, else `models/` in the repository.
pub fn models_dir() -> PathBuf {
    match std::env::var_os("HEATSEEK_MODELS") {
        Some(dir) => root().join(dir),
        None => root().join("models"),
    }
}

/// The wasm module and its JavaScript, as the npm package imports them.
pub fn wasm_dir() -> PathBuf {
    root().join("pkg/wasm")
}

/// What cargo makes of `package` for browsers, before it is bound to JavaScript.
pub fn compiled_wasm(package: &str) -> PathBuf {
    target_dir().join("wasm32-unknown-unknown/wasm").join(format!("{}.wasm", package.replace('-', "_")))
}
