//! `heatseek attention`: what a model looked at, as numbers or as a picture.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use heatseek::{AttentionMaps, AttentionOptions, EmbedOptions, NoControl, block_on};
use serde::Serialize;

use crate::args::AttentionArgs;
use crate::embed_images::read;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::npy::NpyWriter;
use crate::{load, panels};

/// The JSON object that is written.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a Path,
    reduce: &'static str,
    layers: &'a [usize],
    /// Empty where heads are fused.
    heads: &'a [usize],
    /// Layers, heads, tokens that look, tokens looked at.
    shape: [usize; 4],
    #[serde(flatten)]
    layout: Layout<'a>,
    /// By layer, head, token that looks and token looked at.
    attention: Vec<Vec<Vec<&'a [f32]>>>,
}

/// Runs `heatseek attention`.
pub fn run(args: &AttentionArgs) -> Result<(), Failure> {
    let kind = match &args.output {
        None => Kind::Json,
        Some(path) => Kind::of(path)?,
    };
    let maps = maps(args)?;
    match (kind, &args.output) {
        (Kind::Json, None) => {
            let mut out = BufWriter::new(io::stdout().lock());
            json(args, &maps, &mut out)?;
            Ok(out.flush()?)
        }
        (Kind::Json, Some(path)) => {
            let file = File::create(path).map_err(|error| Failure::file("create", path, &error))?;
            let mut out = BufWriter::new(file);
            let written = json(args, &maps, &mut out).and_then(|()| out.flush());
            written.map_err(|error| Failure::file("write", path, &error))
        }
        (Kind::Npy, Some(path)) => {
            let mut npy = NpyWriter::create(path, "<f4")?;
            npy.write(&maps.data, maps.shape[0])?;
            npy.finish(&maps.shape[1..])
        }
        (Kind::Png, Some(path)) => panels::write(&maps, path),
        // Only a path can ask for these.
        (Kind::Npy | Kind::Png, None) => Ok(()),
    }
}

/// What is written, by the file's extension.
#[derive(Clone, Copy)]
enum Kind {
    Json,
    Npy,
    Png,
}

impl Kind {
    fn of(path: &Path) -> Result<Self, Failure> {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("json") => Ok(Self::Json),
            Some("npy") => Ok(Self::Npy),
            Some("png") => Ok(Self::Png),
            _ => Err(Failure::invalid(format!(
                "cannot tell what to write to {}; name it .json, .npy or .png",
                path.display()
            ))),
        }
    }
}

fn maps(args: &AttentionArgs) -> Result<AttentionMaps, Failure> {
    let options = AttentionOptions {
        layers: args.layers.clone(),
        heads: args.heads.clone(),
        reduce: args.reduce,
        query: args.query,
        fusion: args.fusion,
        residual: args.residual,
        discard_ratio: args.discard_ratio,
    };
    if let Some(path) = &args.image {
        let model = load::image_model(&args.model, &NoControl)?;
        return Ok(block_on(model.attention(&read(path)?, &options, &NoControl))?);
    }
    let model = load::model(&args.model, &NoControl)?;
    let embed = EmbedOptions {
        prompt_name: args.prompt_name.clone(),
        max_length: args.max_length,
        ..EmbedOptions::default()
    };
    let text = args.text.as_deref().unwrap_or_default();
    Ok(block_on(model.attention(text, &options, &embed, &NoControl))?)
}

fn json(args: &AttentionArgs, maps: &AttentionMaps, out: &mut impl Write) -> io::Result<()> {
    let [layers, heads, _, tokens] = maps.shape;
    let map = |layer, head| maps.map(layer, head).chunks_exact(tokens).collect();
    let attention = (0..layers).map(|layer| (0..heads).map(|head| map(layer, head)).collect()).collect();
    let report = Report {
        model: &args.model.dir,
        reduce: args.reduce.name(),
        layers: &maps.layers,
        heads: &maps.heads,
        shape: maps.shape,
        layout: Layout::of(&maps.layout),
        attention,
    };
    serde_json::to_writer(&mut *out, &report)?;
    writeln!(out)
}
