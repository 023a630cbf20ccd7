//! `heatseek quantize` from outside, on small random models.

#[allow(dead_code, reason = "other tests of the binary use more of it")]
mod binary;

use std::fs;
use std::path::Path;

use binary::{assert_fails, golden, heatseek, rows, scratch, vector};
use serde_json::Value;

/// Quantises a golden model into a new folder; what is printed, and the folder.
fn quantize(model: &str, name: &str, more: &[&str]) -> (Value, String) {
    let output = scratch(name).join("model").display().to_string();
    let model = golden(model);
    let mut args = vec!["quantize", "--model", &model, "--output", &output];
    args.extend(more);
    let printed = heatseek(&args, b"");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    (serde_json::from_slice(&printed.stdout).unwrap(), output)
}

fn embedded(model: &str) -> Vec<f64> {
    let args = ["embed", "--model", model, "--device", "cpu"];
    vector(&rows(&heatseek(&args, b"The bees find the honey"))[0])
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn a_quantised_model_is_smaller_and_nearly_the_same() {
    let name = "models/bert-no-st";
    let before = embedded(&golden(name));
    for (bits, least) in [("int8", 0.999), ("int4", 0.9)] {
        let (report, folder) = quantize(name, &format!("quantize-{bits}"), &["--weights", bits]);
        let weights = |folder: &str| fs::metadata(Path::new(folder).join("model.safetensors")).unwrap().len();
        assert!(weights(&folder) * 2 < weights(&golden(name)), "{bits}");
        assert_eq!((&report["linear"], &report["embeddings"]), (&bits.into(), &bits.into()));
        assert!(report["cosine_min"].as_f64().unwrap() > least, "{report}");
        let after = embedded(&folder);
        let turned = cosine(&before, &after);
        assert!(turned > least && turned < 1.0, "{bits}: {turned}");
    }
}

#[test]
fn pictures_and_parts_in_other_bits_too() {
    let (report, folder) =
        quantize("clip/siglip", "quantize-clip", &["--weights", "int4", "--embeddings", "int8"]);
    assert_eq!((&report["linear"], &report["embeddings"]), (&"int4".into(), &"int8".into()));
    let config: Value =
        serde_json::from_slice(&fs::read(Path::new(&folder).join("config.json")).unwrap()).unwrap();
    assert_eq!(config["quantization_config"]["format"], "mixed-precision");
    let (report, _) = quantize("vision/dinov2", "quantize-vision", &[]);
    assert_eq!(report["compared"], 4);
    assert!(report["cosine_min"].as_f64().unwrap() > 0.999, "{report}");
}

#[test]
fn no_file_is_written_over() {
    let folder = scratch("quantize-taken");
    fs::write(folder.join("mine.txt"), "mine").unwrap();
    let (model, output) = (golden("models/bert-no-st"), folder.display().to_string());
    let args = ["quantize", "--model", &model, "--output", &output];
    assert_fails(&heatseek(&args, b""), 1, &["not empty", "--output", "[invalid_input]"]);
    assert_fails(&heatseek(&[&args[..], &["--weights", "int3"]].concat(), b""), 2, &["int8 or int4"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}
