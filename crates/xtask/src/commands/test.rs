//! `cargo xtask test` (`npm test`, and what CI runs): every test there is, native and browser.
//!
//! A step that fails does not stop the ones after it, unless they need what it makes: one run tells
//! everything that is wrong.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use crate::args::Args;
use crate::commands::{build, docs, layers, setup, sizes, wasm};
use crate::tally::{Tally, failed_test};
use crate::{arm64, budget, console, npm, nvrtc, run, vulkan, workspace};

/// What a test run was asked for.
struct Options {
    quick: bool,
}

/// One step: its name, the step it cannot do without, and what it does.
struct Step {
    name: &'static str,
    needs: Option<&'static str>,
    /// Left out of `--quick`: it needs what takes time to install.
    thorough: bool,
    work: fn(&Options) -> Result<Tally>,
}

const fn step(name: &'static str, needs: Option<&'static str>, work: fn(&Options) -> Result<Tally>) -> Step {
    Step { name, needs, thorough: false, work }
}

const fn thorough(
    name: &'static str,
    needs: Option<&'static str>,
    work: fn(&Options) -> Result<Tally>,
) -> Step {
    Step { name, needs, thorough: true, work }
}

/// Cheap ones first, so that most mistakes show within a minute.
const STEPS: &[Step] = &[
    step("setup", None, |options| plain(setup::needed().and_then(|()| tests_need(options)))),
    step("format", None, |_| plain(run::run(run::cargo().args(["fmt", "--all", "--check"])))),
    step("layers", None, |_| plain(layers::check())),
    step("lines", None, |_| plain(sizes::lines())),
    step("docs", None, |_| plain(docs::check())),
    step("xtask", None, |_| counted(run::cargo().args(["test", "--package", "xtask"]))),
    step("clippy", None, |_| plain(clippy())),
    step("normal forms", None, |_| plain(normal_forms())),
    step("native", None, native),
    thorough("arm64", None, |_| emulated()),
    thorough("wasm", Some("setup"), |_| plain(wasm::build())),
    thorough("npm package", Some("wasm"), |_| plain(build::package())),
    thorough("size", Some("npm package"), |_| plain(budget::check())),
    thorough("npm package tests", Some("npm package"), |_| npm_tests("pkg")),
    thorough("document tests", Some("npm package"), |_| node_tests("tests/documents")),
    thorough("page", Some("npm package"), |_| plain(build::page())),
    thorough("page tests", Some("page"), |_| npm_tests("web")),
    thorough("suites", Some("setup"), |_| plain(wasm::build_suites())),
    thorough("browser tests", Some("suites"), |_| node_tests("tests/browser")),
    thorough("packaging tests", Some("npm package"), |_| node_tests("tests/packaging")),
];

pub fn run(mut args: Args) -> Result<()> {
    let list = args.flag("--list");
    let options = Options { quick: args.flag("--quick") };
    args.finish()?;
    let steps = STEPS.iter().filter(|step| !(step.thorough && options.quick));
    if list {
        steps.for_each(|step| println!("{}", step.name));
        return Ok(());
    }
    let outcomes: Vec<Outcome> = steps.fold(Vec::new(), |mut outcomes, step| {
        let outcome = take(step, &options, &outcomes);
        outcomes.push(outcome);
        outcomes
    });
    summarise(&outcomes)
}

struct Outcome {
    name: &'static str,
    tally: Tally,
    elapsed: String,
    failure: Option<String>,
}

fn take(step: &Step, options: &Options, before: &[Outcome]) -> Outcome {
    let start = Instant::now();
    let lacking = step
        .needs
        .filter(|needed| before.iter().any(|outcome| outcome.name == *needed && outcome.failure.is_some()));
    let result = match lacking {
        Some(needed) => Err(anyhow!("not run, because \"{needed}\" failed")),
        None => {
            console::heading(step.name);
            (step.work)(options)
        }
    };
    let (mut tally, failure) = match result {
        Ok(tally) => (tally, None),
        Err(error) => {
            // A runner that failed has printed its own count; the step itself is what failed here.
            eprintln!("xtask: {}: {error:#}", step.name);
            (Tally::default(), Some(format!("{error:#}")))
        }
    };
    if failure.is_some() && tally.failed == 0 {
        tally.failed = 1;
    } else if tally.is_empty() {
        tally.passed = 1;
    }
    Outcome { name: step.name, tally, elapsed: console::duration(start.elapsed()), failure }
}

/// A table of the steps, the failures again, and `N passed, N failed` as the last line.
fn summarise(outcomes: &[Outcome]) -> Result<()> {
    let mut total = Tally::default();
    println!("\n{:<20} {:>8} {:>8} {:>14}", "step", "passed", "failed", "time");
    for outcome in outcomes {
        total.add(outcome.tally);
        let Outcome { name, tally, elapsed, .. } = outcome;
        println!("{name:<20} {:>8} {:>8} {elapsed:>14}", tally.passed, tally.failed);
    }
    for outcome in outcomes {
        if let Some(failure) = &outcome.failure {
            println!("FAILED {}: {failure}", outcome.name);
        }
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    std::io::stdout().flush()?;
    match outcomes.iter().filter(|outcome| outcome.failure.is_some()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} steps failed", outcomes.len()),
    }
}

