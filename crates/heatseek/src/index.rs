//! Documents found by meaning.

use heatseek_search::{FlatIndex, Metric};
use heatseek_text::Chunk;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Control, EmbedOptions, Error, Model, Progress, Stage};

/// Passages embedded between two looks at the caller's wishes.
const BLOCK: usize = 64;

/// How documents are split into passages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkOptions {
    /// The most tokens of a passage, special ones not counted; at most what the model reads.
    pub tokens: usize,
    /// About how many of them the next passage repeats.
    pub overlap: usize,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        let heatseek_text::ChunkOptions { tokens, overlap } = heatseek_text::ChunkOptions::default();
        Self { tokens, overlap }
    }
}

/// Something to find.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The caller's name for it. A document with the id of an earlier one replaces it.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Whatever the caller wants back with it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
}

/// A passage that matches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// The document's id.
    pub id: String,
    /// How well it matches; higher is better. A cosine unless the index was made otherwise.
    pub score: f32,
    /// The document.
    pub document: Document,
    /// The passage.
    pub chunk: HitChunk,
}

/// A passage and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HitChunk {
    /// Its text.
    pub text: String,
    /// First byte in the document's text.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
}

/// Documents, split into passages, each with its vector.
#[derive(Debug)]
pub struct Index {
    vectors: FlatIndex,
    documents: Vec<Option<Document>>,
    /// Which document a passage is of, and where; a vector's id is an index into this.
    chunks: Vec<(usize, Chunk)>,
}

impl Index {
    /// An empty index for the vectors of `model`.
    pub fn new(model: &Model, metric: Metric) -> Self {
        Self {
            vectors: FlatIndex::new(model.info().spec.embedding_dim, metric),
            documents: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// Passages held.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// Documents held.
    pub fn documents(&self) -> usize {
        self.documents.iter().flatten().count()
    }

    /// Adds documents, or replaces those whose id is known. `None` as `chunk` embeds each document whole
    /// (cut at the model's limit). Returns the passages added. A document is added whole or not at all:
    /// cancellation keeps those that were finished.
    ///
    /// # Errors
    /// [`Error`]: chunk options that make no sense, cancellation, a device that cannot go on.
    pub async fn add(
        &mut self,
        model: &Model,
        documents: Vec<Document>,
        chunk: Option<ChunkOptions>,
        control: &dyn Control,
    ) -> Result<usize, Error> {
        let chunk = chunk.map(|c| model.fitting(c)).transpose()?;
        let mut pending = Vec::new();
        for document in documents {
            let chunks = match chunk {
                Some(options) => heatseek_text::chunk(&document.text, &model.tokenizer, options)?,
                None => vec![Chunk { start: 0, end: document.text.len() }],
            };
            pending.push((document, chunks));
        }
        let total = pending.iter().map(|(_, chunks)| chunks.len()).sum();
        let progress = |loaded| Progress { stage: Stage::Index, loaded, total };
        control.progress(progress(0));
        let mut added = 0;
        let mut pending = pending.into_iter().peekable();
        while pending.peek().is_some() {
            let mut block = Vec::new();
            let mut count = 0;
            while let Some(next) = pending.next_if(|(_, chunks)| count == 0 || count + chunks.len() <= BLOCK)
            {
                count += next.1.len();
                block.push(next);
            }
            let texts: Vec<&str> =
                block.iter().flat_map(|(d, chunks)| chunks.iter().map(|c| &d.text[c.start..c.end])).collect();
            let inner = Offset { control, added, total };
            let embeddings = model.embed(&texts, &EmbedOptions::default(), &inner).await?;
            let mut row = 0;
            for (document, chunks) in block {
                self.insert(document, &chunks, |i| embeddings.row(row + i))?;
                row += chunks.len();
            }
            added += count;
            control.progress(progress(added));
        }
        Ok(added)
    }

    /// Removes a document; `false` if there is none of this id.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(place) = self.documents.iter().position(|d| d.as_ref().is_some_and(|d| d.id == id)) else {
            return false;
        };
        self.documents[place] = None;
        let of_document = self.chunks.iter().enumerate().filter(|(_, (document, _))| *document == place);
        for (chunk, _) in of_document {
            self.vectors.remove(chunk as u64);
        }
        true
    }

    /// The passages that match `query` best, best first; ties in the order they were added.
    ///
    /// # Errors
    /// As [`Model::embed`].
    pub async fn search(
        &self,
        model: &Model,
        query: &str,
        top_k: usize,
        control: &dyn Control,
    ) -> Result<Vec<Hit>, Error> {
        let embeddings = model.embed(&[query], &EmbedOptions::default(), control).await?;
        let found = self.vectors.search(embeddings.row(0), top_k)?;
        let hit = |scored: &heatseek_search::Scored| {
            let (document, Chunk { start, end }) = self.chunks[scored.id as usize];
            let document = self.documents[document].clone()?;
            let chunk = HitChunk { text: document.text[start..end].to_owned(), start, end };
            Some(Hit { id: document.id.clone(), score: scored.score, document, chunk })
        };
        Ok(found.iter().filter_map(hit).collect())
    }

    fn insert<'v>(
        &mut self,
        document: Document,
        chunks: &[Chunk],
        vector: impl Fn(usize) -> &'v [f32],
    ) -> Result<(), Error> {
        self.remove(&document.id);
        let place = self.documents.len();
        self.documents.push(Some(document));
        for (i, chunk) in chunks.iter().enumerate() {
            self.vectors.add(self.chunks.len() as u64, vector(i))?;
            self.chunks.push((place, *chunk));
        }
        Ok(())
    }
}

impl Model {
    /// Chunk options that the model can read whole.
    fn fitting(&self, options: ChunkOptions) -> Result<heatseek_text::ChunkOptions, Error> {
        let limit = self.info().spec.max_length.saturating_sub(self.tokenizer.special_tokens());
        if options.tokens == 0 || options.tokens > limit {
            return Err(Error::InvalidInput {
                what: "chunk tokens".into(),
                got: options.tokens.to_string(),
                expected: format!("1 to {limit}, what this model reads of a text"),
            });
        }
        Ok(heatseek_text::ChunkOptions { tokens: options.tokens, overlap: options.overlap })
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
}
