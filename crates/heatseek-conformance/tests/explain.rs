//! Scores taken apart, and parts of inputs hidden: the sums are right, and so is every number beside PyTorch's.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use heatseek::{
    Cancelled, Control, EmbedOptions, Error, ExplainOptions, Explanation, ImageModel, ImageOptions, Index,
    LoadOptions, LocalFuture, MapLayout, Metric, Model, ModelFiles, NoControl, Pixels, Pooling, Progress,
    Stage, block_on,
};
use heatseek_conformance::{Backend, read_vision_golden};
use heatseek_testkit::{Tolerance, compare, cosine};
use safetensors::SafeTensors;

/// How far contributions may be from their score, and a score from the dot product of the vectors.
const SUM: f64 = 1e-5;
const SCORE: f64 = 1e-6;
/// Vectors of unit length differ by less than this between backends, so their cosines do.
const COSINE: Tolerance = Tolerance::Abs(2e-5);

fn golden(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(path)
}

fn options() -> LoadOptions {
    Backend::Cpu.load_options()
}

fn text_model(dir: &Path) -> Model {
    let files = ModelFiles::from_dir(dir).unwrap();
    block_on(Model::load(files, options(), &NoControl)).unwrap()
}

fn image_model(dir: &Path) -> ImageModel {
    let files = ModelFiles::from_dir(dir).unwrap();
    block_on(ImageModel::load(files, options(), &NoControl)).unwrap()
}

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

/// Every pooling, metric and length of the vectors.
fn ways() -> impl Iterator<Item = (Option<Pooling>, Option<bool>, Metric)> {
    let poolings = Pooling::ALL.map(Some).into_iter().chain([None]);
    let lengths = poolings.flat_map(|pooling| [None, Some(true), Some(false)].map(|unit| (pooling, unit)));
    lengths.flat_map(|(pooling, unit)| [Metric::Cosine, Metric::Dot].map(|metric| (pooling, unit, metric)))
}

