//! `cargo xtask setup`: installs what a fresh clone on a fresh machine lacks. Doing it twice costs seconds.

use std::path::Path;

use anyhow::{Context, Result, bail};
use heatseek_hub::{ALL_MINILM_L6_V2, DINOV2_SMALL, Fetcher, KnownModel, Outcome, Progress};

use crate::args::Args;
use crate::pictures::TEST_PICTURES;
use crate::{arm64, chromium, console, npm, nvrtc, run, vulkan, workspace};

const WASM_TARGET: &str = "wasm32-unknown-unknown";

pub fn run(mut args: Args) -> Result<()> {
    let tests = args.flag("--tests");
    args.finish()?;
    needed()?;
    if tests {
        for_tests()?;
    }
    Ok(())
}

/// What building and running the page needs.
pub fn needed() -> Result<()> {
    console::heading("setup");
    target(WASM_TARGET).context("installing the wasm target")?;
    npm::install().context("installing the npm packages")?;
    fetch(&ALL_MINILM_L6_V2).context("fetching the model")?;
    fetch(&DINOV2_SMALL).context("fetching the vision model")?;
    fetch(&TEST_PICTURES).context("fetching the pictures")
}

/// What the tests need on top: a browser, a GPU that is software, compilers for what is translated to CUDA, and a
/// processor that is emulated.
pub fn for_tests() -> Result<()> {
    if cfg!(target_os = "linux") {
        nvrtc::fetch().context("fetching NVRTC")?;
    }
    if arm64::foreign() {
        emulator();
    }
    let mut missing = Vec::new();
    if chromium::find().is_none() {
        missing.push("chromium");
    }
    if vulkan::lavapipe_icd().is_none() && cfg!(target_os = "linux") {
        missing.push("mesa-vulkan-drivers");
    }
    if run::which("c++").is_none() && cfg!(target_os = "linux") {
        missing.push("g++");
    }
    if missing.is_empty() {
        console::note("Chromium, software Vulkan and a C++ compiler: already installed");
        return Ok(());
    }
    if !cfg!(target_os = "linux") || run::which("apt-get").is_none() {
        bail!(
            "the tests need {}: install it with your package manager (or set CHROMIUM to a browser), then run this again",
            missing.join(" and ")
        );
    }
    missing.push("libvulkan1");
    apt_install(&missing).with_context(|| format!("installing {}", missing.join(", ")))
}

/// Whether Rust can compile for `target`.
pub fn has_target(target: &str) -> Result<bool> {
    let libdir = run::read(run::command("rustc").args(["--print", "target-libdir", "--target", target]))?;
    Ok(Path::new(libdir.trim()).is_dir())
}

fn target(target: &str) -> Result<()> {
    if has_target(target)? {
        console::note(&format!("{target}: already installed"));
        return Ok(());
    }
    run::run(run::command("rustup").args(["target", "add", target]))
}

/// What runs the kernels for 64-bit ARM. Nothing else needs it, so that it cannot be had is a remark: the step that wants
/// it decides what that means.
fn emulator() {
    let result = target(arm64::TARGET).and_then(|()| match arm64::emulator() {
        Some(_) => Ok(()),
        None if run::which("apt-get").is_some() => apt_install(&["qemu-user"]),
        None => bail!("install QEMU's user mode with your package manager"),
    });
    match result {
        Ok(()) => console::note("an emulator of 64-bit ARM: installed"),
        Err(error) => console::note(&format!("no emulator of 64-bit ARM: {error:#}")),
    }
}

fn fetch(model: &KnownModel) -> Result<()> {
    let fetcher = Fetcher::new(workspace::models_dir());
    let outcome = fetcher.fetch(model, &|progress| {
        if let Progress::Step(step) = progress {
            console::note(&format!("{}: {step}", model.name));
        }
    })?;
    let place = fetcher.model_dir(model);
    match outcome {
        Outcome::AlreadyThere => {}
        Outcome::Fetched { files, .. } => console::note(&format!("{files} files in {}", place.display())),
    }
    Ok(())
}

fn apt_install(packages: &[&str]) -> Result<()> {
    let am_root = run::read(run::command("id").arg("-u"))?.trim() == "0";
    let apt_get = || {
        let mut command = if am_root { run::command("apt-get") } else { run::command("sudo") };
        if !am_root {
            // `-n`: fail rather than wait for a password that nobody may be there to type.
            command.args(["-n", "apt-get"]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run::run(apt_get().args(["update", "-qq"]))?;
    run::run(apt_get().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
        .with_context(|| format!("without root, run `sudo apt-get install {}` yourself", packages.join(" ")))
}
