//! What transformers computed for pictures; `tests/golden/README.md` has the format.

use std::collections::HashMap;

use heatseek::{
    DecodeOptions, ImageEmbeddings, ImageModel, ImageOptions, LoadOptions, ModelFiles, NoControl, Picture,
    Pixels, Preprocessor,
};
use heatseek_testkit::{Tolerance, compare, cosine};
use safetensors::SafeTensors;

use crate::{Backend, Report};

/// The format this reader knows; another one wants its maker run again.
const FORMAT: &str = "heatseek-golden-vision-1";
const PICTURES_FORMAT: &str = "heatseek-golden-pictures-1";

/// The least cosine of a picture's vector, resized and cut by us, to transformers' (roundings of a level).
const MIN_WHOLE_COSINE: f64 = 0.9999;

/// The bars against PyTorch: of each hidden value, and of each token's vector.
const HIDDEN: Tolerance = Tolerance::Abs(5e-4);
const MIN_COSINE: f64 = 0.99999;

/// How far a picture's vector may move when others are embedded with it.
const BATCH: Tolerance = Tolerance::Abs(2e-6);

/// One picture and what was computed for it.
#[derive(Clone, Debug)]
pub struct VisionCase {
    /// What the model is given.
    pub pixels: Pixels,
    /// Which rows of the last hidden state are kept; the first is that of the class token.
    pub rows: Vec<usize>,
    /// Those rows, `[rows, hidden_size]`.
    pub hidden: Vec<f32>,
    /// Width of a row.
    pub hidden_size: usize,
    /// The model's own vector, where it is not the first row.
    pub pooled: Option<Vec<f32>>,
}

/// Reads the cases of a golden file.
///
/// # Errors
/// What is wrong with it, and the command that makes it anew.
pub fn read_vision_golden(tensors: &[u8]) -> Result<Vec<VisionCase>, String> {
    read_metadata(tensors, FORMAT)?;
    let file = SafeTensors::deserialize(tensors).map_err(|e| e.to_string())?;
    let mut cases = Vec::new();
    while let Ok(pixels) = file.tensor(&format!("pixels.{}", cases.len())) {
        let hidden = file.tensor(&format!("hidden.{}", cases.len())).map_err(|e| e.to_string())?;
        let (&[3, height, width], &[tokens, hidden_size]) = (pixels.shape(), hidden.shape()) else {
            return Err(format!("case {} has tensors of the wrong rank", cases.len()));
        };
        let data = floats(pixels.data());
        let pixels = Pixels { width: width as u32, height: height as u32, data };
        let rows = (0..tokens).collect();
        let pooled = file.tensor(&format!("pooled.{}", cases.len())).ok().map(|v| floats(v.data()));
        cases.push(VisionCase { pixels, rows, hidden: floats(hidden.data()), hidden_size, pooled });
    }
    Ok(cases)
}

/// Parts of real pictures, and what the whole pictures give.
#[derive(Clone, Debug, Default)]
pub struct PictureGolden {
    /// The parts.
    pub cases: Vec<VisionCase>,
    /// Each whole picture, and the vector that transformers' own processor and model give for it.
    pub whole: Vec<(Picture, Vec<f32>)>,
}

impl PictureGolden {
    /// Reads a golden file of parts of pictures; `picture` gives the bytes of a picture by its file's name and
    /// `preprocessor` is the `preprocessor_config.json` of the model.
    ///
    /// # Errors
    /// What is wrong with it, and the command that makes it anew.
    pub fn read(
        tensors: &[u8],
        preprocessor: &[u8],
        picture: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, String> {
        let metadata = read_metadata(tensors, PICTURES_FORMAT)?;
        let preprocessor = Preprocessor::from_json(preprocessor).map_err(|e| e.to_string())?;
        let names = metadata.get("pictures").ok_or("the golden file names no pictures")?;
        let names: Vec<String> = serde_json::from_str(names).map_err(|e| e.to_string())?;
        let file = SafeTensors::deserialize(tensors).map_err(|e| e.to_string())?;
        let tensor = |name: String| file.tensor(&name).map_err(|e| format!("{name}: {e}"));
        let mut golden = Self::default();
        for (index, name) in names.iter().enumerate() {
            let bytes = picture(name)?;
            let whole = Picture::decode(&bytes, &DecodeOptions::default()).map_err(|e| e.to_string())?;
            let part = integers(tensor(format!("part.{index}"))?.data());
            let &[x, y, width, height] = &part[..] else { return Err("a part has four numbers".into()) };
            let stride = whole.width() as usize;
            let rgb: Vec<u8> = (y..y + height)
                .flat_map(|row| &whole.rgb()[3 * (row * stride + x)..][..3 * width])
                .copied()
                .collect();
            let [width, height] = [width as u32, height as u32];
            let part = Picture::from_rgb(width, height, rgb).map_err(|e| e.to_string())?;
            let as_it_is = preprocessor.with_size(width, height).map_err(|e| e.to_string())?;
            let hidden = tensor(format!("hidden.{index}"))?;
            golden.cases.push(VisionCase {
                pixels: as_it_is.pixels(&part).map_err(|e| e.to_string())?,
                rows: integers(tensor(format!("rows.{index}"))?.data()),
                hidden: floats(hidden.data()),
                hidden_size: hidden.shape().last().copied().unwrap_or_default(),
                pooled: None,
            });
            golden.whole.push((whole, floats(tensor(format!("pooled.{index}"))?.data())));
        }
        Ok(golden)
    }
}

/// Of the parts, how many one is for where they take long.
const SHARE: usize = 3;

impl PictureGolden {
    /// The parts worth their time on `backend`: all on the CPU and on CUDA, elsewhere every third, wide and square ones among them.
    /// Shapes are told apart before any device: by how positions are interpolated, and small models have all kinds.
    pub fn fit_for(&self, backend: &Backend) -> Vec<VisionCase> {
        let slow = matches!(backend, Backend::Reference | Backend::Gpu(_) | Backend::Staged(_));
        let share = if slow { SHARE } else { 1 };
        self.cases.iter().step_by(share).cloned().collect()
    }
}

pub(crate) fn integers(bytes: &[u8]) -> Vec<usize> {
    bytes.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b) as usize).collect()
}

