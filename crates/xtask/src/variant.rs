//! The browser builds: one source, compiled for every browser and for those with the newest instructions.

use std::process::Command;

use anyhow::{Context, Result};

use crate::run;

/// Tells the program that cargo takes for rustc that it is not the door for contributors.
const WRAPPING: &str = "HEATSEEK_XTASK_WRAPS_RUSTC";

/// What a browser build may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// SIMD128 and memory of its own.
    Baseline,
    /// Relaxed SIMD, and memory that threads can share.
    Relaxed,
}

impl Variant {
    /// Both, first the one that the JavaScript is made from.
    pub const ALL: [Self; 2] = [Self::Relaxed, Self::Baseline];

    /// What the module is called, after the name of its package's JavaScript.
    pub fn file_ending(self) -> &'static str {
        match self {
            Self::Baseline => "_bg.wasm",
            Self::Relaxed => "_relaxed_bg.wasm",
        }
    }

    /// Compiles `package`. Dependencies are compiled once for both variants.
    ///
    /// std was compiled for one thread and stays so: only stable Rust is used here. Atomic operations become real ones
    /// when the whole program is optimised and any part of it has the feature, and `--no-check-features` lets the
    /// linker put shared memory under code that was compiled without. What such a program must not do on its other
    /// threads is in heatseek-cpu/src/parallel/.
    pub fn compile(self, package: &str) -> Result<()> {
        let mut command = rustc_for_browsers(package);
        command
            .arg("--")
            // The JavaScript around both is the same, and makes the memory.
            .args(["-C", "link-arg=--import-memory"])
            // LLVM would load everything that a step of a matrix product takes before the first multiplication. Engines
            // keep that order, and registers for it they have not: what should stay in them goes through memory.
            .args(["-C", "llvm-args=-pre-RA-sched=source"]);
        if self == Self::Relaxed {
            let itself = std::env::current_exe().context("finding xtask itself")?;
            command.env("RUSTC_WORKSPACE_WRAPPER", itself).env(WRAPPING, "yes");
            // Of this crate alone: wasm-bindgen's own crates would want nightly Rust with it.
            command.args(["-C", "target-feature=+atomics"]);
            for linking in LINKED_SHARED {
                command.arg("-C").arg(format!("link-arg={linking}"));
            }
        }
        run::run(&mut command)
    }
}

/// Compiles `package`, which has no variants: as the baseline, but for the memory, which it makes itself.
pub fn compile_alone(package: &str) -> Result<()> {
    run::run(&mut rustc_for_browsers(package))
}

fn rustc_for_browsers(package: &str) -> Command {
    let mut command = run::cargo();
    command.args(["rustc", "--profile", "wasm", "--target", "wasm32-unknown-unknown", "--lib"]).args([
        "--crate-type",
        "cdylib",
        "--package",
        package,
    ]);
    command
}

/// A module over shared memory, with what wasm-bindgen wants to know of it.
const LINKED_SHARED: &[&str] = &[
    "--shared-memory",
    "--no-check-features",
    // All there is of 32-bit addresses: the page decides how much of it to ask the browser for.
    "--max-memory=4294967296",
    "--export=__heap_base",
    "--export=__tls_align",
    "--export=__tls_base",
    "--export=__tls_size",
    "--export=__wasm_init_tls",
];

/// Whether cargo called us as the compiler of our own crates.
pub fn is_rustc() -> bool {
    std::env::var_os(WRAPPING).is_some()
}

/// rustc, as `RUSTC_WORKSPACE_WRAPPER`: what runs in a browser may use relaxed SIMD.
pub fn rustc() -> Result<()> {
    let mut given = std::env::args_os().skip(1);
    let mut rustc = Command::new(given.next().context("cargo named no rustc")?);
    let arguments: Vec<_> = given.collect();
    if arguments.iter().any(|argument| argument == "wasm32-unknown-unknown") {
        rustc.args(["-C", "target-feature=+relaxed-simd"]);
    }
    run::run(rustc.args(arguments))
}
