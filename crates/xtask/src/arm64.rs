//! 64-bit ARM on a machine that is none: the kernels for NEON, emulated by QEMU.
//!
//! The target has musl and Rust brings a linker, so neither a C compiler nor a C library of the other machine is needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// What the kernels are compiled for.
pub const TARGET: &str = "aarch64-unknown-linux-musl";

/// A processor to emulate.
pub struct Processor {
    /// As QEMU names it.
    pub name: &'static str,
    /// What it has for products of 8-bit integers, best first, as `Int8Isa` names it: its tests fail if less is found.
    pub int8: &'static str,
    /// Which tests of `heatseek-cpu` it runs, as arguments of cargo. A lesser processor need not repeat what does not
    /// depend on what it lacks.
    pub tests: &'static [&'static str],
}

/// One with everything, on which tests go through every instruction set; and one that has nothing but what every
/// 64-bit ARM has, on which what is missing has to be found missing.
pub const PROCESSORS: [Processor; 2] = [
    Processor { name: "max", int8: "neon-i8mm neon-dotprod neon scalar", tests: &["--lib", "--tests"] },
    Processor { name: "cortex-a72", int8: "neon scalar", tests: &["--lib", "--test", "int8"] },
];

/// Whether this machine could emulate it and has to: on a 64-bit ARM the native tests are these tests.
pub const fn foreign() -> bool {
    cfg!(target_os = "linux") && !cfg!(target_arch = "aarch64")
}

/// QEMU for programs of Linux.
pub fn emulator() -> Option<PathBuf> {
    run::which("qemu-aarch64").or_else(|| run::which("qemu-aarch64-static"))
}

/// The tests of the CPU kernels on `processor`, as `emulator` has it.
pub fn tests(emulator: &Path, processor: &Processor) -> Command {
    let Processor { name, int8, tests } = processor;
    let mut command = run::cargo();
    command.args(["test", "--package", "heatseek-cpu", "--target", TARGET, "--no-fail-fast"]).args(*tests);
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
    let runner = format!("{} -cpu {name}", emulator.display());
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER", runner);
    command.env("HEATSEEK_EXPECTED_INT8", int8);
    command
}
