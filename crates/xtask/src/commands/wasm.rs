//! `cargo xtask wasm`: Rust to `pkg/wasm/`: the modules of both variants and the JavaScript around them, as small as
//! it gets.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::args::Args;
use crate::stamp::Stamp;
use crate::variant::Variant;
use crate::{budget, console, interface, npm, run, workspace};

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

/// Builds the browser core into `pkg/wasm`, in both variants.
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
        for variant in Variant::ALL {
            self.build_variant(variant, optimise)
                .with_context(|| format!("building {} ({variant:?})", self.package))?;
        }
        interface::check_same(&self.wasm(Variant::Relaxed), &self.wasm(Variant::Baseline))
    }

    fn build_variant(&self, variant: Variant, optimise: bool) -> Result<()> {
        variant.compile(self.package)?;
        let compiled = workspace::compiled_wasm(self.package);
        let stamp_file =
            workspace::target_dir().join("xtask").join(self.file(variant)).with_extension("stamp");
        let mut settings = vec![self.out_name, env!("CARGO_PKG_VERSION")];
        if optimise {
            settings.extend(WASM_OPT);
        }
        let lock = workspace::root().join("package-lock.json");
        let mut inputs = vec![compiled.clone(), lock];
        if variant != Variant::Relaxed {
            inputs.push(self.wasm(Variant::Relaxed));
        }
        let stamp = Stamp::new(stamp_file, &inputs, &settings)?;
        let (js, wasm) = (self.out_dir.join(format!("{}.js", self.out_name)), self.wasm(variant));
        if stamp.is_current(&[&js, &wasm])? {
            console::note(&format!("{variant:?}: unchanged since the last time"));
            return Ok(());
        }
        let bound = self.bind(variant, &compiled).context("binding it to JavaScript")?;
        if variant != Variant::Relaxed {
            interface::take_names(&bound, &self.wasm(Variant::Relaxed))?;
        }
        if optimise {
            optimise_in_place(&bound, variant)?;
        }
        fs::rename(&bound, &wasm).with_context(|| format!("moving {}", bound.display()))?;
        stamp.set()
    }

    /// Binds one variant, beside its JavaScript where that is the one to ship: what shares memory can do with memory
    /// of its own, but not the other way round.
    fn bind(&self, variant: Variant, compiled: &Path) -> Result<PathBuf> {
        let folder = workspace::target_dir().join("xtask").join(self.file(variant)).with_extension("bound");
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
        bindgen.generate(&folder)?;
        if variant == Variant::Relaxed {
            fs::create_dir_all(&self.out_dir)
                .with_context(|| format!("making {}", self.out_dir.display()))?;
            for ending in [".js", ".d.ts"] {
                let name = format!("{}{ending}", self.out_name);
                fs::copy(folder.join(&name), self.out_dir.join(&name))
                    .with_context(|| format!("copying {name}"))?;
            }
        }
        Ok(folder.join(format!("{}_bg.wasm", self.out_name)))
    }

    fn file(&self, variant: Variant) -> String {
        format!("{}{}", self.out_name, variant.file_ending())
    }

    fn wasm(&self, variant: Variant) -> PathBuf {
        self.out_dir.join(self.file(variant))
    }
}

fn optimise_in_place(wasm: &Path, variant: Variant) -> Result<()> {
    let wasm_opt = npm::tool("wasm-opt");
    if !wasm_opt.exists() {
        bail!("wasm-opt is not installed: run `cargo xtask setup` first");
    }
    let smaller = wasm.with_extension("opt.wasm");
    let mut command = run::command(wasm_opt);
    run::run(command.args(WASM_OPT).args(variant.wasm_opt()).arg(wasm).arg("-o").arg(&smaller))?;
    fs::rename(&smaller, wasm).with_context(|| format!("replacing {}", wasm.display()))
}
