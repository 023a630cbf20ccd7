//! `cargo xtask serve DIR`: a folder over HTTP, as the dullest static host would.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::{console, run, workspace};

/// A few lines of Node: no special headers, no redirects, nothing a real static host lacks.
const SERVER: &str = include_str!("../serve.mjs");

/// Where `serve` and `start` listen unless told otherwise; the next free port when it is taken.
pub const DEFAULT_PORT: u16 = 8080;

pub fn run(mut args: Args) -> Result<()> {
    let port = args.value("--port")?.unwrap_or(DEFAULT_PORT);
    let Some(folder) = args.word() else { bail!("which folder? cargo xtask serve DIR") };
    args.finish()?;
    serve(&workspace::root().join(folder), port)
}

/// Serves `folder` until interrupted. The server prints its address.
pub fn serve(folder: &Path, port: u16) -> Result<()> {
    if !folder.is_dir() {
        bail!("there is no folder {}", folder.display());
    }
    console::heading(&format!("serving {}", folder.display()));
    run::run(
        run::command("node")
            .args(["--input-type=module", "--eval", SERVER, "--"])
            .arg(folder)
            .arg(port.to_string()),
    )
    .context("serving")
}
