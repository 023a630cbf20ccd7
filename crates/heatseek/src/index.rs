//! Documents found by meaning.

use std::rc::Rc;

use heatseek_pool::{Iem, Params, PoolerSpec};
use heatseek_search::{FlatIndex, Metric, MultiIndex, Scored, SearchOptions, Storage, TopK};
use heatseek_text::{Chunk, ChunkOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Control, EmbedOptions, Error, Model, Progress, Stage};

/// Passages embedded between two looks at the caller's wishes.
const BLOCK: usize = 64;

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

/// How many times as many passages as are wanted a pair scorer looks at.
const RERANKED: usize = 4;

/// Documents, split into passages, each with its vectors.
#[derive(Debug)]
pub struct Index {
    options: IndexOptions,
    vectors: Vectors,
    documents: Vec<Option<Document>>,
    /// Which document a passage is of, and where; its id among the vectors is an index into this.
    chunks: Vec<(usize, Chunk)>,
}

/// The vectors of passages by id.
#[derive(Debug)]
enum Vectors {
    One(FlatIndex),
    Several(MultiIndex),
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
        let vectors = match way.gives_several() {
            true => Vectors::Several(MultiIndex::new(way.width(), options.metric)),
            false => Vectors::One(FlatIndex::new(way.width(), options.metric, Storage::F32)),
        };
        Ok(Self { options, vectors, documents: Vec::new(), chunks: Vec::new() })
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
        match &self.vectors {
            Vectors::One(vectors) => vectors.len(),
            Vectors::Several(vectors) => vectors.len(),
        }
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let embed = self.options.embed();
        let mut added = 0;
        let mut pending = pending.into_iter().peekable();
        while pending.peek().is_some() {
            let mut block = Vec::new();
            let mut count = 0;
            // Passages that are read in their text are embedded document by document.
            let late = self.options.late;
            while let Some(next) =
                pending.next_if(|(_, chunks)| block.is_empty() || !late && count + chunks.len() <= BLOCK)
            {
                count += next.1.len();
                block.push(next);
            }
            let inner = Offset { control, added, total };
            let texts =
                || block.iter().flat_map(|(d, chunks)| chunks.iter().map(|c| &d.text[c.start..c.end]));
            let embeddings = match (&block[..], late && chunk.is_some()) {
                ([(document, chunks)], true) => {
                    model.embed_late(&document.text, chunks, &embed, &inner).await?
                }
                _ => model.embed(&texts().collect::<Vec<_>>(), &embed, &inner).await?,
            };
            let mut rows = 0..0;
            let mut passage = 0;
            for (document, chunks) in block {
                let mut vectors = Vec::with_capacity(chunks.len());
                for _ in &chunks {
                    let several = embeddings.counts.as_ref().map_or(1, |counts| counts[passage]);
                    rows = rows.end..rows.end + several;
                    vectors.push(
                        &embeddings.data[rows.start * embeddings.shape[1]..rows.end * embeddings.shape[1]],
                    );
                    passage += 1;
                }
                self.insert(document, &chunks, &vectors)?;
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
            match &mut self.vectors {
                Vectors::One(vectors) => vectors.remove(chunk as u64),
                Vectors::Several(vectors) => vectors.remove(chunk as u64),
            };
        }
        true
    }

    /// The passages that match `query` best, best first; ties in the order they were added. With `rerank` the best
    /// `4 · top_k` are scored again, each as a pair with the query by its symmetric branch, and hits have that score;
    /// it is given vectors as the index compares them, of unit length under the cosine.
    ///
    /// # Errors
    /// As [`Model::embed`]; [`Error::InvalidInput`] for a pair scorer where texts have several vectors, and
    /// [`Error::Pool`] for one of vectors of another width.
    pub async fn search(
        &self,
        model: &Model,
        query: &str,
        top_k: usize,
        rerank: Option<&Iem>,
        control: &dyn Control,
    ) -> Result<Vec<Hit>, Error> {
        let embeddings = model.embed(&[query], &self.options.embed(), control).await?;
        let wanted = if rerank.is_some() { top_k.saturating_mul(RERANKED) } else { top_k };
        let found = match (&self.vectors, rerank) {
            (Vectors::One(vectors), None) => {
                vectors.search(embeddings.row(0), wanted, &SearchOptions::default())?
            }
            (Vectors::Several(vectors), None) => vectors.search(&embeddings.data, wanted)?,
            (Vectors::One(vectors), Some(iem)) => {
                let first = vectors.search(embeddings.row(0), wanted, &SearchOptions::default())?;
                let query = vectors.compared(embeddings.row(0));
                let mut top = TopK::new(top_k);
                for Scored { id, .. } in first {
                    let [score, _] = iem.score(&query, &vectors.vector(id).unwrap_or_default())?;
                    top.offer(Scored { id, score });
                }
                top.into_sorted()
            }
            (Vectors::Several(_), Some(_)) => {
                return Err(Error::InvalidInput {
                    what: "rerank".into(),
                    got: "texts of several vectors".into(),
                    expected: "a pooling that gives one, since a pair scorer compares two vectors".into(),
                });
            }
        };
        let hit = |scored: &Scored| {
            let (document, Chunk { start, end }) = self.chunks[scored.id as usize];
            let document = self.documents[document].clone()?;
            let chunk = HitChunk { text: document.text[start..end].to_owned(), start, end };
            Some(Hit { id: document.id.clone(), score: scored.score, document, chunk })
        };
        Ok(found.iter().filter_map(hit).collect())
    }

    fn insert(&mut self, document: Document, chunks: &[Chunk], vectors: &[&[f32]]) -> Result<(), Error> {
        self.remove(&document.id);
        let place = self.documents.len();
        self.documents.push(Some(document));
        for (chunk, vectors) in chunks.iter().zip(vectors) {
            let id = self.chunks.len() as u64;
            match &mut self.vectors {
                Vectors::One(index) => index.add(id, vectors)?,
                Vectors::Several(index) => index.add(id, vectors)?,
            }
            self.chunks.push((place, *chunk));
        }
        Ok(())
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
