//! `cargo xtask corpus`: a corpus with known answers, for `heatseek eval`.

use anyhow::{Context, Result};

use crate::args::Args;
use crate::{run, workspace};

pub fn run(mut args: Args) -> Result<()> {
    let folder = args.word().map_or_else(|| workspace::target_dir().join("corpora/docstrings"), Into::into);
    args.finish()?;
    let script = "tests/bench/make_corpus.py";
    run::run(run::command("python3").arg(script).arg(folder)).context("making the corpus; is pip installed?")
}
