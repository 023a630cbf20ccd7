//! What sentence-transformers computed for a list of texts; `tests/golden/README.md` has the format.

use std::collections::HashSet;

use heatseek::{EmbedOptions, LoadOptions, Model, ModelFiles, NoControl, PoolerSpec, Pooling};
use heatseek_testkit::{Tolerance, compare, cosine};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::{Backend, Report};

/// The format this reader knows; another one wants its maker run again.
const FORMAT: &str = "heatseek-golden-1";

/// The least cosine between a pooled vector and PyTorch's (the design's bar).
const MIN_COSINE: f64 = 0.999999;

/// One text and what was computed for it.
#[derive(Clone, Debug)]
pub struct GoldenCase {
    /// Unique name.
    pub name: String,
    /// The text.
    pub text: String,
    /// How it was embedded.
    pub options: EmbedOptions,
    /// Token ids.
    pub ids: Vec<u32>,
    /// Which rows of the last hidden state are kept.
    pub hidden_rows: Vec<usize>,
    /// Those rows, `[hidden_rows, hidden_size]`.
    pub hidden: Vec<f32>,
    /// The vector of the model's own pipeline.
    pub pooled: Vec<f32>,
    /// Vectors of other poolings, not normalised.
    pub pooled_by: Vec<(Pooling, Vec<f32>)>,
}

/// A golden file.
#[derive(Clone, Debug)]
pub struct Golden {
    /// Its cases.
    pub cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct Text {
    name: String,
    text: String,
    max_length: Option<usize>,
    prompt: Option<String>,
    prompt_name: Option<String>,
}

impl Golden {
    /// Reads `texts.json` and the safetensors file that belongs to it.
    ///
    /// # Errors
    /// What is wrong with them, and the command that makes them anew.
    pub fn read(texts: &[u8], tensors: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(tensors).map_err(|e| e.to_string())?;
        let metadata = header.metadata().clone().unwrap_or_default();
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            let how = metadata.get("regenerate").map_or("tests/golden/README.md says how", String::as_str);
            return Err(format!("not a {FORMAT} file; make it anew: {how}"));
        }
        let texts: Vec<Text> = serde_json::from_slice(texts).map_err(|e| e.to_string())?;
        let file = SafeTensors::deserialize(tensors).map_err(|e| e.to_string())?;
        let (ids, ids_start) = (integers(&file, "ids")?, integers(&file, "ids_start")?);
        let (rows, rows_start) = (integers(&file, "hidden_rows")?, integers(&file, "hidden_rows_start")?);
        let (hidden, pooled) = (Matrix::read(&file, "hidden")?, Matrix::read(&file, "pooled")?);
        let all_ways = integers(&file, "pooling_cases").unwrap_or_default();
        let mut cases = Vec::new();
        for (i, text) in texts.into_iter().enumerate() {
            let span = rows_start[i]..rows_start[i + 1];
            let mut pooled_by = Vec::new();
            if let Some(at) = all_ways.iter().position(|&case| case == i) {
                for name in file.names().into_iter().filter_map(|n| n.strip_prefix("pooling.")) {
                    let pooling = Pooling::from_name(name).ok_or(format!("unknown pooling {name}"))?;
                    let vectors = Matrix::read(&file, &format!("pooling.{name}"))?;
                    pooled_by.push((pooling, vectors.rows(at..at + 1).to_vec()));
                }
            }
            cases.push(GoldenCase {
                name: text.name,
                text: text.text,
                options: EmbedOptions {
                    max_length: text.max_length,
                    prompt: text.prompt,
                    prompt_name: text.prompt_name,
                    hidden: true,
                    ..EmbedOptions::default()
                },
                ids: ids[ids_start[i]..ids_start[i + 1]].iter().map(|&id| id as u32).collect(),
                hidden_rows: rows[span.clone()].to_vec(),
                hidden: hidden.rows(span).to_vec(),
                pooled: pooled.rows(i..i + 1).to_vec(),
                pooled_by,
            });
        }
        Ok(Self { cases })
    }
}

/// Tokens of the longest text: what the model at most reads.
const LONGEST: usize = 512;

/// Tokens up to which a text is short.
const SHORT: usize = 130;

impl Golden {
    /// The cases worth their time on `backend`: all on the CPU and on CUDA. Elsewhere, which mostly is software, the tokenizer,
    /// which most texts are for, is the same again, and a device is told lengths apart and nothing else: of texts that differ
    /// only in their words, one of each number of tokens; of long ones, which take seconds each, the longest.
    #[must_use]
    pub fn fit_for(mut self, backend: &Backend) -> Self {
        if !matches!(backend, Backend::Reference | Backend::Gpu(_) | Backend::Staged(_)) {
            return self;
        }
        self.cases.retain(|case| case.ids.len() <= SHORT || case.ids.len() == LONGEST);
        let plain = |case: &GoldenCase| {
            let EmbedOptions { prompt, prompt_name, .. } = &case.options;
            case.pooled_by.is_empty() && prompt.is_none() && prompt_name.is_none()
        };
        let others = self.cases.iter().filter(|case| !plain(case));
        let mut lengths: HashSet<usize> = others.map(|case| case.ids.len()).collect();
        self.cases.retain(|case| !plain(case) || lengths.insert(case.ids.len()));
        self
    }
}

