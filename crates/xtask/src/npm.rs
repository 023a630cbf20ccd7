//! npm, and the packages it installs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::stamp::Stamp;
use crate::{console, run, workspace};

/// `npm …`, without its advertisements.
pub fn npm() -> Command {
    let mut command = run::command(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.env("npm_config_fund", "false").env("npm_config_audit", "false");
    command.env("npm_config_update_notifier", "false");
    command
}

/// A program that an npm package brought along.
pub fn tool(name: &str) -> PathBuf {
    let name = if cfg!(windows) { format!("{name}.cmd") } else { name.to_owned() };
    workspace::root().join("node_modules/.bin").join(name)
}

/// Installs the packages of every workspace, unless the manifests are those of the last time.
pub fn install() -> Result<()> {
    if run::which(if cfg!(windows) { "npm.cmd" } else { "npm" }).is_none() {
        bail!("npm is not on the PATH: install Node.js 20 or newer from https://nodejs.org");
    }
    let root = workspace::root();
    let lock = root.join("package-lock.json");
    let manifests: Vec<PathBuf> = [
        "package.json",
        "package-lock.json",
        "pkg/package.json",
        "web/package.json",
        "tests/documents/package.json",
    ]
    .iter()
    .map(|path| root.join(path))
    .collect();
    let installed = root.join("node_modules/.package-lock.json");
    let stamp_file = || root.join("node_modules/.heatseek-stamp");
    if Stamp::new(stamp_file(), &manifests, &[])?.is_current(&[&installed])? {
        console::note("npm packages: already installed");
        return Ok(());
    }
    // `ci` takes exactly what the lock file says, and refuses one that no longer fits the manifests.
    let exact = lock.exists() && run::run(npm().arg("ci")).is_ok();
    if !exact {
        run::run(npm().arg("install"))?;
    }
    // Anew, because `npm install` may have written the lock file.
    Stamp::new(stamp_file(), &manifests, &[])?.set()
}

/// Does the package in `folder` have this script?
pub fn has_script(folder: &Path, script: &str) -> Result<bool> {
    let Some(text) = run::read_file_if_any(&folder.join("package.json"))? else { return Ok(false) };
    let manifest: serde_json::Value = serde_json::from_str(&text)?;
    Ok(manifest["scripts"][script].is_string())
}
