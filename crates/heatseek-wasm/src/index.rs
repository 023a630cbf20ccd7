//! Indexes.

use std::cell::RefCell;
use std::rc::Rc;

use heatseek::store::Check;
use heatseek::{
    ChunkOptions, Document, Filter, Fusion, HitChunk, Hybrid, Iem, IndexOptions, IndexSearch, Params,
    PoolerSpec, ScanOn, Storage,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasm_bindgen::prelude::*;

use crate::control::JsControl;
use crate::error::{Thrown, malformed};
use crate::explain::metric;
use crate::kept::{IndexOpening, Kept};
use crate::model::Model;
use crate::pooling;

/// Documents of a model, found by meaning.
#[wasm_bindgen]
pub struct Index {
    pub(crate) model: Rc<heatseek::Model>,
    // Others have their turn in an `add` or a `search`: what these hold meanwhile is no borrow of it.
    pub(crate) index: RefCell<heatseek::Index>,
    /// Where it is stored, if it is.
    pub(crate) kept: RefCell<Option<Kept>>,
}

impl Index {
    pub(crate) fn of(model: &Rc<heatseek::Model>, index: heatseek::Index, kept: Option<Kept>) -> Self {
        Self { model: Rc::clone(model), index: RefCell::new(index), kept: RefCell::new(kept) }
    }
}

/// `IndexedText` of pkg/src/protocol.ts.
#[derive(Deserialize)]
struct Text {
    id: String,
    text: String,
    /// JSON.
    metadata: Option<String>,
}

/// An [`IndexedText`](Text) on its way out.
#[derive(Serialize)]
struct TextOut<'a> {
    id: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
}

/// `SearchSettings` of pkg/src/protocol.ts, but for the weights.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchSettings {
    top_k: usize,
    /// JSON.
    filter: Option<String>,
    hybrid: Option<HybridSettings>,
    per_document: Option<usize>,
    threshold: Option<f32>,
    diversity: Option<f32>,
    oversampling: Option<usize>,
}

#[derive(Deserialize)]
struct HybridSettings {
    /// `rrf` or `scores`.
    fusion: String,
    k: f32,
    weight: f32,
}

/// `RawFacet` of pkg/src/protocol.ts.
#[derive(Serialize)]
struct RawFacet {
    field: String,
    values: Vec<RawCount>,
}

#[derive(Serialize)]
struct RawCount {
    /// JSON.
    value: String,
    count: usize,
}

/// `IndexSettings` of pkg/src/protocol.ts, but for the weights.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    metric: String,
    storage: String,
    scan: String,
    pooling: PoolerSpec,
    include_prompt: Option<bool>,
    truncate_dim: Option<usize>,
    late: bool,
}

