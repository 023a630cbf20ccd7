//! `heatseek embed --image`: files in, vectors out, in the same order, while they come.

use std::fs;
use std::path::Path;

use heatseek::{DecodeOptions, ImageModel, ImageOptions, NoControl, PatchGrid, Picture, block_on};
use serde::Serialize;

use crate::args::EmbedArgs;
use crate::failure::Failure;
use crate::sink::Sink;
use crate::{load, progress};

/// Pictures that are decoded before they are embedded together.
const GROUP: usize = 8;

/// One line of output. Numbers are printed with the fewest digits that read back as the same f32.
#[derive(Serialize)]
struct Row<'a> {
    index: usize,
    image: &'a Path,
    tokens: usize,
    grid: PatchGrid,
    embedding: &'a [f32],
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<Vec<&'a [f32]>>,
}

/// Runs `heatseek embed --image`.
pub fn run(args: &EmbedArgs) -> Result<(), Failure> {
    let model = load::image_model(&args.model, &NoControl)?;
    let EmbedOptions { pooling, pooling_weights, truncate_dim, .. } = args.pooling.options()?;
    let options = ImageOptions {
        pooling,
        pooling_weights,
        truncate_dim,
        normalize: args.normalize,
        hidden: args.hidden,
        weights: args.weights,
    };
    let mut sink = Sink::open(args.output.as_deref(), args.precision)?;
    let bar = progress::count_bar("pictures");
    for (group, paths) in args.image.chunks(GROUP).enumerate() {
        write_group(&model, &options, group * GROUP, paths, &mut sink)?;
        bar.set_position((group * GROUP + paths.len()) as u64);
    }
    bar.finish_and_clear();
    sink.finish(model.info().spec.embedding_dim)
}

fn write_group(
    model: &ImageModel,
    options: &ImageOptions,
    first: usize,
    paths: &[impl AsRef<Path>],
    sink: &mut Sink,
) -> Result<(), Failure> {
    let pictures: Vec<Picture> = paths.iter().map(|path| read(path.as_ref())).collect::<Result<_, _>>()?;
    let embeddings = block_on(model.embed(&pictures, options, &NoControl))?;
    let hidden_size = model.info().spec.hidden_size;
    sink.write_matrix(&embeddings.data, paths.len(), || {
        paths.iter().enumerate().map(|(at, path)| Row {
            index: first + at,
            image: path.as_ref(),
            tokens: embeddings.tokens[at],
            grid: embeddings.grids[at],
            embedding: embeddings.row(at),
            hidden: embeddings.hidden.as_ref().map(|all| all[at].chunks_exact(hidden_size).collect()),
        })
    })
}

/// Reads and decodes one picture; what is wrong with it is told with its path.
pub fn read(path: &Path) -> Result<Picture, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    Picture::decode(&bytes, &DecodeOptions::default())
        .map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))
}
