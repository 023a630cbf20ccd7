//! What bf16 and int8 cost in quality on real models, beside f32: cosines of vectors, and what a search finds.

use std::path::{Path, PathBuf};

use heatseek::{
    DecodeOptions, DeviceChoice, DtypeChoice, EmbedOptions, Error, ImageModel, ImageOptions, LoadOptions,
    Model, ModelFiles, NoControl, Picture, block_on,
};
use heatseek_testkit::cosine;

const PASSAGES: usize = 600;
/// One passage in so many is asked for by its first sentence.
const QUERY_EVERY: usize = 12;
const TOP: usize = 10;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of a real model, if it was fetched.
fn model_dir(name: &str) -> Option<PathBuf> {
    let models = std::env::var_os("HEATSEEK_MODELS").map_or_else(|| root().join("models"), PathBuf::from);
    let dir = models.join(name);
    if dir.join("model.safetensors").exists() {
        return Some(dir);
    }
    println!("NOT RUN: {name}: fetch it with `cargo run -p heatseek-bench -- models fetch {name}`");
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "{name} is missing in CI");
    None
}

fn options(dtype: DtypeChoice) -> LoadOptions {
    LoadOptions { device: DeviceChoice::Cpu, dtype, ..LoadOptions::default() }
}

/// The least cosine to f32, and the share of a search's results that has to be the same.
const NARROW: [(DtypeChoice, f64, f64); 2] =
    [(DtypeChoice::Bf16, 0.9999, 0.99), (DtypeChoice::Int8, 0.99, 0.95)];

/// What was loaded; `None` for bf16 on a machine without the instruction, which says so.
fn loaded<M>(result: Result<M, Error>, dtype: DtypeChoice) -> Option<M> {
    match result {
        Err(error) if dtype == DtypeChoice::Bf16 && error.to_string().contains("AVX512-BF16") => {
            println!("NOT RUN: {error}");
            None
        }
        result => Some(result.unwrap()),
    }
}

fn text_model(dir: &Path, dtype: DtypeChoice) -> Option<Model> {
    loaded(block_on(Model::load(ModelFiles::from_dir(dir).unwrap(), options(dtype), &NoControl)), dtype)
}

fn embed(model: &Model, texts: &[String]) -> Vec<Vec<f32>> {
    let found = block_on(model.embed(texts, &EmbedOptions::default(), &NoControl)).unwrap();
    (0..texts.len()).map(|i| found.row(i).to_vec()).collect()
}

/// The doc comments of this repository's own sources, each block of lines a passage.
fn passages() -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.extension() {
                Some(extension) if extension == "rs" => files.push(entry),
                _ if entry.is_dir() => folders.push(entry),
                _ => {}
            }
        }
    }
    files.sort();
    let mut passages = Vec::new();
    for file in files {
        let mut block: Vec<String> = Vec::new();
        for line in std::fs::read_to_string(file).unwrap().lines().chain([""]) {
            let line = line.trim();
            match line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) {
                Some(text) if !text.trim().is_empty() => block.push(text.trim().to_owned()),
                _ => passages.push(std::mem::take(&mut block).join(" ")),
            }
        }
    }
    passages.retain(|passage| passage.split(' ').count() >= 8);
    passages.sort();
    passages.dedup();
    let step = passages.len() / PASSAGES;
    passages.into_iter().step_by(step.max(1)).take(PASSAGES).collect()
}

