//! `heatseek embed --image`: files in, vectors out, in the same order, while they come.

use std::fs;
use std::path::{Path, PathBuf};

use heatseek::{
    DecodeOptions, EmbedOptions, ImageEmbeddings, ImageOptions, NoControl, PatchGrid, Picture, Precision,
    Ranges, block_on, quantize,
};
use serde::Serialize;

use crate::args::EmbedArgs;
use crate::failure::Failure;
use crate::sink::{Sink, Vectors};
use crate::{load, pooling, progress};

/// Pictures that are decoded before they are embedded together.
const GROUP: usize = 8;

/// One line of output. Numbers are printed with the fewest digits that read back as the same f32.
#[derive(Serialize)]
struct Row<'a> {
    index: usize,
    image: &'a Path,
    tokens: usize,
    grid: PatchGrid,
    embedding: Vectors<'a>,
    /// One list for each vector.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<Vec<&'a [f32]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<Vec<&'a [f32]>>,
}

/// Runs `heatseek embed --image`.
pub fn run(args: &EmbedArgs) -> Result<(), Failure> {
    let EmbedOptions { pooling, pooling_weights, truncate_dim, .. } = args.pooling.options()?;
    let options = ImageOptions {
        pooling,
        pooling_weights,
        truncate_dim,
        normalize: args.normalize,
        hidden: args.hidden,
        weights: args.weights,
    };
    let model = load::image_model(&args.model, &NoControl)?;
    let mut sink = Sink::open(args.output.as_deref(), args.precision)?;
    let hidden_size = model.info().spec.hidden_size;
    let bar = progress::count_bar("pictures");
    // Ranges are those of all vectors, so that none can be written before the last is known.
    let mut waiting = Vec::new();
    let mut width = 0;
    for (group, paths) in args.image.chunks(GROUP).enumerate() {
        let pictures: Vec<Picture> = paths.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        let embeddings = block_on(model.embed(&pictures, &options, &NoControl))?;
        width = embeddings.shape[1];
        if group == 0 {
            pooling::warn(embeddings.warning.as_deref());
        }
        bar.set_position((group * GROUP + paths.len()) as u64);
        match args.precision {
            Precision::Int8 | Precision::Uint8 => waiting.push(embeddings),
            _ => write(&mut sink, &embeddings, (group * GROUP, paths), hidden_size, None)?,
        }
    }
    let all: Vec<f32> = waiting.iter().flat_map(|some| &some.data).copied().collect();
    let ranges = if all.is_empty() { None } else { Some(Ranges::of(&all, width)?) };
    for (group, (embeddings, paths)) in waiting.iter().zip(args.image.chunks(GROUP)).enumerate() {
        write(&mut sink, embeddings, (group * GROUP, paths), hidden_size, ranges.as_ref())?;
    }
    bar.finish_and_clear();
    sink.finish(args.precision.width(width))
}

/// Writes the vectors of the pictures at `paths`, the first of which is picture `first` of all.
fn write(
    sink: &mut Sink,
    embeddings: &ImageEmbeddings,
    (first, paths): (usize, &[PathBuf]),
    hidden_size: usize,
    ranges: Option<&Ranges>,
) -> Result<(), Failure> {
    let [vectors, width] = embeddings.shape;
    let values = quantize(&embeddings.data, width, sink.precision(), ranges)?;
    let mut of_each = Vectors::of_each(&values, sink.precision().width(width), embeddings.counts.as_deref());
    sink.write_matrix(&values, vectors, || {
        paths.iter().enumerate().map(|(at, path)| Row {
            index: first + at,
            image: path,
            tokens: embeddings.tokens[at],
            grid: embeddings.grids[at],
            embedding: of_each(at),
            weights: lists(&embeddings.weights, at, embeddings.tokens[at]),
            hidden: lists(&embeddings.hidden, at, hidden_size),
        })
    })
}

/// Lists of `length` numbers of one of several inputs.
pub fn lists(all: &Option<Vec<Vec<f32>>>, at: usize, length: usize) -> Option<Vec<&[f32]>> {
    all.as_ref().map(|all| all[at].chunks_exact(length.max(1)).collect())
}

/// Reads and decodes one picture; what is wrong with it is told with its path.
pub fn read(path: &Path) -> Result<Picture, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    Picture::decode(&bytes, &DecodeOptions::default())
        .map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))
}
