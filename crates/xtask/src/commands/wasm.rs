//! `cargo xtask wasm`: Rust to `pkg/wasm/heatseek_bg.wasm` and its JavaScript, as small as it gets.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::args::Args;
use crate::stamp::Stamp;
use crate::{budget, console, npm, run, workspace};

/// The features rustc turns on for wasm32-unknown-unknown, plus SIMD128 from `.cargo/config.toml`.
/// wasm-opt refuses instructions whose feature it was not told of.
const WASM_OPT: &[&str] = &[
    "-O3",
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
];

pub fn run(mut args: Args) -> Result<()> {
    let optimise = !args.flag("--no-opt");
    args.flag("--release"); // the default; accepted because cargo taught everybody to type it
    let suites = args.flag("--suites");
    args.finish()?;
    if suites {
        return build_suites();
    }
    build(optimise)?;
    budget::check(optimise)
}

/// Builds the browser core into `pkg/wasm`.
pub fn build(optimise: bool) -> Result<()> {
    console::heading("wasm");
    let module = Module { package: "heatseek-wasm", out_name: "heatseek", out_dir: workspace::wasm_dir() };
    module.build(optimise)
}

/// Builds the conformance suites that browser tests load, into `target/conformance-wasm`.
pub fn build_suites() -> Result<()> {
    console::heading("wasm of the conformance suites");
    let out_dir = workspace::root().join("target/conformance-wasm");
    Module { package: "heatseek-conformance", out_name: "heatseek_conformance", out_dir }.build(false)
}

struct Module {
    package: &'static str,
    out_name: &'static str,
    out_dir: PathBuf,
}

impl Module {
    fn build(&self, optimise: bool) -> Result<()> {
        run::run(
            run::cargo()
                .args(["build", "--profile", "wasm", "--target", "wasm32-unknown-unknown", "--lib"])
                .args(["--package", self.package]),
        )?;
        let compiled = workspace::compiled_wasm(self.package);
        let stamp_file = workspace::target_dir().join("xtask").join(format!("{}.stamp", self.package));
        let mut settings = vec![self.out_name, env!("CARGO_PKG_VERSION")];
        if optimise {
            settings.extend(WASM_OPT);
        }
        let lock = workspace::root().join("package-lock.json");
        let stamp = Stamp::new(stamp_file, &[compiled.clone(), lock], &settings)?;
        let js = self.out_dir.join(format!("{}.js", self.out_name));
        let wasm = self.out_dir.join(format!("{}_bg.wasm", self.out_name));
        if stamp.is_current(&[&js, &wasm])? {
            console::note("unchanged since the last time");
            return Ok(());
        }
        self.bind(&compiled).with_context(|| format!("binding {} to JavaScript", self.package))?;
        if optimise {
            optimise_in_place(&wasm)?;
        }
        stamp.set()
    }

    fn bind(&self, compiled: &Path) -> Result<()> {
        let mut bindgen = Bindgen::new();
        bindgen
            .input_path(compiled)
            .out_name(self.out_name)
            .web(true)?
            .typescript(true)
            // The package says where its wasm is, so that bundlers see one literal `new URL` and not two.
            .omit_default_module_path(true)
            .remove_name_section(true)
            .remove_producers_section(true);
        if self.out_dir.is_dir() {
            fs::remove_dir_all(&self.out_dir)
                .with_context(|| format!("emptying {}", self.out_dir.display()))?;
        }
        bindgen.generate(&self.out_dir)
    }
}

fn optimise_in_place(wasm: &Path) -> Result<()> {
    let wasm_opt = npm::tool("wasm-opt");
    if !wasm_opt.exists() {
        bail!("wasm-opt is not installed: run `cargo xtask setup` first");
    }
    let smaller = wasm.with_extension("opt.wasm");
    run::run(run::command(wasm_opt).args(WASM_OPT).arg(wasm).arg("-o").arg(&smaller))?;
    fs::rename(&smaller, wasm).with_context(|| format!("replacing {}", wasm.display()))
}