/// `Found` of pkg/src/protocol.ts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    hits: Vec<RawHit<'a>>,
    gpu_bytes: f64,
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
        let index = heatseek::Index::new(&model.model, options(model, settings)?).map_err(Thrown::from)?;
        Ok(Self::of(&model.model, index, None))
    }

    /// Begins to open the index whose stored files are `names`; with none of them it is a new one, to be stored. If its last
    /// change is damaged, it is opened as it was before that if it is to `recover`, else not at all. `verify` compares each
    /// file with its sum.
    pub fn opening(
        model: &Model,
        settings: JsValue,
        names: Vec<String>,
        recover: bool,
        verify: bool,
    ) -> Result<IndexOpening, JsValue> {
        let check = if verify { Check::Full } else { Check::Length };
        IndexOpening::new(&model.model, options(model, settings)?, names, recover, check)
    }

    /// What [`exported`](Self::exported) gave, as an index that is not stored.
    pub fn imported(model: &Model, settings: JsValue, archive: &[u8]) -> Result<Self, JsValue> {
        let index = Self::new(model, settings)?;
        index.import(archive)?;
        Ok(index)
    }

    /// Adds what [`exported`](Self::exported) gave; gives the number of documents.
    pub fn import(&self, archive: &[u8]) -> Result<usize, JsValue> {
        Ok(self.index.borrow_mut().import(&self.model, archive).map_err(Thrown::from)?)
    }

    /// All of it as one file.
    pub fn exported(&self) -> Result<Vec<u8>, JsValue> {
        Ok(self.index.borrow().export(&self.model).map_err(Thrown::from)?)
    }

    /// That another pooling was asked for than the model's own.
    pub fn warning(&self) -> Result<Option<String>, JsValue> {
        Ok(self.index.borrow().warning(&self.model).map_err(Thrown::from)?)
    }

    /// Adds `documents`, or replaces those whose id is known; `chunk` is `ChunkSettings` or undefined for whole ones. Gives the
    /// number of chunks added.
    pub async fn add(
        &self,
        documents: JsValue,
        chunk: JsValue,
        control: JsControl,
    ) -> Result<usize, JsValue> {
        let documents: Vec<Text> = serde_wasm_bindgen::from_value(documents).map_err(malformed)?;
        let chunk: Option<ChunkOptions> = serde_wasm_bindgen::from_value(chunk).map_err(malformed)?;
        let document = |Text { id, text, metadata }| {
            let metadata = metadata.map_or(Ok(Value::Null), |json| serde_json::from_str(&json));
            metadata.map(|metadata| Document { id, text, metadata }).map_err(unreadable)
        };
        let documents = documents.into_iter().map(document).collect::<Result<_, _>>()?;
        let added = heatseek::Index::add_shared(&self.index, &self.model, documents, chunk, &control).await;
        Ok(added.map_err(Thrown::from)?)
    }

    /// The best chunks, best first: `Found` of pkg/src/protocol.ts; `settings` are its `SearchSettings`, `rerank` the
    /// weights of a second stage.
    pub async fn search(
        &self,
        query: String,
        settings: JsValue,
        rerank: Option<Vec<u8>>,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let read = |bytes: Vec<u8>| Params::read(&bytes).and_then(|params| Iem::read(&params));
        let iem = rerank.map(read).transpose().map_err(Thrown::from)?;
        let settings: SearchSettings = serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let hybrid = settings.hybrid.map(|HybridSettings { fusion, k, weight }| {
            let by_rank = Fusion::ReciprocalRank { k };
            Hybrid { fusion: if fusion == "scores" { Fusion::ScoreSum } else { by_rank }, weight }
        });
        let defaults = IndexSearch::default();
        let options = IndexSearch {
            top_k: settings.top_k,
            filter: filter(settings.filter)?,
            hybrid,
            rerank: iem.as_ref(),
            per_document: settings.per_document,
            threshold: settings.threshold,
            diversity: settings.diversity,
            oversampling: settings.oversampling.unwrap_or(defaults.oversampling),
        };
        let hits = heatseek::Index::search_shared(&self.index, &self.model, &query, &options, &control).await;
        let hits = hits.map_err(Thrown::from)?;
        let hits = hits
            .iter()
            .map(|hit| RawHit {
                id: &hit.id,
                score: hit.score,
                chunk: RawChunk::of(&hit.document.text, &hit.chunk),
            })
            .collect();
        let found = Found { hits, gpu_bytes: self.index.borrow().gpu_bytes() as f64 };
        Ok(serde_wasm_bindgen::to_value(&found).map_err(malformed)?)
    }

    /// `RawFacet[]` of pkg/src/protocol.ts: of each field the `most` frequent values among the documents that meet `condition`.
    pub fn facets(
        &self,
        fields: Vec<String>,
        condition: Option<String>,
        most: usize,
    ) -> Result<JsValue, JsValue> {
        let condition = filter(condition)?;
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let facets = self.index.borrow().facets(&fields, condition.as_ref(), most).into_iter().map(|facet| {
            let values = facet.counts.into_iter();
            let values = values.map(|(value, count)| RawCount { value: value.to_string(), count }).collect();
            RawFacet { field: facet.field, values }
        });
        Ok(serde_wasm_bindgen::to_value(&facets.collect::<Vec<_>>()).map_err(malformed)?)
    }

    /// All documents, in the order they were added: `IndexedText[]` of pkg/src/protocol.ts.
    pub fn documents(&self) -> Result<JsValue, JsValue> {
        let index = self.index.borrow();
        let documents = index.iter().map(|Document { id, text, metadata }| TextOut {
            id,
            text,
            metadata: (!metadata.is_null()).then(|| metadata.to_string()),
        });
        Ok(serde_wasm_bindgen::to_value(&documents.collect::<Vec<_>>()).map_err(malformed)?)
    }

    /// Removes documents by id; gives how many there were.
    pub fn remove(&self, ids: Vec<String>) -> usize {
        let mut index = self.index.borrow_mut();
        ids.iter().filter(|id| index.remove(id)).count()
    }
}

fn options(model: &Model, settings: JsValue) -> Result<IndexOptions, JsValue> {
    let pooling_weights = model.weights.of(&settings)?;
    let settings: Settings = serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
    Ok(IndexOptions {
        metric: metric(&settings.metric),
        storage: Storage::named(&settings.storage).unwrap_or_default(),
        pooling: pooling::chosen(settings.pooling),
        pooling_weights,
        include_prompt: settings.include_prompt,
        truncate_dim: settings.truncate_dim,
        late: settings.late,
        scan: match &settings.scan[..] {
            "gpu" => ScanOn::Gpu,
            "cpu" => ScanOn::Cpu,
            _ => ScanOn::Auto,
        },
    })
}

fn filter(json: Option<String>) -> Result<Option<Filter>, JsValue> {
    let read = |json: String| -> Result<Filter, JsValue> {
        let json: Value = serde_json::from_str(&json).map_err(unreadable)?;
        Ok(Filter::parse(&json).map_err(Thrown::from)?)
    };
    json.map(read).transpose()
}

/// JSON comes from `JSON.stringify`: what of it cannot be read here is deeper than 127 levels.
fn unreadable(error: serde_json::Error) -> Thrown {
    Thrown::new("invalid_input", format!("metadata or filter: {error}; expected JSON of at most 100 levels"))
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
