//! Scores taken apart, on every native backend: the sums are right, and so is every number beside PyTorch's.

mod here;
mod small;

use std::path::PathBuf;

use heatseek::{
    EmbedOptions, ExplainOptions, Explanation, ImageOptions, Index, IndexOptions, IndexSearch, Metric, Model,
    NoControl, PoolerSpec, Pooling, block_on,
};
use heatseek_conformance::{Backend, read_vision_golden};
use heatseek_testkit::{Tolerance, compare, cosine};
use safetensors::SafeTensors;

use here::{available, real_model};
use small::{golden, image_model, text_model};

/// How far contributions may be from their score, and a score from the dot product of the vectors.
const SUM: f64 = 1e-5;
const SCORE: f64 = 1e-6;
/// Vectors of unit length differ by less than this between backends, so their cosines do.
const COSINE: Tolerance = Tolerance::Abs(2e-5);

fn folders(kind: &str, with: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(golden(kind)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = all.filter(|dir| dir.join(with).exists()).collect();
    found.sort();
    assert!(!found.is_empty(), "{kind}");
    found
}

fn text_folders() -> Vec<PathBuf> {
    let mut all = folders("models", "texts.json");
    all.extend(folders("clip", "texts.json"));
    all
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Fails unless both sides sum to the score, as far as the lengths of the vectors let f32 be exact.
fn assert_adds_up(explanation: &Explanation, vectors: [&[f32]; 2], metric: Metric, what: &str) {
    let [a, b] = vectors;
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    let (expected, scale) = match metric {
        Metric::Cosine => (cosine(a, b), 1.0),
        Metric::Dot => (dot(a, b), lengths.max(1.0)),
        Metric::Euclidean => panic!("{what}: a distance is no sum of parts"),
    };
    let score = f64::from(explanation.score);
    assert!((score - expected).abs() <= SCORE * scale, "{what}: {score} instead of {expected}");
    let sides = explanation.query.iter().chain([&explanation.passage]);
    for side in sides {
        let parts = side.contributions.as_ref().unwrap_or_else(|| panic!("{what}: no contributions"));
        let sum: f64 = parts.iter().map(|&part| f64::from(part)).sum();
        assert!((sum - score).abs() <= SUM * scale, "{what}: the parts sum to {sum}, not {score}");
    }
}

const QUERY: &str = "how do bees find the way";
const PASSAGE: &str = "A dance in the sun, with honey.";

/// Every pooling, metric and length of the vectors on the CPU; elsewhere every pooling with one or two of the
/// others, since they are what the CPU does with outputs that are the same.
fn ways(backend: &Backend) -> impl Iterator<Item = (Option<Pooling>, Option<bool>, Metric)> {
    let poolings = Pooling::OF_MODELS.map(Some).into_iter().chain([None]);
    let lengths = poolings.flat_map(|pooling| [None, Some(true), Some(false)].map(|unit| (pooling, unit)));
    let all = lengths
        .flat_map(|(pooling, unit)| [Metric::Cosine, Metric::Dot].map(|metric| (pooling, unit, metric)));
    // Six ways a pooling.
    all.step_by(if *backend == Backend::Cpu { 1 } else { 5 })
}

fn spec(pooling: Option<Pooling>) -> Option<PoolerSpec> {
    pooling.map(|pooling| PoolerSpec::named(pooling.name()))
}

fn check_texts(model: &Model, linear: bool, name: &str, backend: &Backend) {
    for (pooling, normalize, metric) in ways(backend) {
        let embed = EmbedOptions { pooling: spec(pooling), normalize, ..EmbedOptions::default() };
        let options = ExplainOptions { query: embed.clone(), passage: embed.clone(), metric };
        let found = block_on(model.explain(QUERY, PASSAGE, &options, &NoControl)).unwrap();
        let vectors = block_on(model.embed(&[QUERY, PASSAGE], &embed, &NoControl)).unwrap();
        let what = format!("{name}, {pooling:?}, unit length {normalize:?}, {metric:?}");
        assert_eq!(found.shape[..], vectors.tokens, "{what}");
        let own = Pooling::from_name(&model.info().spec.pooling);
        if linear && pooling.or(own) != Some(Pooling::Max) {
            assert_adds_up(&found, [vectors.row(0), vectors.row(1)], metric, &what);
        } else {
            assert_eq!(found.passage.contributions, None, "{what}");
        }
        let vector = block_on(model.explain_vector(vectors.row(0), PASSAGE, &options, &NoControl)).unwrap();
        assert!((vector.score - found.score).abs() <= 1e-6 * found.score.abs().max(1.0), "{what}");
        assert_eq!((vector.shape, vector.query), ([1, found.shape[1]], None), "{what}");
        assert_eq!(vector.passage, found.passage, "{what}");
    }
}

fn sums_of_texts(backend: &Backend) {
    for dir in text_folders() {
        check_texts(
            &text_model(&dir, backend),
            !dir.ends_with("bert-mean-dense"),
            &dir.display().to_string(),
            backend,
        );
    }
}

fn sums_of_pictures(backend: &Backend) {
    let mut all: Vec<(PathBuf, &str)> = Vec::new();
    all.extend(folders("vision", "golden.safetensors").into_iter().map(|dir| (dir, "golden.safetensors")));
    all.extend(folders("clip", "pictures.safetensors").into_iter().map(|dir| (dir, "pictures.safetensors")));
    for (dir, file) in all {
        let model = image_model(&dir, backend);
        let cases = read_vision_golden(&std::fs::read(dir.join(file)).unwrap()).unwrap();
        let pictures = [cases[1].pixels.clone(), cases[0].pixels.clone()];
        for (pooling, normalize, metric) in ways(backend) {
            let embed = EmbedOptions { pooling: spec(pooling), normalize, ..EmbedOptions::default() };
            let options = ExplainOptions { query: embed.clone(), passage: embed, metric };
            let [query, passage] = &pictures;
            let found = block_on(model.explain_pixels(query, passage, &options, &NoControl)).unwrap();
            let of_images = ImageOptions { pooling: spec(pooling), normalize, ..ImageOptions::default() };
            let vectors = block_on(model.embed_pixels(&pictures, &of_images, &NoControl)).unwrap();
            let what = format!("{}, {pooling:?}, unit length {normalize:?}, {metric:?}", dir.display());
            assert_eq!(found.shape[..], vectors.tokens, "{what}");
            let own = Pooling::from_name(&model.info().spec.pooling);
            match pooling.or(own) {
                None | Some(Pooling::Max) => assert_eq!(found.passage.contributions, None, "{what}"),
                Some(_) => assert_adds_up(&found, [vectors.row(0), vectors.row(1)], metric, &what),
            }
        }
    }
}

#[test]
fn a_hit_is_explained_with_its_own_score() {
    // bert-e5 has a default prompt, bert-no-st vectors of any length.
    let names = ["models/bert-cls-normalize", "models/bert-e5", "models/bert-no-st"];
    let mut models: Vec<PathBuf> = names.map(golden).into();
    models.extend(real_model());
    for dir in models {
        let model = text_model(&dir, &Backend::Cpu);
        for metric in [Metric::Cosine, Metric::Dot] {
            let mut index = Index::new(&model, IndexOptions { metric, ..IndexOptions::default() }).unwrap();
            let texts = ["A dance in the sun.", "Honey is in the hive.", "how do bees find the way home?"];
            let documents = texts.map(|text| heatseek::Document {
                id: text.into(),
                text: text.into(),
                ..Default::default()
            });
            block_on(index.add(&model, documents.into(), None, &NoControl)).unwrap();
            for hit in block_on(index.search(
                &model,
                QUERY,
                &IndexSearch { top_k: 3, ..IndexSearch::default() },
                &NoControl,
            ))
            .unwrap()
            {
                let options = ExplainOptions { metric, ..ExplainOptions::default() };
                let why = block_on(model.explain(QUERY, &hit.chunk.text, &options, &NoControl)).unwrap();
                let scale = if metric == Metric::Dot { hit.score.abs().max(1.0) } else { 1.0 };
                assert!((why.score - hit.score).abs() <= 1e-5 * scale, "{} {}", why.score, hit.score);
                let sum: f32 = why.passage.contributions.unwrap().iter().sum();
                assert!((sum - hit.score).abs() <= 2e-5 * scale, "{sum} {}", hit.score);
            }
        }
    }
}

#[test]
fn parts_sum_to_the_score_of_the_real_model() {
    if let Some(dir) = real_model() {
        check_texts(&text_model(&dir, &Backend::Cpu), true, "all-MiniLM-L6-v2", &Backend::Cpu);
    }
}

fn tensor(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}")).data().as_chunks().0;
    bytes.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

fn assert_same(actual: &[f32], file: &SafeTensors<'_>, name: &str) {
    let expected = tensor(file, name);
    compare(actual, &expected, &[expected.len()], COSINE).unwrap_or_else(|e| panic!("{name}: {e}"));
}

fn texts_equal_pytorch(backend: &Backend) {
    let bytes = std::fs::read(golden("explain.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let said = header.metadata().clone().unwrap();
    assert_eq!(said["format"], "heatseek-golden-explain-1", "make it anew: {}", said["regenerate"]);
    let (query, passage) = (said["query"].as_str(), said["passage"].as_str());
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for dir in folders("models", "texts.json") {
        let name = dir.file_name().unwrap().to_str().unwrap();
        let model = text_model(&dir, backend);
        let found = block_on(model.explain(query, passage, &ExplainOptions::default(), &NoControl)).unwrap();
        assert_same(&[found.score], &file, &format!("{name}.score"));
        assert_same(&found.similarity, &file, &format!("{name}.similarity"));
        if let Some(parts) = &found.passage.contributions {
            assert_same(parts, &file, &format!("{name}.passage"));
            assert_same(&found.query.unwrap().contributions.unwrap(), &file, &format!("{name}.query"));
        }
        let embed = EmbedOptions::default();
        let vector = block_on(model.embed(&[query], &embed, &NoControl)).unwrap().data;
        let hidden = block_on(model.occlusion(passage, Some(&vector), &embed, &NoControl)).unwrap();
        assert_same(&hidden.data, &file, &format!("{name}.occlusion"));
        assert!((hidden.score - found.score).abs() < 1e-6);
    }
}

fn pictures_equal_pytorch(backend: &Backend) {
    let bytes = std::fs::read(golden("explain.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["clip", "siglip"] {
        let dir = golden("clip").join(name);
        let model = image_model(&dir, backend);
        let cases = read_vision_golden(&std::fs::read(dir.join("pictures.safetensors")).unwrap()).unwrap();
        let (pixels, query) = (&cases[0].pixels, cases[1].pooled.as_ref().unwrap());
        let options = ExplainOptions::default();
        let found = block_on(model.explain_vector_pixels(query, pixels, &options, &NoControl)).unwrap();
        assert_same(&[found.score], &file, &format!("{name}.score"));
        assert_same(&found.similarity, &file, &format!("{name}.similarity"));
        for window in [1, 2, 3] {
            let options = ImageOptions::default();
            let run = model.occlusion_of_pixels(pixels, Some(query), window, &options, &NoControl);
            assert_same(&block_on(run).unwrap().data, &file, &format!("{name}.occlusion.{window}"));
        }
    }
}

fn texts_in_pictures(backend: &Backend) {
    for name in ["clip", "siglip"] {
        let dir = golden("clip").join(name);
        let embed = EmbedOptions::default();
        let vector = block_on(text_model(&dir, backend).embed(&["honey"], &embed, &NoControl)).unwrap().data;
        let model = image_model(&dir, backend);
        let cases = read_vision_golden(&std::fs::read(dir.join("pictures.safetensors")).unwrap()).unwrap();
        let options = ExplainOptions::default();
        let explain = |vector: &[f32]| {
            block_on(model.explain_vector_pixels(vector, &cases[1].pixels, &options, &NoControl))
        };
        let found = explain(&vector).unwrap();
        assert!((f64::from(found.score) - dot(&vector, cases[1].pooled.as_ref().unwrap())).abs() < 2e-5);
        assert_eq!(found.passage.contributions.is_some(), name == "clip");
        if let Some(parts) = found.passage.contributions {
            // The class token alone makes the vector, so its similarity is the score.
            assert!((parts[0] - found.score).abs() < 1e-5 && parts[1..].iter().all(|&part| part == 0.0));
            assert!((found.similarity[0] - found.score).abs() < 1e-5);
        }
        let error = explain(&vector[1..]).unwrap_err();
        let width = vector.len();
        let expected = format!(
            "the vector: got {} elements, expected {width}, the width of this model's vectors",
            width - 1
        );
        assert_eq!((error.code(), error.to_string()), ("invalid_input", expected));
        assert_eq!(explain(&vec![f32::NAN; width]).unwrap_err().code(), "invalid_input");
    }
}

/// Runs a suite on a backend if it is here.
fn on(backend: &Backend, suite: fn(&Backend)) {
    if available(backend) {
        suite(backend);
    }
}

macro_rules! on_every_backend {
    ($($name:ident: $backend:expr;)*) => {
        mod texts_add_up { $(#[test] fn $name() { super::on(&$backend, super::sums_of_texts); })* use super::Backend; }
        mod pictures_add_up { $(#[test] fn $name() { super::on(&$backend, super::sums_of_pictures); })* use super::Backend; }
        mod texts { $(#[test] fn $name() { super::on(&$backend, super::texts_equal_pytorch); })* use super::Backend; }
        mod pictures { $(#[test] fn $name() { super::on(&$backend, super::pictures_equal_pytorch); })* use super::Backend; }
        mod text_in_picture { $(#[test] fn $name() { super::on(&$backend, super::texts_in_pictures); })* use super::Backend; }
    };
}

on_every_backend! {
    reference: Backend::Reference;
    cpu: Backend::Cpu;
    lavapipe: Backend::lavapipe();
}

/// SwiftShader is too slow to load every model here.
#[test]
fn pictures_on_swiftshader() {
    on(&Backend::swiftshader(), pictures_equal_pytorch);
}
