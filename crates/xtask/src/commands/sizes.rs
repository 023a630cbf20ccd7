//! `cargo xtask sizes`: lines a file. A room too large to read in one go is a defect like any other.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};

use crate::args::Args;
use crate::{budget, run, workspace};

/// Nothing is longer, but for tables of data.
const LIMIT_LINES: usize = 600;
/// What most files should stay under; printed, not enforced.
const TYPICAL_LINES: usize = 350;
/// Kinds of file that are read as code.
const CODE: &[&str] = &["rs", "wgsl", "ts", "tsx", "mts", "js", "mjs", "css", "html", "py", "sh"];

pub fn run(args: Args) -> Result<()> {
    args.finish()?;
    lines()?;
    if workspace::wasm_dir().is_dir() { budget::check() } else { Ok(()) }
}

/// Prints median, 90th percentile and maximum a folder; fails past the limit.
pub fn lines() -> Result<()> {
    let files = code_files()?;
    let mut folders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut too_long = Vec::new();
    let mut long = Vec::new();
    for path in &files {
        let Ok(text) = run::read_file(&workspace::root().join(path)) else { continue };
        let count = text.lines().count();
        folders.entry(folder_of(path)).or_default().push(count);
        match count {
            _ if is_data(path) => {}
            count if count > LIMIT_LINES => too_long.push(format!("{count} {path}")),
            count if count > TYPICAL_LINES => long.push(format!("{count} {path}")),
            _ => {}
        }
    }
    println!("{:<28} {:>6} {:>7} {:>7} {:>6} {:>6}", "folder", "files", "lines", "median", "90 %", "max");
    let all: Vec<usize> = folders.values().flatten().copied().collect();
    for (folder, mut counts) in folders.into_iter().chain([("together".to_owned(), all)]) {
        counts.sort_unstable();
        let at = |percent: usize| counts[(counts.len() - 1) * percent / 100];
        let total: usize = counts.iter().sum();
        println!("{folder:<28} {:>6} {total:>7} {:>7} {:>6} {:>6}", counts.len(), at(50), at(90), at(100));
    }
    for line in long {
        println!("long: {line}");
    }
    if !too_long.is_empty() {
        bail!("over the limit of {LIMIT_LINES} lines: {}", too_long.join(", "));
    }
    Ok(())
}

/// Tracked files and those about to be.
fn code_files() -> Result<Vec<String>> {
    let listed =
        run::read(run::command("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let is_code =
        |path: &&str| Path::new(path).extension().is_some_and(|kind| CODE.iter().any(|code| kind == *code));
    Ok(listed.lines().filter(is_code).map(str::to_owned).collect())
}

fn folder_of(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    parts.truncate(if path.starts_with("crates/") || path.starts_with("tests/") { 2 } else { 1 });
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// Tables of data may be as long as their data: the sample corpus, the golden texts.
fn is_data(path: &str) -> bool {
    path.contains("/data/") || path.contains("/corpus") || path.starts_with("tests/golden/")
}