/// The places of the `TOP` largest.
fn best(scores: impl Iterator<Item = f64>) -> Vec<usize> {
    let mut scored: Vec<(f64, usize)> = scores.enumerate().map(|(i, score)| (score, i)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.iter().take(TOP).map(|&(_, i)| i).collect()
}

/// The least and the mean cosine of vectors to those of f32.
fn cosines(found: &[Vec<f32>], expected: &[Vec<f32>]) -> (f64, f64) {
    let all: Vec<f64> = found.iter().zip(expected).map(|(a, b)| cosine(a, b)).collect();
    (all.iter().copied().fold(f64::INFINITY, f64::min), all.iter().sum::<f64>() / all.len() as f64)
}

#[test]
fn vectors_of_texts_and_what_a_search_finds() {
    let Some(dir) = model_dir("all-MiniLM-L6-v2") else { return };
    let passages = passages();
    assert_eq!(passages.len(), PASSAGES);
    let queries: Vec<String> = passages
        .iter()
        .step_by(QUERY_EVERY)
        .map(|passage| passage.split_once(['.', ':', ';']).map_or(&**passage, |(first, _)| first).to_owned())
        .collect();
    let of = |dtype: DtypeChoice| {
        let model = text_model(&dir, dtype)?;
        let device = model.info().device;
        println!("{} {}", device.dtype, device.kernels);
        assert_eq!(DtypeChoice::from_name(device.dtype).unwrap(), dtype);
        Some((embed(&model, &passages), embed(&model, &queries)))
    };
    let expected = of(DtypeChoice::F32).expect("f32 is everywhere");
    let tops = |(passages, queries): &(Vec<Vec<f32>>, Vec<Vec<f32>>)| -> Vec<Vec<usize>> {
        queries.iter().map(|query| best(passages.iter().map(|p| cosine(p, query)))).collect()
    };
    let expected_tops = tops(&expected);
    for (dtype, least_cosine, least_overlap) in NARROW {
        let Some(found) = of(dtype) else { continue };
        let (least, mean) = cosines(&found.0, &expected.0);
        let (least_of_queries, mean_of_queries) = cosines(&found.1, &expected.1);
        let pairs = tops(&found).into_iter().zip(&expected_tops);
        let shared: usize = pairs.map(|(a, b)| a.iter().filter(|i| b.contains(i)).count()).sum();
        let overlap = shared as f64 / (TOP * queries.len()) as f64;
        println!(
            "{dtype:?}: cosine to f32: passages least {least:.6} mean {mean:.6}, queries least \
             {least_of_queries:.6} mean {mean_of_queries:.6}; overlap of the best {TOP} of {PASSAGES}: {overlap:.4}"
        );
        assert!(least.min(least_of_queries) >= least_cosine, "{dtype:?}: {least} {least_of_queries}");
        assert!(overlap >= least_overlap, "{dtype:?}: overlap {overlap}");
        assert_ne!(found.0, expected.0, "{dtype:?}");
    }
}

#[test]
fn vectors_of_pictures() {
    let Some(dir) = model_dir("dinov2-small") else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir.join("../test-pictures"))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    assert!(!files.is_empty() || std::env::var_os("CI").is_none_or(|v| v != "true"), "no pictures in CI");
    let picture =
        |file: &PathBuf| Picture::decode(&std::fs::read(file).unwrap(), &DecodeOptions::default()).unwrap();
    let pictures: Vec<Picture> = files.iter().map(picture).collect();
    let of = |dtype: DtypeChoice| -> Option<Vec<Vec<f32>>> {
        let files = ModelFiles::from_dir(&dir).unwrap();
        let model = loaded(block_on(ImageModel::load(files, options(dtype), &NoControl)), dtype)?;
        let found = block_on(model.embed(&pictures, &ImageOptions::default(), &NoControl)).unwrap();
        Some((0..pictures.len()).map(|i| found.row(i).to_vec()).collect())
    };
    let expected = of(DtypeChoice::F32).expect("f32 is everywhere");
    for (dtype, least_cosine, _) in NARROW {
        let Some(found) = of(dtype) else { continue };
        for ((file, found), expected) in files.iter().zip(&found).zip(&expected) {
            println!("{}: {:.6}", file.file_name().unwrap().display(), cosine(found, expected));
        }
        let (least, mean) = cosines(&found, &expected);
        println!("{dtype:?}: cosine to f32: least {least:.6} mean {mean:.6}");
        assert!(least >= least_cosine, "{dtype:?}: least cosine {least}");
    }
}
