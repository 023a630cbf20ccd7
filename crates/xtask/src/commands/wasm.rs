//! `cargo xtask wasm`: Rust to `pkg/wasm/`: the modules of both variants and the JavaScript around them.
//!
//! wasm-opt is not used: after brotli it saved nothing, nor time that could be measured, and it cost half a minute a
//! module.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::args::Args;
use crate::stamp::Stamp;
use crate::variant::Variant;
use crate::{budget, console, interface, tls, variant, workspace};

pub fn run(mut args: Args) -> Result<()> {
    args.flag("--release"); // the default; accepted because cargo taught everybody to type it
    let suites = args.flag("--suites");
    args.finish()?;
    if suites {
        return build_suites();
    }
    build()?;
    budget::check()
}

/// Builds the browser core into `pkg/wasm`, in both variants, and what only some models need.
pub fn build() -> Result<()> {
    console::heading("wasm");
    let module = Module { package: "heatseek-wasm", out_name: "heatseek", out_dir: workspace::wasm_dir() };
    module.build()?;
    let extras = Module { package: "heatseek-extras", out_name: "heatseek_extras", ..module };
    extras.build_alone().context("building heatseek-extras")
}

/// Builds the conformance suites that browser tests load, into `target/conformance-wasm`.
pub fn build_suites() -> Result<()> {
    console::heading("wasm of the conformance suites");
    let out_dir = workspace::root().join("target/conformance-wasm");
    Module { package: "heatseek-conformance", out_name: "heatseek_conformance", out_dir }.build()
}

struct Module {
    package: &'static str,
    out_name: &'static str,
    out_dir: PathBuf,
}

impl Module {
    fn build(&self) -> Result<()> {
        for variant in Variant::ALL {
            self.build_variant(variant)
                .with_context(|| format!("building {} ({variant:?})", self.package))?;
        }
        for variant in Variant::ALL {
            interface::check_instructions(&self.wasm(variant), variant)?;
        }
        interface::check_fits(&self.wasm(Variant::Relaxed), &self.wasm(Variant::Baseline))
    }

    /// Builds a module that has no variants: with the instructions and the memory of the baseline.
    fn build_alone(&self) -> Result<()> {
        variant::compile_alone(self.package)?;
        let compiled = workspace::compiled_wasm(self.package);
        let stamp_file = workspace::target_dir().join("xtask").join(self.out_name).with_extension("stamp");
        let stamp = Stamp::new(
            stamp_file,
            std::slice::from_ref(&compiled),
            &[self.out_name, env!("CARGO_PKG_VERSION")],
        )?;
        let (js, wasm) = (self.out_dir.join(format!("{}.js", self.out_name)), self.wasm(Variant::Baseline));
        if stamp.is_current(&[&js, &wasm])? {
            console::note(&format!("{}: unchanged since the last time", self.package));
            return Ok(());
        }
        let bound = self.bind(Variant::Baseline, &compiled).context("binding it to JavaScript")?;
        self.ship_javascript(Variant::Baseline)?;
        fs::rename(&bound, &wasm).with_context(|| format!("moving {}", bound.display()))?;
        stamp.set()
    }

    fn build_variant(&self, variant: Variant) -> Result<()> {
        variant.compile(self.package)?;
        let compiled = workspace::compiled_wasm(self.package);
        let stamp_file =
            workspace::target_dir().join("xtask").join(self.file(variant)).with_extension("stamp");
        let settings = [self.out_name, env!("CARGO_PKG_VERSION")];
        let mut inputs = vec![compiled.clone()];
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
        // What shares memory can do with memory of its own, but not the other way round.
        if variant == Variant::Relaxed {
            self.ship_javascript(variant)?;
        } else {
            interface::take_names(&bound, &self.wasm(Variant::Relaxed))?;
        }
        fs::rename(&bound, &wasm).with_context(|| format!("moving {}", bound.display()))?;
        stamp.set()
    }

    /// Binds one variant; gives the module.
    fn bind(&self, variant: Variant, compiled: &Path) -> Result<PathBuf> {
        let folder = self.bound(variant);
        let mut module = fs::read(compiled).with_context(|| format!("reading {}", compiled.display()))?;
        if variant == Variant::Relaxed {
            tls::align(&mut module).context("aligning what threads have of their own")?;
        }
        let mut bindgen = Bindgen::new();
        bindgen
            .input_bytes(self.out_name, module)
            .out_name(self.out_name)
            .web(true)?
            .typescript(true)
            // The package says where its wasm is, so that bundlers see one literal `new URL` and not two.
            .omit_default_module_path(true)
            .remove_name_section(true)
            .remove_producers_section(true);
        bindgen.generate(&folder)?;
        Ok(folder.join(format!("{}_bg.wasm", self.out_name)))
    }

    /// Copies the JavaScript that was made around one variant.
    fn ship_javascript(&self, variant: Variant) -> Result<()> {
        fs::create_dir_all(&self.out_dir).with_context(|| format!("making {}", self.out_dir.display()))?;
        for ending in [".js", ".d.ts"] {
            let name = format!("{}{ending}", self.out_name);
            fs::copy(self.bound(variant).join(&name), self.out_dir.join(&name))
                .with_context(|| format!("copying {name}"))?;
        }
        Ok(())
    }

    /// Where one variant is bound.
    fn bound(&self, variant: Variant) -> PathBuf {
        workspace::target_dir().join("xtask").join(self.file(variant)).with_extension("bound")
    }

    fn file(&self, variant: Variant) -> String {
        format!("{}{}", self.out_name, variant.file_ending())
    }

    fn wasm(&self, variant: Variant) -> PathBuf {
        self.out_dir.join(self.file(variant))
    }
}