fn check_texts(model: &Model, linear: bool, name: &str) {
    for (pooling, normalize, metric) in ways() {
        let embed = EmbedOptions { pooling, normalize, ..EmbedOptions::default() };
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

#[test]
fn parts_sum_to_the_score_of_texts() {
    for dir in text_folders() {
        check_texts(&text_model(&dir), !dir.ends_with("bert-mean-dense"), &dir.display().to_string());
    }
}

#[test]
fn parts_sum_to_the_score_of_pictures() {
    let mut all: Vec<(PathBuf, &str)> = Vec::new();
    all.extend(folders("vision", "golden.safetensors").into_iter().map(|dir| (dir, "golden.safetensors")));
    all.extend(folders("clip", "pictures.safetensors").into_iter().map(|dir| (dir, "pictures.safetensors")));
    for (dir, file) in all {
        let model = image_model(&dir);
        let cases = read_vision_golden(&std::fs::read(dir.join(file)).unwrap()).unwrap();
        let pictures = [cases[1].pixels.clone(), cases[0].pixels.clone()];
        for (pooling, normalize, metric) in ways() {
            let embed = EmbedOptions { pooling, normalize, ..EmbedOptions::default() };
            let options = ExplainOptions { query: embed.clone(), passage: embed, metric };
            let [query, passage] = &pictures;
            let found = block_on(model.explain_pixels(query, passage, &options, &NoControl)).unwrap();
            let of_images = ImageOptions { pooling, normalize, ..ImageOptions::default() };
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
    models.extend(minilm());
    for dir in models {
        let model = text_model(&dir);
        for metric in [Metric::Cosine, Metric::Dot] {
            let mut index = Index::new(&model, metric);
            let texts = ["A dance in the sun.", "Honey is in the hive.", "how do bees find the way home?"];
            let documents = texts.map(|text| heatseek::Document {
                id: text.into(),
                text: text.into(),
                ..Default::default()
            });
            block_on(index.add(&model, documents.into(), None, &NoControl)).unwrap();
            for hit in block_on(index.search(&model, QUERY, 3, &NoControl)).unwrap() {
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

fn minilm() -> Option<PathBuf> {
    let models = std::env::var_os("HEATSEEK_MODELS").map_or_else(|| golden("../../models"), PathBuf::from);
    let dir = models.join("all-MiniLM-L6-v2");
    if dir.join("model.safetensors").exists() {
        return Some(dir);
    }
    println!(
        "NOT RUN: all-MiniLM-L6-v2 is missing; fetch it with `cargo run -p heatseek-bench -- models fetch`"
    );
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "all-MiniLM-L6-v2 is missing in CI");
    None
}

#[test]
fn parts_sum_to_the_score_of_the_real_model() {
    if let Some(dir) = minilm() {
        check_texts(&text_model(&dir), true, "all-MiniLM-L6-v2");
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

#[test]
fn texts_equal_pytorch() {
    let bytes = std::fs::read(golden("explain.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let said = header.metadata().clone().unwrap();
    assert_eq!(said["format"], "heatseek-golden-explain-1", "make it anew: {}", said["regenerate"]);
    let (query, passage) = (said["query"].as_str(), said["passage"].as_str());
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for dir in folders("models", "texts.json") {
        let name = dir.file_name().unwrap().to_str().unwrap();
        let model = text_model(&dir);
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

#[test]
fn pictures_equal_pytorch() {
    let bytes = std::fs::read(golden("explain.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["clip", "siglip"] {
        let dir = golden("clip").join(name);
        let model = image_model(&dir);
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

#[test]
fn clip_compares_a_text_with_patches() {
    for name in ["clip", "siglip"] {
        let dir = golden("clip").join(name);
        let embed = EmbedOptions::default();
        let vector = block_on(text_model(&dir).embed(&["honey"], &embed, &NoControl)).unwrap().data;
        let model = image_model(&dir);
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

#[test]
fn hiding_a_token_is_embedding_the_changed_text() {
    let model = text_model(&golden("models/bert-e5"));
    let embed = EmbedOptions::default();
    let run =
        |text: &str, embed: &EmbedOptions| block_on(model.occlusion(text, None, embed, &NoControl)).unwrap();
    let found = run("the bees find honey", &embed);
    assert!((found.score - 1.0).abs() < 1e-6);
    let MapLayout::Text { text, offsets, special, .. } = &found.layout else { panic!("not a text") };
    assert_eq!(text, "passage: the bees find honey");
    let own = block_on(model.embed(&["the bees find honey"], &embed, &NoControl)).unwrap().data;
    for (token, &(start, end)) in offsets.iter().enumerate() {
        if special[token] || end <= "passage: ".len() {
            assert_eq!(found.data[token], 0.0);
            continue;
        }
        let changed = format!("{}[MASK]{}", &text[..start], &text[end..]);
        let plain = EmbedOptions { prompt: Some(String::new()), ..embed.clone() };
        let vector = block_on(model.embed(&[changed], &plain, &NoControl)).unwrap().data;
        let fall = 1.0 - cosine(&own, &vector);
        assert!((f64::from(found.data[token]) - fall).abs() < 2e-6, "{token}: {} {fall}", found.data[token]);
        assert!(fall > 1e-4, "{token} must matter for the test to say something");
    }
    // Nothing is hidden from a text whose every word is hidden already.
    assert!(run("[MASK] [MASK]", &embed).data.iter().all(|fall| fall.abs() <= 2e-6));
    let prompted = EmbedOptions { prompt: Some("honey ".into()), ..embed };
    let zeros = run("bees", &prompted).data.iter().filter(|fall| **fall == 0.0).count();
    assert_eq!(zeros, 3, "the prompt's token and the special ones");
}

#[test]
fn without_a_mask_token_a_token_is_left_out() {
    for (name, text, without) in
        [("clip/clip", "bees honey", ["honey", "bees"]), ("clip/siglip", "bees honey", ["honey", "bees"])]
    {
        let model = text_model(&golden(name));
        let embed = EmbedOptions::default();
        let found = block_on(model.occlusion(text, None, &embed, &NoControl)).unwrap();
        let texts = [text, without[0], without[1]];
        let vectors = block_on(model.embed(&texts, &embed, &NoControl)).unwrap();
        let falls: Vec<f32> = found.data.iter().copied().filter(|fall| *fall != 0.0).collect();
        assert_eq!(falls.len(), 2, "{name}: {:?}", found.data);
        for (at, fall) in falls.iter().enumerate() {
            let expected = 1.0 - cosine(vectors.row(0), vectors.row(at + 1));
            assert!((f64::from(*fall) - expected).abs() < 2e-6, "{name}: {fall} {expected}");
        }
    }
}

#[test]
fn nothing_can_be_hidden_in_a_picture_of_the_mean_colour() {
    let model = image_model(&golden("vision/dinov2-registers"));
    let side = 3 * model.info().spec.patch_size;
    let grey = Pixels { width: side as u32, height: side as u32, data: vec![0.0; 3 * side * side] };
    let run = |pixels: &Pixels, window| {
        let options = ImageOptions::default();
        block_on(model.occlusion_of_pixels(pixels, None, window, &options, &NoControl))
    };
    let found = run(&grey, 1).unwrap();
    let prefix = model.info().spec.prefix_tokens.len();
    assert_eq!(found.data.len(), prefix + 9);
    assert!(found.data.iter().all(|fall| fall.abs() <= 2e-6), "{:?}", found.data);
    let mut data = grey.data.clone();
    data[..side].fill(1.0);
    let marked = Pixels { data, ..grey };
    // Only the upper row has anything to hide; a window of three reaches it from the middle row too.
    for (window, reach) in [(1, 3), (3, 6), (5, 9)] {
        let found = run(&marked, window).unwrap();
        assert!(found.data[..prefix].iter().all(|fall| *fall == 0.0));
        for (patch, fall) in found.data[prefix..].iter().enumerate() {
            assert_eq!(fall.abs() > 2e-6, patch < reach, "window {window}, patch {patch}: {fall}");
        }
    }
    assert_eq!(run(&marked, 0).unwrap_err().to_string(), "window: got 0, expected 1 or more patches");
}

/// Follows the work, and stops it at a checkpoint.
struct Watch {
    seen: RefCell<Vec<Progress>>,
    stop_at: usize,
}

impl Control for Watch {
    fn progress(&self, progress: Progress) {
        self.seen.borrow_mut().push(progress);
    }

    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>> {
        let stop = self.seen.borrow().last().is_some_and(|progress| progress.loaded >= self.stop_at);
        Box::pin(std::future::ready(if stop { Err(Cancelled) } else { Ok(()) }))
    }
}

#[test]
fn occlusion_can_be_followed_and_stopped() {
    let model = text_model(&golden("models/bert-cls-normalize"));
    // More rows than a batch takes.
    let text = "bees find the way home in the sun and the sky ".repeat(10);
    let run = |stop_at| {
        let watch = Watch { seen: RefCell::default(), stop_at };
        let found = block_on(model.occlusion(&text, None, &EmbedOptions::default(), &watch));
        (found, watch.seen.into_inner())
    };
    let (found, seen) = run(usize::MAX);
    let hidden = found.unwrap().data.iter().filter(|fall| **fall != 0.0).count();
    assert!(seen.iter().all(|p| p.stage == Stage::Occlude && p.total == hidden), "{seen:?}");
    assert!(seen.windows(2).all(|pair| pair[0].loaded < pair[1].loaded), "{seen:?}");
    assert_eq!((seen[0].loaded, seen.last().map(|p| p.loaded)), (0, Some(hidden)));
    let (stopped, seen) = run(0);
    assert!(matches!(stopped, Err(Error::Aborted)), "{seen:?}");
    assert_eq!(seen.len(), 1);
}
