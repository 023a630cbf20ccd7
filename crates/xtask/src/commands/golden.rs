//! `cargo xtask golden`: the outputs of PyTorch that the model tests compare with.

use anyhow::{Context, Result};

use crate::args::Args;
use crate::{console, run, workspace};

/// What makes them, each with its arguments. The Python packages they need are in
/// `tests/golden/requirements.txt`.
const SCRIPTS: &[&[&str]] = &[
    &["tests/golden/make_goldens.py", "--model", "models/all-MiniLM-L6-v2", "--out", "tests/golden"],
    &["tests/golden/make_models.py", "--out", "tests/golden/models"],
    &["tests/golden/make_attention.py", "--models", "tests/golden/models"],
    &["tests/golden/make_vision.py", "--out", "tests/golden/vision"],
    &["tests/golden/make_clip.py", "--out", "tests/golden/clip"],
    &["tests/golden/make_layers.py", "--golden", "tests/golden"],
    &[
        "tests/golden/make_dinov2.py",
        "--model",
        "models/dinov2-small",
        "--pictures",
        "models/test-pictures",
        "--out",
        "tests/golden",
    ],
    &["tests/golden/make_explain.py", "--out", "tests/golden"],
    &["tests/golden/make_analyses.py", "--out", "tests/golden"],
    &["tests/golden/make_ablations.py", "--golden", "tests/golden"],
    &["tests/golden/make_poolers.py", "--out", "tests/golden"],
    &["tests/golden/make_retrieval_metrics.py", "--out", "tests/golden"],
    &["tests/golden/make_bm25.py", "--out", "tests/golden"],
    &["tests/golden/images.py", "--out", "tests/golden/images"],
    &["tests/golden/make_pooler_sets.py", "--out", "tests/golden"],
    &["tests/golden/make_quantized.py", "--out", "tests/golden/quantized"],
    &[
        "tests/golden/make_sentence_transformers.py",
        "--minilm",
        "models/all-MiniLM-L6-v2",
        "--golden",
        "tests/golden",
    ],
];

pub fn run(mut args: Args) -> Result<()> {
    let write = args.flag("--write");
    args.finish()?;
    if write {
        console::heading("golden");
        let installed = workspace::root().join(".venv/bin/python");
        let python = if installed.exists() { installed } else { "python3".into() };
        for script in SCRIPTS {
            run::run(run::command(&python).args(*script)).context(
                "making the goldens; do the packages of tests/golden/requirements.txt lie in .venv?",
            )?;
        }
        return Ok(());
    }
    let folder = workspace::root().join("tests/golden");
    let mut files: Vec<_> = folder
        .read_dir()
        .with_context(|| format!("could not list {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    for file in files {
        let bytes = file.metadata().map_or(0, |data| data.len());
        println!("{:>12}  {}", console::grouped(bytes), file.strip_prefix(workspace::root())?.display());
    }
    println!("`cargo xtask golden --write` makes them anew");
    Ok(())
}
