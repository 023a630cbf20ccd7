//! `cargo xtask nightly`: what takes too long for every change.

use anyhow::{Result, bail};

use crate::args::Args;
use crate::commands::{build, fuzz, setup, wasm};
use crate::{console, npm, run};

/// Tabs that are killed. With the workers that are killed in each before, it took nine minutes on two busy cores.
const TAB_KILLS: &str = "100";

pub fn run(args: Args) -> Result<()> {
    args.finish()?;
    // Neither keeps the other from being run.
    let outcomes = [("fuzz", fuzz::setup().and_then(|()| fuzz::all())), ("kills", kills())];
    let failed = outcomes.into_iter().filter_map(|(name, outcome)| Some((name, outcome.err()?)));
    let failed: Vec<String> = failed.map(|(name, error)| format!("{name}: {error:#}")).collect();
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}

/// Kills of tabs that write to an index: as in every run of the tests, but more.
fn kills() -> Result<()> {
    setup::needed()?;
    setup::for_tests()?;
    wasm::build()?;
    build::package()?;
    console::heading(&format!("{TAB_KILLS} tabs are killed"));
    let mut vitest = run::command(npm::tool("vitest"));
    vitest.args(["run", "--config", "tests/browser/vitest.config.mjs", "index-kills"]);
    run::run(vitest.env("HEATSEEK_KILLS", TAB_KILLS))
}
