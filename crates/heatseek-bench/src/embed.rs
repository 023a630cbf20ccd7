//! `heatseek embed`: lines in, vectors out, in the same order, while they come.

use heatseek::{EmbedOptions, Embeddings, NoControl, Precision, Ranges, block_on, quantize};
use serde::Serialize;

use crate::args::EmbedArgs;
use crate::embed_images::lists;
use crate::failure::Failure;
use crate::lines::Lines;
use crate::sink::{Sink, Vectors};
use crate::{load, pooling, progress};

/// One line of output. Numbers are printed with the fewest digits that read back as the same f32.
#[derive(Serialize)]
struct Row<'a> {
    index: usize,
    tokens: usize,
    embedding: Vectors<'a>,
    /// One list for each vector.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<Vec<&'a [f32]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<Vec<&'a [f32]>>,
}

/// Runs `heatseek embed`.
pub fn run(args: &EmbedArgs) -> Result<(), Failure> {
    let mut lines = Lines::open(&args.input)?;
    let options = EmbedOptions {
        normalize: args.normalize,
        prompt_name: args.prompt_name.clone(),
        max_length: args.max_length,
        hidden: args.hidden,
        weights: args.weights,
        ..args.pooling.options()?
    };
    let model = load::model(&args.model, &NoControl)?;
    let mut sink = Sink::open(args.output.as_deref(), args.precision)?;
    let hidden_size = model.info().spec.hidden_size;
    let bar = progress::count_bar("texts");
    let mut done = 0;
    // Ranges are those of all vectors, so that none can be written before the last is known.
    let mut waiting = Vec::new();
    let mut width = None;
    loop {
        let texts = lines.next_group()?;
        // Without any texts, their width is still to be known.
        if texts.is_empty() && width.is_some() {
            break;
        }
        let embeddings = block_on(model.embed(&texts, &options, &NoControl))?;
        if width.replace(embeddings.shape[1]).is_none() {
            pooling::warn(embeddings.warning.as_deref());
        }
        done += texts.len();
        bar.set_position(done as u64);
        match args.precision {
            Precision::Int8 | Precision::Uint8 => waiting.push(embeddings),
            _ => write(&mut sink, &embeddings, done - texts.len(), hidden_size, None)?,
        }
    }
    let width = width.unwrap_or_default();
    let all: Vec<f32> = waiting.iter().flat_map(|some| &some.data).copied().collect();
    let ranges = if all.is_empty() { None } else { Some(Ranges::of(&all, width)?) };
    let mut first = 0;
    for embeddings in &waiting {
        write(&mut sink, embeddings, first, hidden_size, ranges.as_ref())?;
        first += embeddings.tokens.len();
    }
    bar.finish_and_clear();
    sink.finish(args.precision.width(width))
}

/// Writes the vectors of texts, the first of which is text `first` of all.
fn write(
    sink: &mut Sink,
    embeddings: &Embeddings,
    first: usize,
    hidden_size: usize,
    ranges: Option<&Ranges>,
) -> Result<(), Failure> {
    let [vectors, width] = embeddings.shape;
    let values = quantize(&embeddings.data, width, sink.precision(), ranges)?;
    let mut of_each = Vectors::of_each(&values, sink.precision().width(width), embeddings.counts.as_deref());
    sink.write_matrix(&values, vectors, || {
        (0..embeddings.tokens.len()).map(|at| Row {
            index: first + at,
            tokens: embeddings.tokens[at],
            embedding: of_each(at),
            weights: lists(&embeddings.weights, at, embeddings.tokens[at]),
            hidden: lists(&embeddings.hidden, at, hidden_size),
        })
    })
}
