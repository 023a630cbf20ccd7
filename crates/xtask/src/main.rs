//! `cargo xtask`: everything a contributor or CI runs, one file a command.

/// Printed by `cargo xtask help`, and by every command that does not exist.
const HELP: &str = "\
cargo xtask COMMAND, the one door for contributors and CI

Make and run it:
  setup [--tests]          install what is missing: wasm target, npm packages, the model
                           (--tests: also a vision model, pictures, Chromium, a software Vulkan driver
                           and an emulator of 64-bit ARM)
  wasm [--suites]          compile the browser core into pkg/wasm and check its size
                           (--suites: the conformance suites for browser tests instead)
  build                    setup, wasm, the npm package, the page (web/dist)
  start [--port N]         build, then serve the page and print its address
  serve DIR [--port N]     serve a folder as a static host would
  archive [--target T]     the native binary as people download it, in target/archives
                           (--check: does it compile for every system it is released for?)

Check it:
  test [--quick] [--list]
                           every test, native and browser (check is the same; it is what CI runs)
                           --quick leaves out what needs a browser or an emulator, --list prints the steps
  sizes                    lines a file, failing above the limit; budget of the browser build
  layers                   do the crates depend on each other in one direction only?
  docs                     do the commands that the documents name exist?
  corpus [DIR]             make a corpus to evaluate poolers on (target/corpora/docstrings)
  fuzz [TARGET…] [--seconds N]
                           feed hostile files to whatever reads files, 300 s a target (needs nightly Rust and
                           cargo-fuzz)
  nightly                  what takes too long for every change: fuzz, after installing what it needs, and an index
                           that outlives 100 killed tabs
  golden [--write]         are the goldens there and of this version? (--write makes them anew)
";

mod commands {
    pub mod archive;
    pub mod build;
    pub mod corpus;
    pub mod docs;
    pub mod fuzz;
    pub mod golden;
    pub mod layers;
    pub mod nightly;
    pub mod serve;
    pub mod setup;
    pub mod sizes;
    pub mod start;
    pub mod test;
    pub mod wasm;
}
mod args;
mod arm64;
mod budget;
mod chromium;
mod console;
mod interface;
mod npm;
mod nvrtc;
mod parts;
mod pictures;
mod run;
mod stamp;
mod tally;
mod tls;
mod variant;
mod vulkan;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use args::Args;
use commands::{
    archive, build, corpus, docs, fuzz, golden, layers, nightly, serve, setup, sizes, start, test, wasm,
};

fn main() -> ExitCode {
    let done = if variant::is_rustc() { variant::rustc() } else { dispatch() };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}` prints the chain of causes on one line: what we were doing, then why it failed.
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<()> {
    let mut args = Args::from_env();
    match args.command().as_deref() {
        Some("archive") => archive::run(args),
        Some("setup") => setup::run(args),
        Some("wasm") => wasm::run(args),
        Some("build") => build::run(args),
        Some("start") => start::run(args),
        Some("serve") => serve::run(args),
        Some("test" | "check") => test::run(args),
        Some("sizes") => sizes::run(args),
        Some("layers") => layers::run(args),
        Some("docs") => docs::run(args),
        Some("corpus") => corpus::run(args),
        Some("fuzz") => fuzz::run(args),
        Some("nightly") => nightly::run(args),
        Some("golden") => golden::run(args),
        Some("help" | "--help" | "-h") | None => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("there is no command \"{other}\"\n\n{HELP}"),
    }
}
