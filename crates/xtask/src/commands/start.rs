//! `cargo xtask start` (`npm start`): from a fresh clone to a page in the browser.
//!
//! It serves the production build: what a visitor would get, and without a bundler's dev server whose
//! optimizer rewrites the URLs of workers and wasm.

use anyhow::Result;

use crate::args::Args;
use crate::commands::{build, serve};
use crate::workspace;

pub fn run(mut args: Args) -> Result<()> {
    let port = args.value("--port")?.unwrap_or(serve::DEFAULT_PORT);
    build::run(args)?;
    serve::serve(&workspace::root().join("web/dist"), port)
}
