//! `cargo xtask build`: the npm package and the page, from a fresh clone.

use anyhow::{Context, Result};

use crate::args::Args;
use crate::commands::{setup, wasm};
use crate::{console, npm, run};

pub fn run(args: Args) -> Result<()> {
    args.finish()?;
    setup::needed()?;
    wasm::build()?;
    package()?;
    page()?;
    console::note("the page is in web/dist");
    Ok(())
}

/// TypeScript to `pkg/dist`.
pub fn package() -> Result<()> {
    console::heading("npm package");
    run::run(npm::npm().args(["run", "build", "--workspace", "pkg"])).context("building the npm package")
}

/// The static site in `web/dist`.
pub fn page() -> Result<()> {
    console::heading("page");
    run::run(npm::npm().args(["run", "build", "--workspace", "web"])).context("building the page")
}
