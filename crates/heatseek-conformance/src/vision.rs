//! What transformers computed for pictures; `tests/golden/README.md` has the format.

use heatseek::{ImageEmbeddings, ImageModel, ImageOptions, LoadOptions, ModelFiles, NoControl, Pixels};
use heatseek_testkit::{Tolerance, compare, cosine};
use safetensors::SafeTensors;

use crate::Report;

/// The format this reader knows; another one wants its maker run again.
const FORMAT: &str = "heatseek-golden-vision-1";

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
    /// The last hidden state, `[tokens, hidden_size]`.
    pub hidden: Vec<f32>,
    /// Its extents.
    pub shape: [usize; 2],
}

/// Reads the cases of a golden file.
///
/// # Errors
/// What is wrong with it, and the command that makes it anew.
pub fn read_vision_golden(tensors: &[u8]) -> Result<Vec<VisionCase>, String> {
    let (_, header) = SafeTensors::read_metadata(tensors).map_err(|e| e.to_string())?;
    let metadata = header.metadata().clone().unwrap_or_default();
    if metadata.get("format").map(String::as_str) != Some(FORMAT) {
        let how = metadata.get("regenerate").map_or("tests/golden/README.md says how", String::as_str);
        return Err(format!("not a {FORMAT} file; make it anew: {how}"));
    }
    let file = SafeTensors::deserialize(tensors).map_err(|e| e.to_string())?;
    let mut cases = Vec::new();
    while let Ok(pixels) = file.tensor(&format!("pixels.{}", cases.len())) {
        let hidden = file.tensor(&format!("hidden.{}", cases.len())).map_err(|e| e.to_string())?;
        let (&[3, height, width], &[tokens, hidden_size]) = (pixels.shape(), hidden.shape()) else {
            return Err(format!("case {} has tensors of the wrong rank", cases.len()));
        };
        let data = floats(pixels.data());
        let pixels = Pixels { width: width as u32, height: height as u32, data };
        cases.push(VisionCase { pixels, hidden: floats(hidden.data()), shape: [tokens, hidden_size] });
    }
    Ok(cases)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// Loads the model with `options` and compares every case with PyTorch, all pictures in one call and each
/// alone.
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
        let alone = model.embed_pixels(&pictures[index..=index], &options, &NoControl).await?;
        let width = alone.shape[1];
        let same = compare(together.row(index), alone.row(0), &[1, width], BATCH);
        report.check(&format!("{name}, alone"), same.map(|_| ()).map_err(|e| e.to_string()));
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

fn check_case(
    actual: &ImageEmbeddings,
    index: usize,
    case: &VisionCase,
    worst: &mut (f64, f64),
) -> Result<(), String> {
    let hidden = actual.hidden.as_ref().map(|all| &all[index]).ok_or("no hidden state came")?;
    compare(hidden, &case.hidden, &case.shape, HIDDEN).map_err(|e| e.to_string())?;
    let width = case.shape[1];
    for (row, (a, e)) in hidden.chunks_exact(width).zip(case.hidden.chunks_exact(width)).enumerate() {
        let similarity = cosine(a, e);
        if !(similarity >= MIN_COSINE) {
            return Err(format!("token {row} has cosine {similarity} to PyTorch's"));
        }
        worst.1 = worst.1.min(similarity);
        worst.0 = a.iter().zip(e).fold(worst.0, |m, (a, e)| m.max(f64::from((a - e).abs())));
    }
    // The model's own vector is the class token.
    match actual.row(index) == &hidden[..width] {
        true => Ok(()),
        false => {
            let similarity = cosine(actual.row(index), &case.hidden[..width]);
            if similarity >= MIN_COSINE { Ok(()) } else { Err(format!("the vector has cosine {similarity}")) }
        }
    }
}
