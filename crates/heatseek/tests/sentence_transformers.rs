//! Poolings, prompts, unit length, truncation and precisions, against what sentence-transformers' `encode` gives.

use std::path::{Path, PathBuf};

use heatseek::{
    DeviceChoice, EmbedOptions, LoadOptions, Model, ModelFiles, NoControl, PoolerSpec, Precision, Quantized,
    Ranges, block_on, quantize,
};
use heatseek_testkit::cosine;
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    model: String,
    pooling: String,
    prompt: String,
    include_prompt: bool,
    normalize: bool,
    truncate_dim: Option<usize>,
    precision: String,
    tensor: String,
}

/// Bytes of a step of int8 and uint8 may differ where a value is nearer to the next step than this.
const NEAR_A_STEP: f32 = 2e-3;

/// Bits may differ where a value is nearer to 0 than this.
const NEAR_ZERO: f32 = 1e-6;

const MIN_COSINE: f64 = 0.999_999;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn model(dir: &Path) -> Model {
    let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
    block_on(Model::load(ModelFiles::from_dir(dir).unwrap(), options, &NoControl)).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// What to compare with. `cls` is the class token here, whether a prompt counts or not; the sentence-transformers that
/// made the goldens takes the token behind the prompt instead.
fn counted<'a>(cases: &'a [Case], case: &'a Case) -> &'a Case {
    if case.pooling != "cls" || case.include_prompt {
        return case;
    }
    let same = |other: &&Case| {
        let of = |case: &Case| (case.model.clone(), case.prompt.clone(), case.precision.clone());
        of(other) == of(case)
            && (other.normalize, other.truncate_dim) == (case.normalize, case.truncate_dim)
            && other.pooling == "cls"
            && other.include_prompt
    };
    cases.iter().find(same).unwrap()
}

/// The same of unit length.
fn unit(vectors: &[f32], width: usize) -> Vec<f32> {
    let of = |row: &[f32]| {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        row.iter().map(|v| v / length).collect::<Vec<f32>>()
    };
    vectors.chunks(width).flat_map(of).collect()
}

#[test]
fn every_case_of_sentence_transformers() {
    let bytes = std::fs::read(root().join("tests/golden/sentence_transformers.safetensors")).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().as_ref().unwrap();
    let texts: Vec<String> = serde_json::from_str(&metadata["texts"]).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&metadata["cases"]).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let folders = [
        ("all-MiniLM-L6-v2", root().join("models/all-MiniLM-L6-v2"), 2e-4),
        ("bert-mean-dense", root().join("tests/golden/models/bert-mean-dense"), 1e-5),
        ("bert-cls-normalize", root().join("tests/golden/models/bert-cls-normalize"), 1e-5),
    ];
    for (name, dir, bar) in folders {
        if !dir.join("model.safetensors").exists() {
            println!("NOT RUN: {name}: fetch it with `cargo run -p heatseek-bench -- models fetch`");
            assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "{name} is missing in CI");
            continue;
        }
        let model = model(&dir);
        let own = model.info().spec.normalize;
        let (mut checked, mut exact) = (0, Vec::new());
        for case in cases.iter().filter(|case| case.model == name) {
            let what = format!(
                "{name} {} prompt {:?} counted {} unit length {} kept {:?} {}",
                case.pooling,
                case.prompt,
                case.include_prompt,
                case.normalize,
                case.truncate_dim,
                case.precision
            );
            let options = EmbedOptions {
                pooling: Some(PoolerSpec::named(&case.pooling)),
                // There, the model's own Normalize is always run.
                normalize: case.normalize.then_some(true),
                prompt: Some(case.prompt.clone()),
                include_prompt: Some(case.include_prompt),
                truncate_dim: case.truncate_dim,
                ..EmbedOptions::default()
            };
            let expected = file.tensor(&counted(&cases, case).tensor).unwrap().data();
            if case.precision == "float32" {
                let found = block_on(model.embed(&texts, &options, &NoControl)).unwrap();
                exact = floats(expected);
                let width = found.shape[1];
                assert_eq!((found.shape[0], found.data.len()), (texts.len(), exact.len()), "{what}");
                // There, what is cut from a vector of unit length is only made that long again if asked for.
                let again = own && case.truncate_dim.is_some();
                let expected = if again { unit(&exact, width) } else { exact.clone() };
                for (row, (a, e)) in found.data.chunks(width).zip(expected.chunks(width)).enumerate() {
                    let worst = a.iter().zip(e).map(|(a, e)| (a - e).abs()).fold(0.0, f32::max);
                    assert!(worst <= bar, "{what}, text {row}: {worst}");
                    assert!(cosine(a, e) >= MIN_COSINE, "{what}, text {row}");
                }
            } else {
                // The same vectors there and here, so that only rounding is left.
                let width = exact.len() / texts.len();
                same_stored(&exact, width, case.precision.parse().unwrap(), expected, &what);
                // And from our own vectors, as far as those are the same.
                if !(own && case.truncate_dim.is_some()) {
                    let found = block_on(model.embed(&texts, &options, &NoControl)).unwrap();
                    near_stored(
                        &found.data,
                        &exact,
                        width,
                        case.precision.parse().unwrap(),
                        expected,
                        &what,
                        bar,
                    );
                }
            }
            checked += 1;
        }
        assert!(checked >= 100, "{name}: {checked} cases");
    }
}

fn bytes_of(values: &Quantized) -> Vec<u8> {
    match values {
        Quantized::Int8(values) => values.iter().map(|v| v.cast_unsigned()).collect(),
        Quantized::Uint8(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

fn same_stored(vectors: &[f32], width: usize, precision: Precision, expected: &[u8], what: &str) {
    let stored = quantize(vectors, width, precision, None).unwrap();
    assert_eq!(bytes_of(&stored), expected, "{what}");
}

/// `ours` and `theirs` are the same but for rounding.
fn near_stored(
    ours: &[f32],
    theirs: &[f32],
    width: usize,
    precision: Precision,
    expected: &[u8],
    what: &str,
    bar: f32,
) {
    let ranges = Ranges::of(theirs, width).unwrap();
    let bytes = bytes_of(&quantize(ours, width, precision, Some(&ranges)).unwrap());
    assert_eq!(bytes.len(), expected.len(), "{what}");
    let bits = matches!(precision, Precision::Binary | Precision::Ubinary);
    for (at, (a, e)) in bytes.iter().zip(expected).enumerate().filter(|(_, (a, e))| a != e) {
        if bits {
            let (row, byte) = (at / width.div_ceil(8), at % width.div_ceil(8));
            for bit in (0..8).filter(|bit| (a ^ e) >> (7 - bit) & 1 == 1) {
                let v = theirs[row * width + 8 * byte + bit];
                assert!(v.abs() < NEAR_ZERO.max(bar), "{what}: bit {bit} of byte {at} of {v}");
            }
        } else {
            let column = at % width;
            let step = (ranges.max()[column] - ranges.min()[column]) / 255.0;
            let steps = (theirs[at] - ranges.min()[column]) / step;
            let off = (steps - steps.round()).abs();
            assert!(off <= NEAR_A_STEP.max(2.0 * bar / step), "{what}: element {at} is {off} from a step");
        }
    }
}
