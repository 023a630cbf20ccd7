//! Indexes.

use std::rc::Rc;

use heatseek::{ChunkOptions, Document, IndexOptions, Metric};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::control::JsControl;
use crate::error::{Thrown, malformed};
use crate::model::Model;

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

#[derive(Deserialize)]
struct Chunking {
    tokens: usize,
    overlap: usize,
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
struct RawChunk<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

#[wasm_bindgen]
impl Index {
    /// An empty index; `metric` is `cosine` or `dot`.
    #[wasm_bindgen(constructor)]
    pub fn new(model: &Model, metric: &str) -> Result<Self, JsValue> {
        let metric = if metric == "dot" { Metric::Dot } else { Metric::Cosine };
        let options = IndexOptions { metric, ..IndexOptions::default() };
        let index = heatseek::Index::new(&model.0, options).map_err(Thrown::from)?;
        Ok(Self { model: Rc::clone(&model.0), index })
    }

    /// Adds `documents`, or replaces those whose id is known; `chunk` is `{ tokens, overlap }` or undefined for whole ones. Gives the
    /// number of chunks added.
    pub async fn add(
        &mut self,
        documents: JsValue,
        chunk: JsValue,
        control: JsControl,
    ) -> Result<usize, JsValue> {
        let documents: Vec<Text> = serde_wasm_bindgen::from_value(documents).map_err(malformed)?;
        let chunk: Option<Chunking> = serde_wasm_bindgen::from_value(chunk).map_err(malformed)?;
        let documents = documents.into_iter();
        let documents =
            documents.map(|Text { id, text }| Document { id, text, ..Document::default() }).collect();
        let chunk = chunk.map(|Chunking { tokens, overlap }| ChunkOptions { tokens, overlap });
        Ok(self.index.add(&self.model, documents, chunk, &control).await.map_err(Thrown::from)?)
    }

    /// The best `top_k` chunks, best first: `{ id, score, chunk: { text, start, end } }[]`.
    pub async fn search(&self, query: String, top_k: usize, control: JsControl) -> Result<JsValue, JsValue> {
        let hits =
            self.index.search(&self.model, &query, top_k, None, &control).await.map_err(Thrown::from)?;
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| RawHit { id: &hit.id, score: hit.score, chunk: RawChunk::of(hit) })
            .collect();
        Ok(serde_wasm_bindgen::to_value(&hits).map_err(malformed)?)
    }

    /// Removes documents by id; gives how many there were.
    pub fn remove(&mut self, ids: Vec<String>) -> usize {
        ids.iter().filter(|id| self.index.remove(id)).count()
    }
}

impl<'a> RawChunk<'a> {
    fn of(hit: &'a heatseek::Hit) -> Self {
        let chunk = &hit.chunk;
        let start = utf16_len(&hit.document.text[..chunk.start]);
        Self { text: &chunk.text, start, end: start + utf16_len(&chunk.text) }
    }
}

fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
