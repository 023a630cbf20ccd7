//! `cargo xtask layers`: crates may depend only on crates below them. The order is the one in
//! ARCHITECTURE.md.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::args::Args;
use crate::run;

/// Lowest first. Crates of one layer do not know each other.
const LAYERS: &[&[&str]] = &[
    &["heatseek-testkit", "heatseek-normal-forms"],
    &["heatseek-ops"],
    &["heatseek-wgsl", "heatseek-cpu", "heatseek-naga-cuda"],
    &["heatseek-gpu", "heatseek-cuda", "heatseek-naga-cuda-conformance"],
    &[
        "heatseek-text",
        "heatseek-image",
        "heatseek-search",
        "heatseek-attention",
        "heatseek-pool",
        "heatseek-hub",
        "heatseek-patterns",
    ],
    &["heatseek-model"],
    &["heatseek"],
    &["heatseek-conformance"],
    &["heatseek-wasm", "heatseek-extras", "heatseek-bench", "xtask"],
];

/// What may be used for tests alone, whatever its layer: `cargo test` knows no cycle there.
const FOR_TESTS: &[&str] = &["heatseek-testkit", "heatseek-conformance"];

pub fn run(args: Args) -> Result<()> {
    args.finish()?;
    check()
}

/// Fails, naming every dependency that points up or sideways, and every crate without a layer.
pub fn check() -> Result<()> {
    let text = run::read(run::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).context("reading `cargo metadata`")?;
    let wrong = wrong_dependencies(&metadata);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    println!("every crate depends only on crates below it");
    Ok(())
}

fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

fn wrong_dependencies(metadata: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(layer) = layer_of(name) else {
            wrong.push(format!("{name} has no layer: give it one in crates/xtask/src/commands/layers.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let below = dependency["name"].as_str().unwrap_or_default();
            // A crate may name itself to turn on its own features for its own tests.
            let for_tests = dependency["kind"] == "dev" && (FOR_TESTS.contains(&below) || below == name);
            match layer_of(below) {
                Some(other) if other >= layer && !for_tests => {
                    wrong.push(format!("{name} must not depend on {below}, which is not below it"));
                }
                _ => {}
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn depends(name: &str, below: &str, kind: Option<&str>) -> Vec<String> {
        let dependency = json!({ "name": below, "kind": kind });
        wrong_dependencies(&json!({ "packages": [{ "name": name, "dependencies": [dependency] }] }))
    }

    #[test]
    fn down_is_allowed_up_and_sideways_are_not() {
        assert!(depends("heatseek-gpu", "heatseek-ops", None).is_empty());
        assert!(depends("heatseek-gpu", "serde", None).is_empty());
        assert_eq!(depends("heatseek-ops", "heatseek-gpu", None).len(), 1);
        assert_eq!(depends("heatseek-wgsl", "heatseek-cpu", None).len(), 1);
        assert_eq!(depends("heatseek-elsewhere", "serde", None).len(), 1);
    }

    #[test]
    fn the_testkit_may_be_used_by_tests_of_anything() {
        assert!(depends("heatseek-ops", "heatseek-conformance", Some("dev")).is_empty());
        assert_eq!(depends("heatseek-ops", "heatseek-gpu", Some("dev")).len(), 1);
    }
}
