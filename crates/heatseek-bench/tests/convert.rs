//! `heatseek convert` and `heatseek models pack` from outside, on small random models and on a real one.

#[allow(dead_code, reason = "other tests of the binary use more of it")]
mod binary;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use binary::{assert_fails, golden, heatseek, model, rows, scratch, vector};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Converts a model into a new folder; what is printed, and the folder.
fn convert(model: &str, name: &str, more: &[&str]) -> (Value, String) {
    let out = scratch(name).join("model").display().to_string();
    let mut args = vec!["convert", "--model", model, "--out", &out];
    args.extend(more);
    let printed = heatseek(&args, b"");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    (serde_json::from_slice(&printed.stdout).unwrap(), out)
}

fn embedded(model: &str) -> Vec<f64> {
    let args = ["embed", "--model", model, "--device", "cpu"];
    vector(&rows(&heatseek(&args, b"The bees find the honey"))[0])
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn weights(folder: &str) -> u64 {
    fs::metadata(Path::new(folder).join("model.safetensors")).unwrap().len()
}

fn config(folder: &str) -> Value {
    serde_json::from_slice(&fs::read(Path::new(folder).join("config.json")).unwrap()).unwrap()
}

/// Names and bytes of all files below `folder`.
fn files(folder: &Path, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        match path.is_dir() {
            true => all.extend(files(&path, &format!("{name}/"))),
            false => all.push((name, fs::read(&path).unwrap())),
        }
    }
    all
}

#[test]
fn a_converted_model_is_smaller_and_nearly_the_same() {
    let from = golden("models/bert-no-st");
    let before = embedded(&from);
    // In so small a model biases, scales and the header weigh, too.
    for (dtype, least, times) in [("f16", 0.9999, 1.9), ("int8", 0.999, 2.5), ("q4", 0.9, 4.0)] {
        let bar = least.to_string();
        let more = ["--dtype", dtype, "--min-cosine", &bar];
        let (report, folder) = convert(&from, &format!("convert-{dtype}"), &more);
        assert!(weights(&folder) as f64 * times < weights(&from) as f64, "{dtype}");
        assert_eq!(report["dtype"], dtype);
        assert!(report["cosine_min"].as_f64().unwrap() >= least, "{report}");
        assert!(
            report["cosine_mean"].as_f64().unwrap() >= report["cosine_min"].as_f64().unwrap(),
            "{report}"
        );
        let turned = cosine(&before, &embedded(&folder));
        assert!(turned > least && turned < 1.0 - 1e-9, "{dtype}: {turned}");
        let config = config(&folder);
        assert_eq!(config["quantization_config"].is_null(), dtype == "f16");
        assert_eq!(config["dtype"] == "float16" || config["torch_dtype"] == "float16", dtype == "f16");
    }
}

#[test]
fn four_bits_are_as_wide_as_the_cosine_that_is_asked_for() {
    let from = golden("models/bert-no-st");
    let sizes = ["0.9", "0.995", "0.999"].map(|least| {
        let (report, folder) = convert(&from, "convert-mixed", &["--dtype", "q4", "--min-cosine", least]);
        assert!(report["cosine_min"].as_f64().unwrap() >= least.parse().unwrap(), "{report}");
        let config = &config(&folder)["quantization_config"];
        let wider = report["int8_parts"].as_array().unwrap();
        match wider.is_empty() {
            true => assert_eq!(config["format"], "pack-quantized"),
            false => {
                assert_eq!(config["format"], "mixed-precision");
                let named = &config["config_groups"]["group_1"]["targets"];
                let in_part = |name: &Value| {
                    wider.iter().any(|part| name.as_str().unwrap().starts_with(part.as_str().unwrap()))
                };
                assert!(named.as_array().unwrap().iter().all(in_part), "{named} {wider:?}");
            }
        }
        weights(&folder)
    });
    assert!(sizes[0] < sizes[1] && sizes[1] < sizes[2], "{sizes:?}");
}

#[test]
fn pictures_and_models_of_both_too() {
    let (report, _) =
        convert(&golden("clip/siglip"), "convert-clip", &["--dtype", "q4", "--min-cosine", "0.9"]);
    assert_eq!(report["compared"], 8 + 4, "texts and pictures");
    let (report, _) = convert(&golden("vision/dinov2"), "convert-vision", &[]);
    assert_eq!(report["compared"], 4);
    assert!(report["cosine_min"].as_f64().unwrap() > 0.999, "{report}");
}

#[test]
fn what_is_below_the_bar_is_refused_and_leaves_nothing() {
    let (model, folder) = (golden("models/bert-no-st"), scratch("convert-refused"));
    let out = folder.join("model");
    let place = out.display().to_string();
    let args =
        ["convert", "--model", &model, "--out", &place, "--dtype", "int8", "--min-cosine", "0.9999999"];
    assert_fails(&heatseek(&args, b""), 1, &["int8", "cosine", "--min-cosine", "[invalid_input]"]);
    assert!(!out.exists());
}

#[test]
fn no_file_is_written_over() {
    let folder = scratch("convert-taken");
    fs::write(folder.join("mine.txt"), "mine").unwrap();
    let (model, out) = (golden("models/bert-no-st"), folder.display().to_string());
    let args = ["convert", "--model", &model, "--out", &out];
    assert_fails(&heatseek(&args, b""), 1, &["not empty", "--out", "[invalid_input]"]);
    assert_fails(&heatseek(&[&args[..], &["--dtype", "int3"]].concat(), b""), 2, &["f16, int8 or q4"]);
    assert_fails(&heatseek(&[&args[..], &["--group-size", "0"]].concat(), b""), 1, &["not empty"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_packed_folder_is_what_browsers_ask_for_with_its_sums() {
    let (from, out) = (golden("models/bert-mean-dense"), scratch("pack").join("model"));
    let place = out.display().to_string();
    let packed = heatseek(&["models", "pack", "--model", &from, "--out", &place], b"");
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    let files = files(&out, "");
    let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let model = [
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
        "config.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names, model.into_iter().chain(["HOSTING.md", "sha256.json"]).collect());
    let of = |name: &str| &files.iter().find(|(known, _)| known == name).unwrap().1;
    let sums: Value = serde_json::from_slice(of("sha256.json")).unwrap();
    assert_eq!(sums.as_object().unwrap().len(), model.len());
    for name in model {
        let sum: String = Sha256::digest(of(name)).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sums[name], sum, "{name}");
    }
    assert!(String::from_utf8(of("HOSTING.md").clone()).unwrap().contains("Repr-Digest: sha-256=:"));
    assert!(cosine(&embedded(&from), &embedded(&place)) > 0.99);
    assert_fails(&heatseek(&["models", "pack", "no-such", "--out", "/dev/null/x"], b""), 1, &["/dev/null/x"]);
    assert_fails(&heatseek(&["models", "pack", "--out", &place], b""), 2, &["--model"]);
}

/// The sizes that are promised, of the whole folder.
#[test]
fn minilm_is_as_small_as_promised() {
    let from = model().display().to_string();
    for (dtype, most, least) in
        [("f16", 46_000_000, 0.9999), ("int8", 24_000_000, 0.99), ("q4", 18_000_000, 0.99)]
    {
        let (report, folder) = convert(&from, &format!("convert-minilm-{dtype}"), &["--dtype", dtype]);
        let bytes: usize = files(Path::new(&folder), "").iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(report["bytes"], bytes);
        assert!(bytes <= most, "{dtype}: {bytes}");
        assert!(report["cosine_min"].as_f64().unwrap() >= least, "{report}");
    }
}
