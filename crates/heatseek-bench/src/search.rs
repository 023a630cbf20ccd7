//! `heatseek search`: the passages of a corpus that answer a question.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use heatseek::store::{Batch, Check, CompactionPolicy, FolderStore};
use heatseek::{
    ChunkOptions, Document, Hit, HitChunk, Hybrid, Iem, Index, IndexOptions, IndexSearch, Model, block_on,
};
use serde::Serialize;
use serde_json::json;

use crate::args::SearchArgs;
use crate::failure::{Failure, in_index};
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
    let sources = args.corpus.as_deref().map(sources::read).transpose()?;
    let bars = Bars::new();
    let model = load::model(&args.model, &bars)?;
    let options = IndexOptions {
        pooling: embed.pooling,
        pooling_weights: embed.pooling_weights,
        include_prompt: embed.include_prompt,
        truncate_dim: embed.truncate_dim,
        late: args.late,
        storage: args.storage,
        metric: args.metric,
        ..IndexOptions::default()
    };
    let mut index = Index::new(&model, options.clone())?;
    pooling::warn(index.warning(&model)?.as_deref());
    if let Some(folder) = &args.index {
        let identity = index.identity(&model);
        let recover = || {
            let opened = FolderStore::recover(folder, &identity, Check::Length)?;
            for lost in opened.1.skipped.iter().filter(|skipped| skipped.generation.is_some()) {
                pooling::warn(Some(&lost.reason));
            }
            Ok(opened)
        };
        if sources.is_none() {
            let stored = match args.recover {
                true => recover().map(|(_, stored)| stored),
                false => FolderStore::read(folder, Some(&identity), Check::Length),
            };
            let stored = stored.map_err(in_index(folder.display()))?;
            index = Index::restore(&model, options, stored.segments)?;
        } else {
            let opened = match args.recover {
                true => recover(),
                false => FolderStore::open(folder, &identity, Check::Length),
            };
            let (mut store, stored) = opened.map_err(in_index(folder.display()))?;
            index = Index::restore(&model, options, stored.segments)?;
            let updated =
                update(&mut index, &model, sources.unwrap_or_default(), args, &bars, &mut |batch| {
                    store.commit(batch).map_err(in_index(folder.display()))
                });
            // What was read before a failure is kept.
            updated?;
            store.compact(&CompactionPolicy::default()).map_err(in_index(folder.display()))?;
        }
    } else {
        update(&mut index, &model, sources.unwrap_or_default(), args, &bars, &mut |_| Ok(()))?;
    }
    if index.is_empty() {
        let of = args.corpus.as_ref().or(args.index.as_ref()).map(|path| path.display().to_string());
        return Err(Failure::invalid(format!("there is no text in {}", of.unwrap_or_default())));
    }
    let search = IndexSearch {
        top_k: args.k,
        filter: args.filter.clone(),
        hybrid: args.hybrid.map(|weight| Hybrid { weight, ..Hybrid::default() }),
        rerank: rerank.as_ref(),
        per_document: args.per_document,
        threshold: args.threshold,
        diversity: args.diversity,
        ..IndexSearch::default()
    };
    let hits = block_on(index.search(&model, &args.query, &search, &bars))?;
    bars.clear();
    print(&hits, args.json)
}

/// Files that are embedded between two commits.
const BATCH: usize = 32;

/// Has `index` hold what `sources` say now.
fn update(
    index: &mut Index,
    model: &Model,
    sources: Vec<Source>,
    args: &SearchArgs,
    bars: &Bars,
    commit: &mut dyn FnMut(&Batch) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut documents = Vec::new();
    let mut ids = HashSet::new();
    for source in sources {
        let chunk = ChunkOptions {
            tokens: args.chunk_tokens,
            overlap: args.chunk_overlap,
            characters: args.chunk_characters,
            sentences: args.chunk_sentences,
            markdown: source.is_markdown(),
        };
        let shown = source.path.display().to_string();
        // Two paths that are not UTF-8 may look the same as text.
        let numbered = (2..).map(|n| format!("{shown} ({n})"));
        let id = [shown.clone()].into_iter().chain(numbered).find(|id| !ids.contains(id)).unwrap_or_default();
        ids.insert(id.clone());
        let metadata = json!({ "chunk": chunk });
        documents.push((Document { id, text: source.text, metadata }, chunk));
    }
    let gone: Vec<String> = index.iter().map(|d| d.id.clone()).filter(|id| !ids.contains(id)).collect();
    for id in gone {
        index.remove(&id);
    }
    documents.retain(|(document, _)| index.get(&document.id) != Some(document));
    let mut settle = |index: &mut Index| -> Result<(), Failure> {
        let Some(batch) = index.batch() else { return Ok(()) };
        let done = commit(&batch);
        index.settle(done.is_ok());
        done
    };
    let mut rest = documents.into_iter().peekable();
    while let Some((_, chunk)) = rest.peek() {
        let chunk = *chunk;
        let mut some = Vec::new();
        while let Some((document, _)) = rest.next_if(|(_, of)| some.len() < BATCH && *of == chunk) {
            some.push(document);
        }
        let added = block_on(index.add(model, some, Some(chunk), bars));
        settle(index)?;
        added?;
    }
    settle(index)
}

fn pair_scorer(path: &Path) -> Result<Iem, Failure> {
    Iem::read(&pooling::params(path)?).map_err(|error| pooling::in_file(path, &error))
}

fn print(hits: &[Hit], json: bool) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (at, hit) in hits.iter().enumerate() {
        let path = &hit.id;
        let line = line_of(&hit.document.text, hit.chunk.start);
        if json {
            let row = Row { rank: at + 1, score: hit.score, path, line, passage: &hit.chunk };
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
