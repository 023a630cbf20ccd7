//! `cargo xtask fuzz`: hostile files, as many as fit in the time. Fails if any was a finding: a panic, a hang, or more
//! memory than a file of its size may cost.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::{console, run, workspace};

/// Its name, the folders of its seeds, and the most bytes of one allocation in MiB.
type Target = (&'static str, &'static [&'static str], u32);
/// The limits are what the target's own limits allow, a file of `MAX_FILE_BYTES` besides, and some room.
const TARGETS: &[Target] = &[
    ("safetensors", &["tests/fuzz/seeds/safetensors"], 16),
    ("tokenizer", &["tests/fuzz/seeds/tokenizer"], 64),
    ("config", &["tests/fuzz/seeds/config"], 16),
    ("preprocessor", &["tests/fuzz/seeds/preprocessor"], 16),
    ("image", &["tests/golden/images/pictures"], 32),
    ("index_manifest", &["tests/fuzz/seeds/index_manifest"], 16),
    ("index_archive", &["tests/fuzz/seeds/index_archive"], 16),
];
/// Long enough for every structure there is, and short enough to try many a second.
const MAX_FILE_BYTES: u32 = 16 << 10;
/// Of the whole process: AddressSanitizer keeps what was freed for a while.
const MAX_MEMORY_MIB: u32 = 1024;
/// What a target has by default.
const SECONDS: u64 = 300;
/// One file takes some milliseconds at most; the machine may be busy.
const TIMEOUT_S: u32 = 20;

pub fn run(mut args: Args) -> Result<()> {
    let seconds: u64 = args.value("--seconds")?.unwrap_or(SECONDS);
    let mut chosen = Vec::new();
    while let Some(name) = args.word() {
        let Some(target) = TARGETS.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<&str> = TARGETS.iter().map(|(name, ..)| *name).collect();
            bail!("there is no target {name}; there are {}", known.join(", "));
        };
        chosen.push(target);
    }
    args.finish()?;
    if chosen.is_empty() {
        chosen.extend(TARGETS);
    }
    targets(chosen, seconds)
}

/// Every target, as long as it has by default.
pub fn all() -> Result<()> {
    targets(TARGETS.iter().collect(), SECONDS)
}

/// Installs what this needs and is not there.
pub fn setup() -> Result<()> {
    if run::read(run::command("rustup").args(["run", "nightly", "rustc", "--version"])).is_err() {
        run::run(run::command("rustup").args(["toolchain", "install", "nightly", "--profile", "minimal"]))?;
    }
    if run::read(cargo_fuzz().arg("--version")).is_err() {
        run::run(run::cargo().args(["install", "cargo-fuzz", "--locked"]))?;
    }
    Ok(())
}

fn targets(chosen: Vec<&Target>, seconds: u64) -> Result<()> {
    run::read(cargo_fuzz().arg("--version")).context(
        "`rustup toolchain install nightly` and `cargo install cargo-fuzz` install what this needs",
    )?;
    let mut found = Vec::new();
    for (name, seeds, allocation_mib) in chosen {
        console::heading(&format!("fuzz {name}, {seconds} s"));
        let corpus = workspace::target_dir().join("fuzz/corpus").join(name);
        fs::create_dir_all(&corpus).with_context(|| format!("could not create {}", corpus.display()))?;
        let mut command = fuzz_command(name, &corpus);
        command.args(seeds.iter().map(|seeds| workspace::root().join(seeds)));
        command.arg("--").args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={MAX_FILE_BYTES}"),
            format!("-malloc_limit_mb={allocation_mib}"),
            format!("-rss_limit_mb={MAX_MEMORY_MIB}"),
            format!("-timeout={TIMEOUT_S}"),
            "-print_final_stats=1".into(),
        ]);
        if let Err(error) = run::run(&mut command) {
            console::note(&format!("{error:#}"));
            found.push(*name);
        }
    }
    if !found.is_empty() {
        bail!(
            "findings in {}: the files are in tests/fuzz/artifacts; make each a test of the crate concerned",
            found.join(", ")
        );
    }
    Ok(())
}

/// Runs `target`, with what it learns kept in `corpus`.
fn fuzz_command(target: &str, corpus: &Path) -> std::process::Command {
    let mut command = cargo_fuzz();
    // Sums that wrap are found by the checks that only builds with assertions have.
    command.args(["run", "--fuzz-dir", "tests/fuzz", "--release", "--debug-assertions", "--target-dir"]);
    command.arg(workspace::target_dir().join("fuzz")).arg(target).arg(corpus);
    command
}

/// cargo-fuzz of the nightly toolchain, whichever runs us: sanitizers are unstable.
fn cargo_fuzz() -> std::process::Command {
    let mut command = run::command("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]);
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"] {
        command.env_remove(name);
    }
    command
}
