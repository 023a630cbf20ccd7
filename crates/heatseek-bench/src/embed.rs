//! `heatseek embed`: lines in, vectors out, in the same order, while they come.

use std::io::{self, Write};

use heatseek::{EmbedOptions, Embeddings, Model, NoControl, block_on};
use serde::Serialize;

use crate::args::EmbedArgs;
use crate::failure::Failure;
use crate::lines::Lines;
use crate::npy::NpyWriter;
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
    let mut sink = match &args.output {
        Some(path) => Sink::Npy(NpyWriter::create(path)?),
        None => Sink::JsonLines(io::BufWriter::new(io::stdout())),
    };
    let bar = progress::count_bar("texts");
    let mut done = 0;
    loop {
        let texts = lines.next_group()?;
        if texts.is_empty() {
            break;
        }
        let embeddings = block_on(model.embed(&texts, &options, &NoControl))?;
        sink.write(&embeddings, done, model.info().spec.hidden_size)?;
        done += texts.len();
        bar.set_position(done as u64);
    }
    bar.finish_and_clear();
    sink.finish(&model)
}

enum Sink {
    JsonLines(io::BufWriter<io::Stdout>),
    Npy(NpyWriter),
}

impl Sink {
    fn write(&mut self, embeddings: &Embeddings, first: usize, hidden_size: usize) -> Result<(), Failure> {
        let [rows, columns] = embeddings.shape;
        let out = match self {
            Self::Npy(npy) => return npy.write(&embeddings.data, rows),
            Self::JsonLines(out) => out,
        };
        for (at, embedding) in embeddings.data.chunks_exact(columns).enumerate() {
            let hidden = embeddings.hidden.as_ref().map(|all| all[at].chunks_exact(hidden_size).collect());
            let row = Row { index: first + at, tokens: embeddings.tokens[at], embedding, hidden };
            serde_json::to_writer(&mut *out, &row).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        // Whoever waits for an answer to one line should not wait for a full buffer.
        out.flush()?;
        Ok(())
    }

    fn finish(self, model: &Model) -> Result<(), Failure> {
        match self {
            Self::Npy(npy) => npy.finish(model.info().spec.embedding_dim),
            Self::JsonLines(mut out) => Ok(out.flush()?),
        }
    }
}
