//! From documents to vectors, before any of them is in the index.

use std::collections::{HashMap, HashSet};

use heatseek_text::{Chunk, ChunkOptions};

use super::{Document, IndexOptions, Made, hash};
use crate::{Control, EmbedOptions, Error, Mark, Model, Progress, Stage};

/// Passages embedded between two looks at the caller's wishes.
const BLOCK: usize = 64;

/// Documents that are embedded and not in the index yet.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) documents: Vec<(Document, Vec<Chunk>, Vec<Made>)>,
    /// By the hash of its text, the document and place of a passage.
    twins: HashMap<u64, (usize, usize)>,
}

impl Ready {
    fn push(&mut self, document: Document, chunks: Vec<Chunk>, vectors: Vec<Made>, late: bool) {
        if !late {
            let places = chunks.iter().enumerate().map(|(place, chunk)| {
                (hash(&document.text[chunk.start..chunk.end]), (self.documents.len(), place))
            });
            self.twins.extend(places);
        }
        self.documents.push((document, chunks, vectors));
    }

    /// The vectors of a passage of this text, if one is there.
    fn twin(&self, text: &str) -> Option<Made> {
        let &(document, place) = self.twins.get(&hash(text))?;
        let (document, chunks, vectors) = &self.documents[document];
        let chunk = chunks[place];
        (document.text[chunk.start..chunk.end] == *text).then(|| vectors[place].clone())
    }
}

/// What embeds the documents of an index.
pub(super) struct Adding<'a> {
    pub(super) model: &'a Model,
    pub(super) options: &'a IndexOptions,
    /// The vectors of a passage of this text, if the index has one.
    pub(super) known: &'a dyn Fn(&str) -> Option<Made>,
    pub(super) control: &'a dyn Control,
}

impl Adding<'_> {
    /// Splits documents into passages and embeds these: see [`Index::add`](super::Index::add).
    pub(super) async fn embed(
        &self,
        documents: Vec<Document>,
        chunk: Option<ChunkOptions>,
    ) -> Result<Ready, Error> {
        let Self { model, options, control, .. } = *self;
        let chunk = chunk.map(|c| model.fitting(c)).transpose()?;
        let mut pending = Vec::new();
        for document in documents {
            // Documents may be many and short: the caller is asked no more often than it likes.
            if control.is_due() {
                control.checkpoint().await?;
            }
            let chunks = match chunk {
                Some(options) => model.passages(&document.text, options, control).await?,
                None => vec![Chunk { start: 0, end: document.text.len() }],
            };
            pending.push((document, chunks));
        }
        let total = pending.iter().map(|(_, chunks)| chunks.len()).sum();
        let progress = |loaded| Progress { stage: Stage::Index, loaded, total };
        control.progress(progress(0));
        let embed = options.embed();
        let mut added = 0;
        let mut ready = Ready::default();
        let mut pending = pending.into_iter().peekable();
        while pending.peek().is_some() {
            let mut block = Vec::new();
            let mut count = 0;
            // Passages that are read in their text are embedded document by document.
            let late = options.late;
            while let Some(next) =
                pending.next_if(|(_, chunks)| block.is_empty() || !late && count + chunks.len() <= BLOCK)
            {
                count += next.1.len();
                block.push(next);
            }
            let inner = Offset { control, added, total };
            let vectors = match (&block[..], late && chunk.is_some()) {
                ([(document, chunks)], true) => {
                    let embeddings = model.embed_late(&document.text, chunks, &embed, &inner).await?;
                    embeddings.each().map(|vectors| Made::Fresh(vectors.to_vec())).collect()
                }
                _ => self.embed_once(&block, &ready, &embed, &inner).await?,
            };
            let mut vectors = vectors.into_iter();
            for (document, chunks) in block {
                let of = vectors.by_ref().take(chunks.len()).collect();
                ready.push(document, chunks, of, late);
            }
            added += count;
            control.progress(progress(added));
        }
        control.checkpoint().await?;
        Ok(ready)
    }

    /// The vectors of all passages of `block`, each text of them embedded once, and none that the index has or is `ready`.
    async fn embed_once(
        &self,
        block: &[(Document, Vec<Chunk>)],
        ready: &Ready,
        embed: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<Vec<Made>, Error> {
        let all = block.iter().flat_map(|(d, chunks)| chunks.iter().map(|c| &d.text[c.start..c.end]));
        let mut known: HashMap<&str, Made> = HashMap::new();
        let mut new: Vec<&str> = Vec::new();
        let mut seen = HashSet::new();
        for text in all.clone().filter(|text| seen.insert(*text)) {
            match (self.known)(text).or_else(|| ready.twin(text)) {
                Some(made) => drop(known.insert(text, made)),
                None => new.push(text),
            }
        }
        let embeddings = self.model.embed(&new, embed, control).await?;
        known.extend(new.into_iter().zip(embeddings.each().map(|vectors| Made::Fresh(vectors.to_vec()))));
        Ok(all.filter_map(|text| known.get(text).cloned()).collect())
    }
}

/// Progress of one block as part of the whole.
struct Offset<'a> {
    control: &'a dyn Control,
    added: usize,
    total: usize,
}

impl Control for Offset<'_> {
    fn progress(&self, progress: Progress) {
        if progress.stage == Stage::Embed {
            let loaded = self.added + progress.loaded;
            self.control.progress(Progress { stage: Stage::Index, loaded, total: self.total });
        } else {
            self.control.progress(progress);
        }
    }

    fn checkpoint(&self) -> crate::LocalFuture<'_, Result<(), crate::Cancelled>> {
        self.control.checkpoint()
    }

    fn is_due(&self) -> bool {
        self.control.is_due()
    }

    fn mark(&self, mark: Mark) {
        self.control.mark(mark);
    }

    fn wants_marks(&self) -> bool {
        self.control.wants_marks()
    }
}