pub(crate) fn read_metadata(tensors: &[u8], format: &str) -> Result<HashMap<String, String>, String> {
    let (_, header) = SafeTensors::read_metadata(tensors).map_err(|e| e.to_string())?;
    let metadata = header.metadata().clone().unwrap_or_default();
    if metadata.get("format").map(String::as_str) != Some(format) {
        let how = metadata.get("regenerate").map_or("tests/golden/README.md says how", String::as_str);
        return Err(format!("not a {format} file; make it anew: {how}"));
    }
    Ok(metadata.into_iter().collect())
}

pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// Loads the model with `options` and compares every case with PyTorch, all pictures in one call, and the
/// smallest alone.
///
/// # Errors
/// If the model cannot be loaded or does not run.
pub async fn check_vision(
    files: ModelFiles,
    cases: &[VisionCase],
    options: LoadOptions,
) -> Result<Report, heatseek::Error> {
    let model = ImageModel::load(files, options, &NoControl).await?;
    let mut report = Report::default();
    let device = model.info().device;
    if let Some(fallback) = &device.fallback {
        report.check("device", Err(format!("fell back: {fallback}")));
    }
    let pictures: Vec<Pixels> = cases.iter().map(|c| c.pixels.clone()).collect();
    let options = ImageOptions { hidden: true, ..ImageOptions::default() };
    let together = model.embed_pixels(&pictures, &options, &NoControl).await?;
    let mut worst: (f64, f64) = (0.0, 1.0);
    for (index, case) in cases.iter().enumerate() {
        let name = format!("picture {index}, {} x {}", case.pixels.width, case.pixels.height);
        report.check(&name, check_case(&together, index, case, &mut worst));
    }
    // One is enough: which it is makes no difference to the kernels.
    let smallest = (0..cases.len()).min_by_key(|&index| together.tokens[index]);
    if let Some(index) = smallest {
        let alone = model.embed_pixels(&pictures[index..=index], &options, &NoControl).await?;
        let width = alone.shape[1];
        let same = compare(together.row(index), alone.row(0), &[1, width], BATCH);
        report.check(&format!("picture {index} alone"), same.map(|_| ()).map_err(|e| e.to_string()));
    }
    let (hidden, cosine) = worst;
    report.figures.push(format!(
        "{} on {} ({}): hidden within {hidden:.1e}, cosine at least {cosine:.8}",
        model.info().spec.model_type,
        device.name,
        device.kernels
    ));
    Ok(report)
}

/// Loads the model with `options` and compares whole pictures, prepared by us, with transformers' vectors.
///
/// # Errors
/// If the model cannot be loaded or does not run.
pub async fn check_whole_pictures(
    files: ModelFiles,
    golden: &PictureGolden,
    options: LoadOptions,
) -> Result<Report, heatseek::Error> {
    let model = ImageModel::load(files, options, &NoControl).await?;
    let mut report = Report::default();
    for (index, (picture, expected)) in golden.whole.iter().enumerate() {
        let one = std::slice::from_ref(picture);
        let actual = model.embed(one, &ImageOptions::default(), &NoControl).await?;
        let similarity = cosine(actual.row(0), expected);
        let right = similarity >= MIN_WHOLE_COSINE;
        let outcome =
            if right { Ok(()) } else { Err(format!("cosine {similarity} to transformers' vector")) };
        report.check(&format!("picture {index}, {} x {}", picture.width(), picture.height()), outcome);
    }
    Ok(report)
}

fn check_case(
    actual: &ImageEmbeddings,
    index: usize,
    case: &VisionCase,
    worst: &mut (f64, f64),
) -> Result<(), String> {
    let all = actual.hidden.as_ref().map(|all| &all[index]).ok_or("no hidden state came")?;
    let width = case.hidden_size;
    let tokens = all.len() / width;
    if case.rows.iter().any(|&row| row >= tokens) {
        return Err(format!("only {tokens} tokens came"));
    }
    let hidden: Vec<f32> = case.rows.iter().flat_map(|row| &all[row * width..][..width]).copied().collect();
    compare(&hidden, &case.hidden, &[case.rows.len(), width], HIDDEN).map_err(|e| e.to_string())?;
    let pairs = hidden.chunks_exact(width).zip(case.hidden.chunks_exact(width));
    for (row, (a, e)) in case.rows.iter().zip(pairs) {
        let similarity = cosine(a, e);
        if !(similarity >= MIN_COSINE) {
            return Err(format!("token {row} has cosine {similarity} to PyTorch's"));
        }
        worst.1 = worst.1.min(similarity);
        worst.0 = a.iter().zip(e).fold(worst.0, |m, (a, e)| m.max(f64::from((a - e).abs())));
    }
    // Without one of its own, the vector is the class token.
    let expected = case.pooled.as_deref().unwrap_or(&case.hidden[..width]);
    let vector = actual.row(index);
    compare(vector, expected, &[1, expected.len()], HIDDEN).map_err(|e| format!("the vector: {e}"))?;
    let similarity = cosine(vector, expected);
    worst.1 = worst.1.min(similarity);
    if similarity >= MIN_COSINE { Ok(()) } else { Err(format!("the vector has cosine {similarity}")) }
}