/// Loads the model with `options` and compares every case with PyTorch: token ids equal, last hidden state
/// within 2e-4, pooled cosine at least 0.999999.
///
/// # Errors
/// If the model cannot be loaded.
pub async fn check_golden(
    files: ModelFiles,
    golden: &Golden,
    options: LoadOptions,
) -> Result<Report, heatseek::Error> {
    let model = Model::load(files, options, &NoControl).await?;
    let mut report = Report::default();
    let device = model.info().device;
    if let Some(fallback) = &device.fallback {
        report.check("device", Err(format!("fell back: {fallback}")));
    }
    report.figures.push(format!("ran on {} ({}, {})", device.name, device.backend, device.kernels));
    let mut worst = Worst { cosine: 1.0, hidden: 0.0 };
    for case in &golden.cases {
        report.check(&case.name, check_case(&model, case, &mut worst).await);
        report.check(&format!("{} poolings", case.name), check_poolings(&model, case).await);
    }
    let Worst { cosine, hidden } = worst;
    report.figures.push(format!("worst cosine {cosine:.9}, worst hidden difference {hidden:.1e}"));
    Ok(report)
}

struct Worst {
    cosine: f64,
    hidden: f32,
}

async fn check_case(model: &Model, case: &GoldenCase, worst: &mut Worst) -> Result<(), String> {
    let result = model.embed(&[&case.text], &case.options, &NoControl).await.map_err(|e| e.to_string())?;
    if result.ids[0] != case.ids {
        return Err(format!("token ids {:?} instead of {:?}", result.ids[0], case.ids));
    }
    let hidden = &result.hidden.as_ref().ok_or("no hidden state came back")?[0];
    let width = model.info().spec.hidden_size;
    let rows = case.hidden_rows.iter().flat_map(|&r| hidden[r * width..][..width].iter().copied());
    let rows: Vec<f32> = rows.collect();
    let shape = [case.hidden_rows.len(), width];
    compare(&rows, &case.hidden, &shape, Tolerance::HIDDEN).map_err(|e| format!("hidden state: {e}"))?;
    let difference = rows.iter().zip(&case.hidden).map(|(a, e)| (a - e).abs()).fold(0.0, f32::max);
    worst.hidden = worst.hidden.max(difference);
    let cosine = checked_cosine(result.row(0), &case.pooled)?;
    worst.cosine = worst.cosine.min(cosine);
    let norm = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>().sqrt();
    let (actual, expected) = (norm(result.row(0)), norm(&case.pooled));
    match (actual - expected).abs() <= 1e-4 * expected {
        true => Ok(()),
        false => Err(format!("the vector's length is {actual}, not {expected}")),
    }
}

async fn check_poolings(model: &Model, case: &GoldenCase) -> Result<(), String> {
    for (pooling, expected) in &case.pooled_by {
        let options = EmbedOptions {
            pooling: Some(PoolerSpec::named(pooling.name())),
            normalize: Some(false),
            hidden: false,
            ..case.options.clone()
        };
        let result = model.embed(&[&case.text], &options, &NoControl).await.map_err(|e| e.to_string())?;
        let shape = [1, expected.len()];
        compare(result.row(0), expected, &shape, Tolerance::RelAbs { rel: 1e-4, abs: 2e-4 })
            .map_err(|e| format!("{}: {e}", pooling.name()))?;
    }
    Ok(())
}

fn checked_cosine(actual: &[f32], expected: &[f32]) -> Result<f64, String> {
    if actual.len() != expected.len() {
        return Err(format!("a vector of {} instead of {} elements", actual.len(), expected.len()));
    }
    let cosine = cosine(actual, expected);
    // Written so that a NaN fails, too.
    if !(cosine >= MIN_COSINE) {
        return Err(format!("pooled cosine {cosine:.9}"));
    }
    Ok(cosine)
}

struct Matrix {
    width: usize,
    values: Vec<f32>,
}

impl Matrix {
    fn read(file: &SafeTensors<'_>, name: &str) -> Result<Self, String> {
        let view = file.tensor(name).map_err(|e| format!("{name}: {e}"))?;
        if view.dtype() != Dtype::F32 || view.shape().len() != 2 {
            return Err(format!("{name} is not a matrix of f32"));
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok(Self { width: view.shape()[1], values: values.collect() })
    }

    fn rows(&self, rows: std::ops::Range<usize>) -> &[f32] {
        &self.values[rows.start * self.width..rows.end * self.width]
    }
}

fn integers(file: &SafeTensors<'_>, name: &str) -> Result<Vec<usize>, String> {
    let view = file.tensor(name).map_err(|e| format!("{name}: {e}"))?;
    if view.dtype() != Dtype::I32 {
        return Err(format!("{name} is not i32"));
    }
    let values = view.data().chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    Ok(values.collect())
}
