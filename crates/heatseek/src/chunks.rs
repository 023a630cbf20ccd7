//! The passages of one text, each with its vector, read one by one or with the text around them.

use heatseek_ops::Batch;
use heatseek_pool::{Layers as WantedLayers, States};
use heatseek_text::{Chunk, Chunker, Encoding};

use crate::embed::Ready;
use crate::way::Input;
use crate::{ChunkOptions, Control, EmbedOptions, Embeddings, Error, HitChunk, Model, PoolerSpec};

/// Of a window that does not begin with the text: the share of its tokens that come before its first passage.
const CONTEXT: usize = 4;

/// The passages of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChunkEmbeddings {
    /// Their vectors, in their order. Where passages were read in their text, `tokens` are those of each passage, and
    /// there are no `ids`.
    pub embeddings: Embeddings,
    /// What they say and where they stand.
    pub chunks: Vec<HitChunk>,
}

/// Tokens of a text that the model reads at once: the first passages and the last, and the tokens.
struct Window {
    chunks: std::ops::Range<usize>,
    tokens: std::ops::Range<usize>,
}

impl Model {
    /// Splits `text` into passages and embeds them. With `late` the model reads the whole text, and the vector of a
    /// passage is the mean of its tokens, or with pooling `max` the maximum ("Late Chunking", arXiv 2409.04701). The
    /// tokens of prompt and special ones in front count as the first passage's and those at the end as the last's, so
    /// that a text of one passage has the vector it has alone. A text longer than the model's limit is read in
    /// windows of it: each begins with some of what came before its first passage, and ends with the last passage
    /// that it holds whole.
    ///
    /// # Errors
    /// As [`Model::embed`]; [`Error::InvalidInput`] for chunk options that make no sense, or with `late` a pooling
    /// other than `mean` and `max`.
    pub async fn embed_chunks(
        &self,
        text: &str,
        chunk: ChunkOptions,
        late: bool,
        options: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<ChunkEmbeddings, Error> {
        let places = self.passages(text, self.fitting(chunk)?, control).await?;
        let part = |Chunk { start, end }: Chunk| &text[start..end];
        let embeddings = match late {
            true => self.embed_late(text, &places, options, control).await?,
            false => {
                let texts: Vec<&str> = places.iter().map(|&place| part(place)).collect();
                self.embed(&texts, options, control).await?
            }
        };
        let shown =
            |&place: &Chunk| HitChunk { text: part(place).into(), start: place.start, end: place.end };
        Ok(ChunkEmbeddings { embeddings, chunks: places.iter().map(shown).collect() })
    }

    /// The passages of a text. A long one is tokenized in parts.
    pub(crate) async fn passages(
        &self,
        text: &str,
        options: ChunkOptions,
        control: &dyn Control,
    ) -> Result<Vec<Chunk>, Error> {
        let mut chunker = Chunker::new(text, &self.tokenizer, options)?;
        while chunker.read()? {
            control.checkpoint().await?;
        }
        Ok(chunker.finish())
    }

    /// Fails unless the pooling of `options` can pool a part of a text; gives it with the rest made ready.
    pub(crate) fn late_pooling(&self, options: &EmbedOptions) -> Result<Ready, Error> {
        let own = self.ready(options)?;
        let named = options.pooling.as_ref().filter(|spec| spec.name != "auto");
        let name = named.map_or("mean", |_| own.way.pooler().map_or("mean", |pooler| pooler.row().name));
        let of_last = own.way.pooler().is_none_or(|pooler| pooler.needs().layers == WantedLayers::Last);
        if !["mean", "max"].contains(&name) || (named.is_some() && !of_last) {
            return Err(Error::InvalidInput {
                what: "pooling of passages that are read in their text".into(),
                got: named.map_or_else(|| name.to_owned(), ToString::to_string),
                expected: "mean or max of the last hidden state".into(),
            });
        }
        // `weights` has states pooled here, which is where parts of a text are.
        let pooling = Some(PoolerSpec::named(name));
        self.ready(&EmbedOptions { pooling, weights: true, ..options.clone() })
    }

    /// The vectors of the passages at `places` of `text`, which the model reads whole.
    pub(crate) async fn embed_late(
        &self,
        text: &str,
        places: &[Chunk],
        options: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<Embeddings, Error> {
        let ready = self.late_pooling(options)?;
        let way = &ready.way;
        let mut result = Embeddings {
            shape: [0, way.width()],
            weights: options.weights.then(Vec::new),
            warning: way.warning.clone(),
            ..Embeddings::default()
        };
        let prompted = format!("{}{text}", ready.prompt);
        let whole = self.tokenizer.encode(&prompted, None)?;
        let spans = spans(&whole, places, ready.prompt.len());
        let states = self.text_model().state_output();
        for window in windows(&whole, &spans, ready.max_length)? {
            control.checkpoint().await?;
            let Window { chunks, tokens } = window;
            let part = |values: &[u32]| values[tokens.clone()].to_vec();
            let mut batch = Batch::new();
            self.text_model().push_sequence(&mut batch, &part(&whole.ids), &part(&whole.type_ids))?;
            if tokens.start == 0 {
                batch.skip_first(ready.skip);
            }
            let inputs = [Input::default()];
            let (_, values) = way.vectors(&self.runner, &mut batch, &inputs, &[states], control).await?;
            let width = values[0].len() / batch.rows().max(1);
            for span in &spans[chunks] {
                let rows = span.start - tokens.start..span.end - tokens.start;
                let skipped = batch.sequences().first().map_or(0, |sequence| sequence.skip);
                let states = States {
                    hidden: vec![&values[0][rows.start * width..rows.end * width]],
                    tokens: rows.len(),
                    width,
                    skip: skipped.saturating_sub(rows.start),
                    ..States::default()
                };
                let Some(pooler) = way.pooler() else { continue };
                debug_assert_eq!(pooler.needs().layers, WantedLayers::Last);
                let pooled = way.finish(pooler.pool(&states)?);
                result.shape[0] += 1;
                result.data.extend(pooled.vectors);
                result.tokens.push(rows.len());
                result.truncated.push(false);
                match (&mut result.weights, pooled.weights) {
                    (Some(all), Some(weights)) => all.push(weights),
                    (weights, _) => *weights = None,
                }
            }
        }
        Ok(result)
    }
}

/// The tokens of each passage: those of its characters, and what stands before the first and behind the last.
fn spans(whole: &Encoding, places: &[Chunk], prompt: usize) -> Vec<std::ops::Range<usize>> {
    let tokens = whole.ids.len();
    let inside = |place: &Chunk| {
        let (start, end) = (place.start + prompt, place.end + prompt);
        let of_it = |token: &usize| {
            let (from, to) = whole.offsets[*token];
            !whole.special[*token] && from < end && to > start
        };
        let first = (0..tokens).find(of_it).unwrap_or(0);
        let behind = (0..tokens).rfind(of_it).map_or(first, |last| last + 1);
        first..behind
    };
    let mut spans: Vec<_> = places.iter().map(inside).collect();
    if let Some(first) = spans.first_mut() {
        first.start = 0;
    }
    if let Some(last) = spans.last_mut() {
        last.end = tokens;
    }
    spans
}

/// Windows of at most `limit` tokens that hold each passage whole in one of them.
fn windows(whole: &Encoding, spans: &[std::ops::Range<usize>], limit: usize) -> Result<Vec<Window>, Error> {
    let mut all = Vec::new();
    let mut next = 0;
    while next < spans.len() {
        let span = &spans[next];
        if span.len() > limit {
            return Err(Error::InvalidInput {
                what: "a passage".into(),
                got: format!("{} tokens with prompt and special ones", span.len()),
                expected: format!("at most {limit}, what the model reads at once; take smaller passages"),
            });
        }
        let before = (limit / CONTEXT).min(limit - span.len());
        let start = if all.is_empty() { 0 } else { span.start.saturating_sub(before) };
        let end = (start + limit).min(whole.ids.len());
        let fit = spans[next..].iter().take_while(|span| span.start >= start && span.end <= end).count();
        all.push(Window { chunks: next..next + fit.max(1), tokens: start..end });
        next += fit.max(1);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_passage_is_whole_in_one_window() {
        for tokens in [5, 40, 200] {
            let whole = Encoding { ids: vec![7; tokens], ..Encoding::default() };
            for (size, overlap) in [(4, 0), (9, 3), (16, 15)] {
                let starts = (0..tokens).step_by(size - overlap);
                let spans: Vec<_> = starts.map(|start| start..(start + size).min(tokens)).collect();
                for limit in [16, 20, 64] {
                    let windows = windows(&whole, &spans, limit).unwrap();
                    let mut next = 0;
                    for Window { chunks, tokens } in &windows {
                        assert_eq!(chunks.start, next);
                        next = chunks.end;
                        assert!(tokens.len() <= limit);
                        for span in &spans[chunks.clone()] {
                            assert!(tokens.start <= span.start && span.end <= tokens.end);
                        }
                    }
                    assert_eq!(next, spans.len());
                }
                assert!(windows(&whole, &spans, 3).is_err());
            }
        }
    }
}
