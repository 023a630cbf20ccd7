//! `heatseek search`: the passages of a corpus that answer a question.

use std::io::{self, Write};
use std::path::Path;

use heatseek::{ChunkOptions, Document, Hit, HitChunk, Iem, Index, IndexOptions, block_on};
use serde::Serialize;

use crate::args::SearchArgs;
use crate::failure::Failure;
use crate::load;
use crate::pooling;
use crate::progress::Bars;
use crate::sources::{self, Source};

/// One line of `--json`.
#[derive(Serialize)]
struct Row<'a> {
    rank: usize,
    score: f32,
    path: &'a str,
    line: usize,
    /// `text`, and where it stands: `start` and `end` in bytes of the file.
    #[serde(flatten)]
    passage: &'a HitChunk,
}

/// Runs `heatseek search`.
pub fn run(args: &SearchArgs) -> Result<(), Failure> {
    if args.query.trim().is_empty() {
        return Err(Failure::invalid("the question is empty"));
    }
    let embed = args.pooling.options()?;
    let rerank = args.rerank.as_deref().map(pair_scorer).transpose()?;
    let sources = sources::read(&args.corpus)?;
    let bars = Bars::new();
    let model = load::model(&args.model, &bars)?;
    let options = IndexOptions {
        pooling: embed.pooling,
        pooling_weights: embed.pooling_weights,
        include_prompt: embed.include_prompt,
        truncate_dim: embed.truncate_dim,
        late: args.late,
        ..IndexOptions::default()
    };
    let mut index = Index::new(&model, options)?;
    pooling::warn(index.warning(&model)?.as_deref());
    let mut added = 0;
    for markdown in [false, true] {
        let documents = sources.iter().enumerate().filter(|(_, source)| source.is_markdown() == markdown);
        let documents = documents.map(|(at, source)| Document {
            // A number: two paths that are not UTF-8 could look the same as text.
            id: at.to_string(),
            text: source.text.clone(),
            ..Document::default()
        });
        let chunk = ChunkOptions {
            tokens: args.chunk_tokens,
            overlap: args.chunk_overlap,
            characters: args.chunk_characters,
            sentences: args.chunk_sentences,
            markdown,
        };
        added += block_on(index.add(&model, documents.collect(), Some(chunk), &bars))?;
    }
    if added == 0 {
        return Err(Failure::invalid(format!("there is no text in {}", args.corpus.display())));
    }
    let hits = block_on(index.search(&model, &args.query, args.k, rerank.as_ref(), &bars))?;
    bars.clear();
    print(&hits, &sources, args.json)
}

fn pair_scorer(path: &Path) -> Result<Iem, Failure> {
    Iem::read(&pooling::params(path)?).map_err(|error| pooling::in_file(path, &error))
}

fn print(hits: &[Hit], sources: &[Source], json: bool) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (at, hit) in hits.iter().enumerate() {
        let source = hit.id.parse().ok().and_then(|id: usize| sources.get(id));
        let path = source.map_or(String::new(), |source| source.path.display().to_string());
        let line = line_of(&hit.document.text, hit.chunk.start);
        if json {
            let row = Row { rank: at + 1, score: hit.score, path: &path, line, passage: &hit.chunk };
            serde_json::to_writer(&mut out, &row).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{:>3}. {:.4}  {path}:{line}", at + 1, hit.score)?;
            for text in hit.chunk.text.lines() {
                writeln!(out, "     {text}")?;
            }
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

/// The line, counted from 1, that holds the byte `at`.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!([0, 1, 2, 3].map(|at| line_of("a\nb\r\nc", at)), [1, 1, 2, 2]);
        assert_eq!(line_of("a\nb\r\nc", 5), 3);
    }
}
