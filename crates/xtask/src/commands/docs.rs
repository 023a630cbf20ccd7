//! `cargo xtask docs`: a command that a document names must exist.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::args::Args;
use crate::{HELP, run, workspace};

/// Commands of the native binary: the variants of `Command` in heatseek-bench/src/args.rs.
const HEATSEEK_OWN: [&str; 14] = [
    "info",
    "embed",
    "attention",
    "explain",
    "occlude",
    "analyze",
    "convert",
    "search",
    "index",
    "eval",
    "bench",
    "poolers",
    "models",
    "--help",
];

/// What npm itself provides.
const NPM_OWN: &[&str] = &["install", "ci", "i", "pack", "run", "publish", "exec", "init"];

pub fn run(args: Args) -> Result<()> {
    args.finish()?;
    check()
}

/// Reads every code line of the documents; fails on an xtask command, npm script, `heatseek` command or
/// linked file that is not there.
pub fn check() -> Result<()> {
    let scripts = npm_scripts()?;
    let mut wrong = Vec::new();
    let mut checked = 0;
    for document in &documents()? {
        // One that is deleted and not yet committed is listed still.
        let Some(text) = run::read_file_if_any(&workspace::root().join(document))? else { continue };
        for command in commands_in(&text) {
            checked += 1;
            if let Some(fault) = fault_of(&command, &scripts) {
                wrong.push(format!("{document}: `{command}`: {fault}"));
            }
        }
        for link in links_in(&text) {
            checked += 1;
            let base = workspace::root().join(document);
            if !base.parent().is_some_and(|folder| folder.join(&link).exists()) {
                wrong.push(format!("{document}: links to {link}, which is not there"));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    println!("{checked} commands and links in the documents are good");
    Ok(())
}

/// Every Markdown file there is, tracked or about to be, but for reports, which say what was.
fn documents() -> Result<Vec<String>> {
    let listed = run::read(run::command("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.md",
    ]))?;
    Ok(listed.lines().filter(|path| !path.starts_with("bench/results/")).map(str::to_owned).collect())
}

fn npm_scripts() -> Result<BTreeSet<String>> {
    let text = run::read_file(&workspace::root().join("package.json"))?;
    let manifest: Value = serde_json::from_str(&text).context("reading package.json")?;
    Ok(manifest["scripts"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect())
}

/// Inline code and code blocks that start with one of our commands.
fn commands_in(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            commands.push(line.trim().trim_start_matches("$ ").to_owned());
        } else {
            commands.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    let ours = ["cargo xtask ", "npm ", "heatseek "];
    commands.retain(|command| ours.iter().any(|start| command.starts_with(start)));
    commands
}

/// Relative targets of `[text](target)`.
pub fn links_in(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or(target).to_owned())
        // What is called `name[key]()` is no link.
        .filter(|target| !target.is_empty())
        .collect()
}

fn fault_of(command: &str, scripts: &BTreeSet<String>) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        ["cargo", "xtask", name, ..] => {
            let known = HELP.lines().any(|line| line.split_whitespace().next() == Some(name));
            (!known && !["COMMAND", "help"].contains(name)).then(|| format!("xtask has no command {name}"))
        }
        ["npm", "run", name, ..] => (!scripts.contains(*name)).then(|| format!("there is no script {name}")),
        ["npm", name, ..] => {
            let known = NPM_OWN.contains(name) || scripts.contains(*name);
            (!known).then(|| format!("npm has no command or script {name}"))
        }
        ["heatseek", name, ..] => {
            (!HEATSEEK_OWN.contains(name)).then(|| format!("heatseek has no command {name}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_commands_in_blocks_and_in_sentences() {
        let text = "Run `npm start` or\n```sh\n$ cargo xtask wasm --suites\nls\n```\nand `x = 1`.";
        assert_eq!(commands_in(text), ["npm start", "cargo xtask wasm --suites"]);
    }

    #[test]
    fn knows_what_there_is() {
        let scripts = BTreeSet::from(["start".to_owned(), "bench:browser".to_owned()]);
        for good in
            ["npm start", "npm run bench:browser -- --json x", "npm install", "cargo xtask test --quick"]
        {
            assert_eq!(fault_of(good, &scripts), None, "{good}");
        }
        for bad in ["npm stop", "npm run nothing", "cargo xtask dance", "heatseek dance"] {
            assert!(fault_of(bad, &scripts).is_some(), "{bad}");
        }
    }

    #[test]
    fn finds_relative_links_only() {
        let text =
            "[a](ARCHITECTURE.md#life) [b](https://x.org/y) [c](#here) ![d](docs/s.png) `\\[dispose\\]()`";
        assert_eq!(links_in(text), ["ARCHITECTURE.md", "docs/s.png"]);
    }
}
