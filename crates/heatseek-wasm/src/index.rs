//! Indexes.

use std::rc::Rc;

use heatseek::{ChunkOptions, Document, HitChunk, Iem, IndexOptions, Params, PoolerSpec};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::control::JsControl;
use crate::error::{Thrown, malformed};
use crate::explain::metric;
use crate::model::Model;
use crate::pooling;

/// Documents of a model, found by meaning.
#[wasm_bindgen]
pub struct Index {
    model: Rc<heatseek::Model>,
    index: heatseek::Index,
}

/// `IndexedText` of pkg/src/protocol.ts.
#[derive(Deserialize)]
struct Text {
    id: String,
    text: String,
}

/// `IndexSettings` of pkg/src/protocol.ts, but for the weights.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    metric: String,
    pooling: PoolerSpec,
    include_prompt: Option<bool>,
    truncate_dim: Option<usize>,
    late: bool,
}

/// `RawHit` of pkg/src/protocol.ts.
#[derive(Serialize)]
struct RawHit<'a> {
    id: &'a str,
    score: f32,
    chunk: RawChunk<'a>,
}

/// Offsets count UTF-16 units, as JavaScript does.
#[derive(Serialize)]
pub struct RawChunk<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

#[wasm_bindgen]
impl Index {
    /// An empty index, of `IndexSettings` of pkg/src/protocol.ts.
    #[wasm_bindgen(constructor)]
    pub fn new(model: &Model, settings: JsValue) -> Result<Self, JsValue> {
        let pooling_weights = model.weights.of(&settings)?;
        let settings: Settings = serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let options = IndexOptions {
            metric: metric(&settings.metric),
            pooling: pooling::chosen(settings.pooling),
            pooling_weights,
            include_prompt: settings.include_prompt,
            truncate_dim: settings.truncate_dim,
            late: settings.late,
        };
        let index = heatseek::Index::new(&model.model, options).map_err(Thrown::from)?;
        Ok(Self { model: Rc::clone(&model.model), index })
    }

    /// That another pooling was asked for than the model's own.
    pub fn warning(&self) -> Result<Option<String>, JsValue> {
        Ok(self.index.warning(&self.model).map_err(Thrown::from)?)
    }

    /// Adds `documents`, or replaces those whose id is known; `chunk` is `ChunkSettings` or undefined for whole ones. Gives the
    /// number of chunks added.
    pub async fn add(
        &mut self,
        documents: JsValue,
        chunk: JsValue,
        control: JsControl,
    ) -> Result<usize, JsValue> {
        let documents: Vec<Text> = serde_wasm_bindgen::from_value(documents).map_err(malformed)?;
        let chunk: Option<ChunkOptions> = serde_wasm_bindgen::from_value(chunk).map_err(malformed)?;
        let documents = documents.into_iter();
        let documents =
            documents.map(|Text { id, text }| Document { id, text, ..Document::default() }).collect();
        Ok(self.index.add(&self.model, documents, chunk, &control).await.map_err(Thrown::from)?)
    }

    /// The best `top_k` chunks, best first: `{ id, score, chunk: { text, start, end } }[]`; `rerank` are the weights of
    /// a second stage.
    pub async fn search(
        &self,
        query: String,
        top_k: usize,
        rerank: Option<Vec<u8>>,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let read = |bytes: Vec<u8>| Params::read(&bytes).and_then(|params| Iem::read(&params));
        let iem = rerank.map(read).transpose().map_err(Thrown::from)?;
        let hits = self.index.search(&self.model, &query, top_k, iem.as_ref(), &control).await;
        let hits = hits.map_err(Thrown::from)?;
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| RawHit {
                id: &hit.id,
                score: hit.score,
                chunk: RawChunk::of(&hit.document.text, &hit.chunk),
            })
            .collect();
        Ok(serde_wasm_bindgen::to_value(&hits).map_err(malformed)?)
    }

    /// Removes documents by id; gives how many there were.
    pub fn remove(&mut self, ids: Vec<String>) -> usize {
        ids.iter().filter(|id| self.index.remove(id)).count()
    }
}

impl<'a> RawChunk<'a> {
    /// A chunk of `text`.
    pub fn of(text: &str, chunk: &'a HitChunk) -> Self {
        let start = utf16_len(&text[..chunk.start]);
        Self { text: &chunk.text, start, end: start + utf16_len(&chunk.text) }
    }
}

fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
