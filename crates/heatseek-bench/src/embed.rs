//! `heatseek embed`: lines in, vectors out, in the same order, while they come.

use heatseek::{EmbedOptions, ModelSpec, NoControl, block_on};
use serde::Serialize;

use crate::args::EmbedArgs;
use crate::failure::Failure;
use crate::lines::Lines;
use crate::sink::Sink;
use crate::{load, progress};

/// One line of output. Numbers are printed with the fewest digits that read back as the same f32.
#[derive(Serialize)]
struct Row<'a> {
    index: usize,
    tokens: usize,
    embedding: &'a [f32],
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<Vec<&'a [f32]>>,
}

/// Runs `heatseek embed`.
pub fn run(args: &EmbedArgs) -> Result<(), Failure> {
    let mut lines = Lines::open(&args.input)?;
    let model = load::model(&args.model, &NoControl)?;
    let options = EmbedOptions {
        pooling: args.pooling.0,
        normalize: args.normalize,
        prompt_name: args.prompt_name.clone(),
        max_length: args.max_length,
        hidden: args.hidden,
        ..EmbedOptions::default()
    };
    let mut sink = Sink::open(args.output.as_deref())?;
    let ModelSpec { hidden_size, embedding_dim, .. } = model.info().spec;
    let bar = progress::count_bar("texts");
    let mut done = 0;
    loop {
        let texts = lines.next_group()?;
        if texts.is_empty() {
            break;
        }
        let embeddings = block_on(model.embed(&texts, &options, &NoControl))?;
        sink.write_matrix(&embeddings.data, texts.len(), || {
            (0..texts.len()).map(|at| Row {
                index: done + at,
                tokens: embeddings.tokens[at],
                embedding: embeddings.row(at),
                hidden: embeddings.hidden.as_ref().map(|all| all[at].chunks_exact(hidden_size).collect()),
            })
        })?;
        done += texts.len();
        bar.set_position(done as u64);
    }
    bar.finish_and_clear();
    sink.finish(embedding_dim)
}
