//! `heatseek quantize`: the same model in a smaller file, and how far its vectors turn.

use std::fs;
use std::path::Path;

use heatseek::{
    DeviceChoice, EmbedOptions, Error, ImageModel, ImageOptions, LoadOptions, Model, ModelFiles, NoControl,
    Picture, block_on,
};
use heatseek_model::Quantization;
use serde_json::json;

use crate::args::QuantizeArgs;
use crate::failure::Failure;
use crate::progress::doing_bar;

/// What the vectors of before and after are compared on: questions, prose, lists, code, other scripts.
const TEXTS: [&str; 8] = [
    "how do bees find their way home",
    "Bread rises because yeast makes gas, and the dough holds it.",
    "The committee met on Tuesday and put the vote off until the budget was known.",
    "error: cannot borrow `files` as mutable because it is also borrowed as immutable",
    "Paris, Lima, Nairobi, Osaka, Oslo",
    "She had never seen the sea, and now that it lay before her she did not know where to look first.",
    "Die Bienen tanzen, um einander den Weg zu den Blüten zu zeigen.",
    "Is it safe to take ibuprofen with coffee?",
];

/// Files beside a model that belong to it: what it is, and on what terms.
const BESIDE: [&str; 4] = ["README.md", "LICENSE", "LICENSE.txt", "LICENSE.md"];

/// Runs `heatseek quantize`. Prints one JSON object.
pub fn run(args: &QuantizeArgs) -> Result<(), Failure> {
    if args.group_size == 0 {
        return Err(Failure::invalid("--group-size is 0: give the columns that share a scale, such as 32"));
    }
    claim(&args.output)?;
    let bar = doing_bar();
    bar.set_message("quantising");
    let files = ModelFiles::from_dir(&args.model).map_err(Error::from)?;
    let embeddings = args.embeddings.unwrap_or(args.weights);
    let quantization = Quantization { linear: args.weights, embeddings, group_size: args.group_size };
    let quantised = quantization.files(&files).map_err(Error::from)?;
    bar.set_message("comparing");
    let cosines = compared(&files, &quantised)?;
    bar.set_message("writing");
    write(&quantised, &args.output)?;
    for name in BESIDE.iter().filter(|name| quantised.get(name).is_none()) {
        let from = args.model.join(name);
        if from.is_file() {
            fs::copy(&from, args.output.join(name)).map_err(|e| Failure::file("copy", &from, &e))?;
        }
    }
    bar.finish_and_clear();
    let report = json!({
        "output": args.output,
        "linear": args.weights.to_string(),
        "embeddings": embeddings.to_string(),
        "bytes_before": bytes(&files),
        "bytes": bytes(&quantised),
        "cosine_min": cosines.iter().copied().fold(f64::INFINITY, f64::min),
        "cosine_mean": cosines.iter().sum::<f64>() / cosines.len().max(1) as f64,
        "compared": cosines.len(),
    });
    println!("{report:#}");
    Ok(())
}

/// Bytes of all files that are loaded.
fn bytes(files: &ModelFiles) -> usize {
    files.paths().filter_map(|path| files.get(path)).map(|bytes| bytes.len()).sum()
}

/// The cosine of each text's or picture's vector before to that after.
fn compared(before: &ModelFiles, after: &ModelFiles) -> Result<Vec<f64>, Failure> {
    let (before, after) = (vectors(before)?, vectors(after)?);
    Ok(before.iter().zip(&after).map(|(a, b)| cosine(a, b)).collect())
}

fn vectors(files: &ModelFiles) -> Result<Vec<Vec<f32>>, Failure> {
    let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
    let (data, shape) = if files.has_text() {
        let model = block_on(Model::load(files.clone(), options, &NoControl))?;
        let vectors = block_on(model.embed(&TEXTS, &EmbedOptions::default(), &NoControl))?;
        (vectors.data, vectors.shape)
    } else {
        let model = block_on(ImageModel::load(files.clone(), options, &NoControl))?;
        let vectors = block_on(model.embed(&pictures()?, &ImageOptions::default(), &NoControl))?;
        (vectors.data, vectors.shape)
    };
    let width = shape.last().copied().unwrap_or(1).max(1);
    Ok(data.chunks_exact(width).map(<[f32]>::to_vec).collect())
}

/// Waves of several colours and lengths: smooth, but no two patches alike.
fn pictures() -> Result<Vec<Picture>, Failure> {
    const SIDE: u32 = 224;
    let picture = |seed: u32| {
        let wave = |at: u32, length: u32| (f64::from(at) / f64::from(length + 3 * seed)).sin() * 60.0;
        let pixel = |i: u32| {
            let (x, y) = (i % SIDE, i / SIDE);
            [(7, 31), (19, 11), (43, 5)].map(|(across, down)| (128.0 + wave(x, across) + wave(y, down)) as u8)
        };
        Ok(Picture::from_rgb(SIDE, SIDE, (0..SIDE * SIDE).flat_map(pixel).collect()).map_err(Error::from)?)
    };
    (0..4).map(picture).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Makes sure that `folder` is there and empty: no file of anybody's is written over.
fn claim(folder: &Path) -> Result<(), Failure> {
    let fail = |error| Failure::file("write to", folder, &error);
    fs::create_dir_all(folder).map_err(fail)?;
    match fs::read_dir(folder).map_err(fail)?.next() {
        None => Ok(()),
        Some(_) => {
            let folder = folder.display();
            Err(Failure::invalid(format!("{folder} is not empty: give --output a folder of its own")))
        }
    }
}

/// Writes every file into `folder`.
fn write(files: &ModelFiles, folder: &Path) -> Result<(), Failure> {
    let fail = |path: &Path, error| Failure::file("write", path, &error);
    for name in files.paths() {
        let path = folder.join(name);
        let Some(bytes) = files.get(name) else { continue };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| fail(parent, e))?;
        }
        fs::write(&path, &**bytes).map_err(|e| fail(&path, e))?;
    }
    Ok(())
}