fn tests_need(options: &Options) -> Result<()> {
    if options.quick { Ok(()) } else { setup::for_tests() }
}

fn clippy() -> Result<()> {
    run::run(run::cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

/// Our normal forms against the crate that they are in place of, in a workspace of its own: in ours it is replaced.
fn normal_forms() -> Result<()> {
    let manifest = workspace::root().join("crates/heatseek-normal-forms/against/Cargo.toml");
    let mut command = run::cargo();
    command.args(["run", "--release", "--locked", "--manifest-path"]).arg(manifest);
    run::run(command.env("CARGO_TARGET_DIR", workspace::target_dir().join("against")))
}

/// All of it in one cargo call, so that every dependency is compiled with one set of features. xtask is
/// tested apart: it is compiled with its own features already, for we are running.
fn native(_: &Options) -> Result<Tally> {
    let mut command = run::cargo();
    command.args(["test", "--workspace", "--exclude", "xtask", "--no-fail-fast"]);
    command.env("HEATSEEK_MODELS", workspace::models_dir());
    if let Some(folder) = nvrtc::folder() {
        command.env("HEATSEEK_NVRTC", folder);
    }
    if let Some(drivers) = vulkan::software_drivers() {
        // Both names: Vulkan loaders before 1.3.207 know only the old one.
        command.env("VK_DRIVER_FILES", &drivers).env("VK_ICD_FILENAMES", &drivers);
    }
    counted(&mut command)
}

/// The CPU kernels on an emulated 64-bit ARM.
fn emulated() -> Result<Tally> {
    if cfg!(target_arch = "aarch64") {
        console::note("this machine is one: its native tests were these");
        return Ok(Tally::default());
    }
    let emulator = match (arm64::emulator(), setup::has_target(arm64::TARGET)?) {
        (Some(emulator), true) => emulator,
        (emulator, _) => {
            let lacking = if emulator.is_some() { arm64::TARGET } else { "qemu-aarch64" };
            if std::env::var_os("CI").is_some_and(|value| value == "true") {
                bail!("{lacking} is missing in CI");
            }
            console::note(&format!("NOT RUN: {lacking} is not installed, see `cargo xtask setup --tests`"));
            return Ok(Tally::default());
        }
    };
    let mut tally = Tally::default();
    for processor in &arm64::PROCESSORS {
        tally.add(counted(&mut arm64::tests(&emulator, processor))?);
    }
    Ok(tally)
}

fn npm_tests(workspace_folder: &str) -> Result<Tally> {
    let folder = workspace::root().join(workspace_folder);
    if npm::has_script(&folder, "check")? {
        run::run(npm::npm().args(["run", "check", "--workspace", workspace_folder]))?;
    }
    counted(npm::npm().args(["run", "test", "--workspace", workspace_folder]))
}

/// A folder of `*.test.mjs`: by vitest where the folder has a configuration for it, else by Node itself.
fn node_tests(folder: &str) -> Result<Tally> {
    let path = workspace::root().join(folder);
    let config = path.join("vitest.config.mjs");
    let mut command = if config.is_file() {
        let mut command = run::command(npm::tool("vitest"));
        command.args(["run", "--config"]).arg(config);
        command
    } else {
        let mut command = run::command("node");
        command.args(["--test", "--test-concurrency=1"]).args(test_files(&path)?);
        command
    };
    command.env("HEATSEEK_MODELS", workspace::models_dir());
    counted(&mut command)
}

fn test_files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("could not list {}", folder.display()))?;
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    if files.is_empty() {
        bail!("there is no test in {}", folder.display());
    }
    Ok(files)
}

fn plain(result: Result<()>) -> Result<Tally> {
    result.map(|()| Tally::default())
}

/// Runs a test runner, passing on what it prints and counting it.
fn counted(command: &mut Command) -> Result<Tally> {
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        command.env("CARGO_TERM_COLOR", "always").env("FORCE_COLOR", "1");
    }
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{}`; is it installed?", run::shown(command)))?;
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let mut out = std::io::stdout().lock();
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.context("reading the output of the tests")?;
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            let line = String::from_utf8_lossy(&line);
            tally.read(&line);
            // Once, though Node says it again in its summary.
            failed.extend(failed_test(&line).filter(|name| !failed.contains(name)));
        }
    }
    let status = child.wait().context("waiting for the tests")?;
    if !status.success() {
        bail!(
            "`{}` failed with {status} after {} passed, {} failed{}",
            run::shown(command),
            tally.passed,
            tally.failed,
            failed.iter().map(|name| format!("\n    {name}")).collect::<String>()
        );
    }
    if tally.is_empty() {
        bail!("`{}` ran no test", run::shown(command));
    }
    Ok(tally)
}
