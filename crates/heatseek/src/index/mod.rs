//! Documents found by meaning.

mod adding;
mod compaction;
mod fingerprint;
mod on_gpu;
mod search;
mod stored;
mod vectors;

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::rc::Rc;

use heatseek_pool::{Params, PoolerSpec};
use heatseek_search::store::SegmentVectors;
use heatseek_search::{Metric, Storage, TextIndex};
use heatseek_text::{Chunk, ChunkOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::adding::{Adding, Ready};
use self::on_gpu::OnGpu;
use self::stored::Changes;
use self::vectors::ChunkVectors;
use crate::{Control, EmbedOptions, Error, Model};

pub(crate) use fingerprint::fingerprint;
pub use on_gpu::ScanOn;
pub use search::{Hybrid, IndexSearch};

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

/// How an index compares texts.
#[derive(Clone, Debug, Default)]
pub struct IndexOptions {
    /// How two vectors are compared. Of a pooling that gives several, texts are compared by MaxSim, the sum of what
    /// each of the query's vectors has in common with the most similar of the passage's.
    pub metric: Metric,
    /// What vectors are stored as; of a pooling that gives several, `F32` only.
    pub storage: Storage,
    /// How tokens become vectors; `None` is the model's own.
    pub pooling: Option<PoolerSpec>,
    /// Learned parameters of that pooling.
    pub pooling_weights: Option<Rc<Params>>,
    /// Whether the tokens of a prompt count in pooling; `None` is as the model's files say.
    pub include_prompt: Option<bool>,
    /// Keeps only so many elements of each vector.
    pub truncate_dim: Option<usize>,
    /// Whether passages are read with the text around them: see [`Model::embed_chunks`].
    pub late: bool,
    /// Where vectors are compared, which changes nothing else.
    pub scan: ScanOn,
}

impl IndexOptions {
    fn embed(&self) -> EmbedOptions {
        EmbedOptions {
            pooling: self.pooling.clone(),
            pooling_weights: self.pooling_weights.clone(),
            include_prompt: self.include_prompt,
            truncate_dim: self.truncate_dim,
            ..EmbedOptions::default()
        }
    }
}

/// Documents, split into passages, each with its vectors.
#[derive(Debug)]
pub struct Index {
    options: IndexOptions,
    vectors: ChunkVectors,
    /// In the order they were added; those that were removed leave a gap.
    documents: Vec<Option<Entry>>,
    /// Where among them each id is.
    places: HashMap<String, usize>,
    /// Their number here is their id among the vectors.
    chunks: Vec<Passage>,
    words: RefCell<Words>,
    /// A passage by the hash of its text: the last of those that have it, which may have been removed.
    twins: HashMap<u64, usize>,
    /// What is not stored yet, if it is kept anywhere.
    changes: Option<Changes>,
    on_gpu: OnGpu,
}

/// A document and its passages among all.
#[derive(Debug)]
struct Entry {
    document: Document,
    chunks: Range<usize>,
}

/// Which document a passage is of, and where.
#[derive(Clone, Copy, Debug)]
struct Passage {
    /// Its place among the documents.
    document: usize,
    chunk: Chunk,
    /// The last before it whose text has the same hash, which may have been removed; itself if there is none.
    older: usize,
}

/// What search by words looks at: it is read when it is first asked for, and again when there is more.
#[derive(Debug, Default)]
struct Words {
    texts: TextIndex,
    /// Passages before this one have been read.
    read: usize,
}

/// The vector or vectors of a passage.
#[derive(Clone)]
enum Made {
    /// As the model gave them.
    Fresh(Vec<f32>),
    /// As an index has them.
    Stored(SegmentVectors),
}

impl Index {
    /// An empty index for the vectors of `model`.
    ///
    /// # Errors
    /// As [`Model::embed`], for options that the model cannot do.
    pub fn new(model: &Model, options: IndexOptions) -> Result<Self, Error> {
        let way = model.ready(&options.embed())?.way;
        if options.late {
            model.late_pooling(&options.embed())?;
        }
        let vectors = ChunkVectors::new(way.gives_several(), way.width(), options.metric, options.storage)?;
        Ok(Self::of(options, vectors))
    }

    fn of(options: IndexOptions, vectors: ChunkVectors) -> Self {
        Self {
            options,
            vectors,
            documents: Vec::new(),
            places: HashMap::new(),
            chunks: Vec::new(),
            words: RefCell::default(),
            twins: HashMap::new(),
            changes: None,
            on_gpu: OnGpu::default(),
        }
    }

    /// That another pooling was asked for than the model's own.
    ///
    /// # Errors
    /// As [`Index::new`].
    pub fn warning(&self, model: &Model) -> Result<Option<String>, Error> {
        Ok(model.ready(&self.options.embed())?.way.warning)
    }

    /// Passages held.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of vectors that are on the GPU; 0 while the CPU compares them.
    pub fn gpu_bytes(&self) -> u64 {
        self.on_gpu.bytes()
    }

    /// Documents held.
    pub fn documents(&self) -> usize {
        self.places.len()
    }

    /// The documents, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Document> {
        self.documents.iter().flatten().map(|entry| &entry.document)
    }

    /// The document of this id.
    pub fn get(&self, id: &str) -> Option<&Document> {
        let place = *self.places.get(id)?;
        self.documents[place].as_ref().map(|entry| &entry.document)
    }

    /// Adds documents, or replaces those whose id is known. `None` as `chunk` embeds each document whole
    /// (cut at the model's limit). Returns the passages added. All are added or, if it fails or is cancelled, none: what was
    /// there of their ids stays until all are embedded. Passages of the same text are embedded once, unless they are read with
    /// the text around them.
    ///
    /// # Errors
    /// [`Error`]: chunk options that make no sense, cancellation, a device that cannot go on, vectors that are too large
    /// for what they are stored as.
    pub async fn add(
        &mut self,
        model: &Model,
        documents: Vec<Document>,
        chunk: Option<ChunkOptions>,
        control: &dyn Control,
    ) -> Result<usize, Error> {
        let options = self.options.clone();
        let known = |text: &str| self.stored_twin(text);
        let ready =
            Adding { model, options: &options, known: &known, control }.embed(documents, chunk).await?;
        self.insert_all(ready)
    }

    /// [`Index::add`] to an index that others read and change meanwhile: it is borrowed for moments only, and is as it was
    /// until all documents are embedded.
    ///
    /// # Errors
    /// As [`Index::add`].
    pub async fn add_shared(
        index: &RefCell<Self>,
        model: &Model,
        documents: Vec<Document>,
        chunk: Option<ChunkOptions>,
        control: &dyn Control,
    ) -> Result<usize, Error> {
        let options = index.borrow().options.clone();
        let known = |text: &str| index.borrow().stored_twin(text);
        let ready =
            Adding { model, options: &options, known: &known, control }.embed(documents, chunk).await?;
        index.borrow_mut().insert_all(ready)
    }

    /// Removes a document; `false` if there is none of this id.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(place) = self.places.remove(id) else { return false };
        self.on_gpu.change();
        if let Some(Entry { chunks, .. }) = self.documents[place].take() {
            for chunk in chunks {
                self.vectors.remove(chunk as u64);
                self.words.get_mut().texts.remove(chunk as u64);
            }
        }
        if let Some(changes) = &mut self.changes {
            changes.removed(place, id);
        }
        self.compact();
        true
    }

    /// A passage and its document, if they are still there.
    fn chunk(&self, id: u64) -> Option<(&Entry, Chunk)> {
        let Passage { document, chunk, .. } = *self.chunks.get(id as usize)?;
        Some((self.documents[document].as_ref()?, chunk))
    }

    /// The vectors of a passage of this text, if one is there.
    fn stored_twin(&self, text: &str) -> Option<Made> {
        self.twin(text).map(|id| Made::Stored(self.vectors.stored(&[id]).0))
    }

    /// A passage of this text, if one is there.
    fn twin(&self, text: &str) -> Option<u64> {
        let mut next = *self.twins.get(&hash(text))?;
        loop {
            let id = next as u64;
            match self.chunk(id) {
                Some((entry, chunk)) if entry.document.text[chunk.start..chunk.end] == *text => {
                    return Some(id);
                }
                _ if self.chunks[next].older == next => return None,
                _ => next = self.chunks[next].older,
            }
        }
    }

    fn insert_all(&mut self, ready: Ready) -> Result<usize, Error> {
        // What cannot be stored must be known before anything is.
        for (document, _, vectors) in &ready.documents {
            for made in vectors {
                if let Made::Fresh(vectors) = made {
                    self.vectors.check(&format!("a passage of document `{}`", document.id), vectors)?;
                }
            }
        }
        let mut added = 0;
        for (document, chunks, vectors) in ready.documents {
            added += chunks.len();
            self.insert(document, &chunks, vectors)?;
        }
        Ok(added)
    }

    fn insert(&mut self, document: Document, chunks: &[Chunk], vectors: Vec<Made>) -> Result<(), Error> {
        self.remove(&document.id);
        self.on_gpu.change();
        for (vectors, id) in vectors.into_iter().zip(self.chunks.len() as u64..) {
            match vectors {
                Made::Fresh(vectors) => self.vectors.add(id, &vectors)?,
                Made::Stored(vectors) => self.vectors.add_stored(id, vectors)?,
            }
        }
        if let Some(changes) = &mut self.changes {
            changes.added(self.documents.len());
        }
        self.push(document, chunks);
        Ok(())
    }

    /// Puts a document behind all others; its id is new, and the vectors of its passages are there or will be.
    fn push(&mut self, document: Document, chunks: &[Chunk]) {
        let (place, first) = (self.documents.len(), self.chunks.len());
        for chunk in chunks {
            let id = self.chunks.len();
            let mut older = None;
            // The vector of a passage that was read in its text is that of no other.
            if !self.options.late {
                older = self.twins.insert(hash(&document.text[chunk.start..chunk.end]), id);
            }
            self.chunks.push(Passage { document: place, chunk: *chunk, older: older.unwrap_or(id) });
        }
        self.places.insert(document.id.clone(), place);
        self.documents.push(Some(Entry { document, chunks: first..self.chunks.len() }));
    }
}

impl Model {
    /// Chunk options that the model can read whole.
    pub(crate) fn fitting(&self, options: ChunkOptions) -> Result<ChunkOptions, Error> {
        let limit = self.info().spec.max_length.saturating_sub(self.tokenizer.special_tokens());
        if options.tokens == 0 || options.tokens > limit {
            return Err(Error::InvalidInput {
                what: "chunk tokens".into(),
                got: options.tokens.to_string(),
                expected: format!("1 to {limit}, what this model reads of a text"),
            });
        }
        Ok(options)
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
