//! `cargo xtask archive`: the native binary as people download it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::docs::links_in;
use crate::args::Args;
use crate::{console, run, workspace};

/// What is released. Linux has the oldest glibc that is still in use; zig's linker takes it from the target's name.
const TARGETS: &[&str] = &[
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-gnu",
];
const GLIBC: &str = "2.28";

/// What stands beside the binary, with all that it links to, each file where the repository has it: no link is dead.
const PAPERS: &[&str] = &["README.md", "LICENSE-MIT", "LICENSE-APACHE", "docs/native.md"];

/// One C compiler and linker for every target: ring has some C, and Linux binaries must not ask for this machine's glibc.
const ZIG: &[&str] = &["cargo-zigbuild==0.24.1", "ziglang==0.17.1"];

pub fn run(mut args: Args) -> Result<()> {
    let check = args.flag("--check");
    let target: Option<String> = args.value("--target")?;
    args.finish()?;
    let targets: Vec<&str> = match &target {
        Some(target) => vec![target],
        None if check => TARGETS.to_vec(),
        None => vec![host()?],
    };
    if let Some(unknown) = targets.iter().find(|target| !TARGETS.contains(target)) {
        bail!("{unknown} is none of the released targets: {}", TARGETS.join(", "));
    }
    for target in targets {
        run::run(run::command("rustup").args(["target", "add", target]))?;
        match check {
            true => run::run(zig("check")?.args(["--package", "heatseek-bench", "--target", target]))?,
            false => archive(target)?,
        }
    }
    Ok(())
}

/// The target of this machine, as far as it is one that is released.
fn host() -> Result<&'static str> {
    let version = run::read(run::command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("unknown");
    let found = TARGETS.iter().find(|target| **target == host);
    found
        .copied()
        .with_context(|| format!("{host} is not released; --target names one of {}", TARGETS.join(", ")))
}

fn archive(target: &str) -> Result<()> {
    // Frameworks of macOS are nothing that another system has: its linker is needed.
    let apple = target.contains("apple");
    if apple && !cfg!(target_os = "macos") {
        bail!(
            "{target} is linked with the frameworks of macOS: make its archive on a Mac (--check works anywhere)"
        );
    }
    let linux = target.contains("linux").then(|| format!("{target}.{GLIBC}"));
    let mut build = if apple { run::cargo() } else { zig("zigbuild")? };
    if apple {
        build.arg("build");
    }
    build.args(["--release", "--locked", "--package", "heatseek-bench", "--target"]);
    run::run(build.arg(linux.as_deref().unwrap_or(target)))?;

    let windows = target.contains("windows");
    let name = format!("heatseek-{}-{target}", env!("CARGO_PKG_VERSION"));
    let place = workspace::target_dir().join("archives");
    let folder = place.join(&name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let binary = if windows { "heatseek.exe" } else { "heatseek" };
    copy(&workspace::target_dir().join(target).join("release").join(binary), &folder)?;
    for paper in linked(workspace::root(), PAPERS)? {
        let place = folder.join(paper.parent().unwrap_or(Path::new("")));
        fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
        copy(&workspace::root().join(&paper), &place)?;
    }
    let file = place.join(format!("{name}.{}", if windows { "zip" } else { "tar.gz" }));
    pack(&place, &name, &file)?;
    let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let of = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = place.join(format!("{of}.sha256"));
    fs::write(&beside, format!("{sum}  {of}\n")).with_context(|| format!("writing {}", beside.display()))?;
    console::note(&format!("{}: {:.1} MB, SHA-256 {sum}", file.display(), bytes.len() as f64 / 1e6));
    Ok(())
}

/// `files` below `root`, what the Markdown among them links to, and what that links to in turn.
fn linked(root: &Path, files: &[&str]) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut next: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    while let Some(file) = next.pop() {
        if !found.insert(file.clone()) || file.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let folder = file.parent().unwrap_or(Path::new(""));
        for link in links_in(&run::read_file(&root.join(&file))?) {
            let to = plain(&folder.join(&link));
            if !root.join(&to).is_file() {
                bail!("{} links to {link}, which is no file that an archive could hold", file.display());
            }
            next.push(to);
        }
    }
    Ok(found)
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// By the tools that every system has: tar, and Python's zip.
fn pack(place: &Path, name: &str, file: &Path) -> Result<()> {
    let _ = fs::remove_file(file);
    let mut command = if file.extension().is_some_and(|extension| extension == "zip") {
        let mut python = run::command("python3");
        python.args(["-m", "zipfile", "-c"]).arg(file);
        python
    } else {
        let mut tar = run::command("tar");
        tar.arg("-czf").arg(file);
        tar
    };
    run::run(command.arg(name).current_dir(place))
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let to = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, &to).with_context(|| format!("copying {} to {}", file.display(), to.display()))?;
    Ok(())
}

/// cargo with zig as compiler and linker, which are fetched where they are missing.
fn zig(verb: &str) -> Result<Command> {
    let place = workspace::target_dir().join("zig");
    let bin = place.join("bin");
    let program = bin.join("cargo-zigbuild");
    if !program.is_file() {
        run::run(run::command("python3").args(["-m", "venv"]).arg(&place))?;
        run::run(run::command(bin.join("pip")).args(["install", "--quiet"]).args(ZIG))?;
    }
    let mut command = run::command(program);
    let mut path: Vec<PathBuf> = vec![bin];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    command.arg(verb).env("PATH", std::env::join_paths(path).context("PATH")?);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_of_every_paper_is_in_the_archive() {
        let root = workspace::root();
        let papers = linked(root, PAPERS).unwrap();
        let mut links = 0;
        for paper in
            papers.iter().filter(|paper| paper.extension().is_some_and(|extension| extension == "md"))
        {
            for link in links_in(&run::read_file(&root.join(paper)).unwrap()) {
                links += 1;
                let to = root.join(paper).parent().unwrap().join(&link).canonicalize().unwrap();
                let to = to.strip_prefix(root.canonicalize().unwrap()).unwrap().to_owned();
                assert!(papers.contains(&to), "{}: {link}", paper.display());
            }
        }
        assert!(links > 10 && papers.contains(Path::new("docs/screenshot.png")), "{papers:?}");
    }

    #[test]
    fn a_link_to_nothing_makes_no_archive() {
        let folder = workspace::target_dir().join("archive-test");
        fs::create_dir_all(folder.join("docs")).unwrap();
        fs::write(folder.join("a.md"), "[b](docs/b.md#part) [web](https://example.org)").unwrap();
        fs::write(folder.join("docs/b.md"), "[a](../a.md) [c](c.png)").unwrap();
        let why = linked(&folder, &["a.md"]).unwrap_err().to_string();
        assert!(why.contains("docs/b.md") && why.contains("c.png"), "{why}");
        fs::write(folder.join("docs/c.png"), "").unwrap();
        let all = linked(&folder, &["a.md"]).unwrap();
        assert_eq!(all, ["a.md", "docs/b.md", "docs/c.png"].map(PathBuf::from).into());
        fs::remove_dir_all(folder).unwrap();
    }
}
