//! What the browser has to download, and how much of it we allow.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{console, parts, run, workspace};

/// wasm and JavaScript that every page downloads, after brotli, in bytes, with search and stored indexes. What could still
/// go is in ARCHITECTURE.md.
const BUDGET_BROTLI_BYTES: u64 = 800_000;

/// The module that only some models need, after brotli, in bytes: as above.
const EXTRAS_BROTLI_BYTES: u64 = 404_000;
const EXTRAS: &str = "heatseek_extras_bg.wasm";

/// Node has gzip and brotli built in; this saves compiling both.
const MEASURE: &str = include_str!("measure.mjs");

struct Part {
    path: PathBuf,
    raw_bytes: u64,
    gzip_bytes: u64,
    brotli_bytes: u64,
}

/// Prints the size of every file the package ships to browsers; fails past the budget.
pub fn check() -> Result<()> {
    console::heading("size of the browser build");
    let files = measure(&shipped()?)?;
    println!("{:>12} {:>12} {:>12}  file", "raw", "gzip", "brotli");
    for part in &files {
        print_row(part.raw_bytes, part.gzip_bytes, part.brotli_bytes, &part.path.display().to_string());
    }
    let module = workspace::compiled_wasm("heatseek-wasm");
    let (modules, scripts): (Vec<_>, Vec<_>) = files.iter().partition(|part| is_wasm(&part.path));
    let (extras, modules): (Vec<_>, Vec<_>) =
        modules.into_iter().partition(|part| part.path.ends_with(EXTRAS));
    // Of the builds a browser downloads one; the larger counts.
    let shipped_module = modules.into_iter().max_by_key(|part| part.brotli_bytes);
    let total = |size: fn(&Part) -> u64| scripts.iter().copied().chain(shipped_module).map(size).sum::<u64>();
    let brotli_bytes = total(|part| part.brotli_bytes);
    print_row(
        total(|part| part.raw_bytes),
        total(|part| part.gzip_bytes),
        brotli_bytes,
        "together, one of the builds, without extras",
    );
    keep_within("what every page downloads", brotli_bytes, BUDGET_BROTLI_BYTES)?;
    keep_within("extras", extras.iter().map(|part| part.brotli_bytes).sum(), EXTRAS_BROTLI_BYTES)?;
    if let Some(part) = shipped_module
        && module.is_file()
    {
        parts::print(&module, part.brotli_bytes)?;
    }
    Ok(())
}

fn keep_within(what: &str, bytes: u64, budget: u64) -> Result<()> {
    let (shown, of) = (console::grouped(bytes), console::grouped(budget));
    if bytes > budget {
        bail!("{what}: {shown} bytes after brotli are over the budget of {of}");
    }
    println!("budget: {what}: {of} bytes after brotli, {} % used", bytes * 100 / budget);
    Ok(())
}

fn print_row(raw: u64, gzip: u64, brotli: u64, name: &str) {
    let [raw, gzip, brotli] = [raw, gzip, brotli].map(console::grouped);
    println!("{raw:>12} {gzip:>12} {brotli:>12}  {name}");
}

/// The modules, and the package's bundles where they have been built: they hold the wasm's JavaScript, and what they are made
/// of lies beside them. The copy of the wasm that the package carries is not counted again, and may be of yesterday.
fn shipped() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let wasm = workspace::wasm_dir();
    if wasm.is_dir() {
        collect(&wasm, &mut files)?;
    }
    let bundles = ["index.js", "worker.js"].map(|name| workspace::root().join("pkg/dist").join(name));
    if bundles.iter().all(|bundle| bundle.is_file()) {
        files.retain(|file| is_wasm(file));
        files.extend(bundles);
    }
    files.sort();
    Ok(files)
}

fn is_wasm(file: &Path) -> bool {
    file.extension().is_some_and(|kind| kind == "wasm")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in folder.read_dir().with_context(|| format!("could not list {}", folder.display()))? {
        let path = entry?.path();
        let is_code = path.extension().is_some_and(|kind| kind == "wasm" || kind == "js");
        if path.is_dir() {
            collect(&path, files)?;
        } else if is_code {
            files.push(path);
        }
    }
    Ok(())
}

fn measure(files: &[PathBuf]) -> Result<Vec<Part>> {
    let mut node = run::command("node");
    let text = run::read(node.args(["--input-type=module", "--eval", MEASURE, "--"]).args(files))
        .context("compressing the browser build")?;
    let sizes: Vec<[u64; 3]> = serde_json::from_str(&text).context("reading the sizes Node printed")?;
    let part = |(path, [raw_bytes, gzip_bytes, brotli_bytes]): (&PathBuf, [u64; 3])| Part {
        path: path.strip_prefix(workspace::root()).unwrap_or(path).to_owned(),
        raw_bytes,
        gzip_bytes,
        brotli_bytes,
    };
    Ok(files.iter().zip(sizes).map(part).collect())
}
